//! Threads without a runtime, runtimes that end, and runtimes that stand still.

use crate::kit::{LEASE, granted, key, set, stored};
use crate::{WATCHDOG, connect, connected, until, within};
use dogpile_cache::backend::{Backend, Memcached, Renewed};
use dogpile_servers::{MemcachedServer, Proxy};
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// Blocks until a future is ready, without a runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn threads_without_a_runtime_have_the_connection_of_the_keeper() {
    let server = MemcachedServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let memcached = Memcached::lazy(&format!("memcached://{}", proxy.address())).unwrap();
    thread::scope(|scope| {
        for at in 0..8 {
            let memcached = &memcached;
            scope.spawn(move || {
                let (key, text) = (key(&at.to_string()), at.to_string());
                for _ in 0..50 {
                    block_on(set(memcached, &key, &text)).unwrap();
                    assert_eq!(block_on(stored(memcached, &key)).unwrap(), text);
                }
            });
        }
    });
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn a_runtime_that_ends_takes_its_connection_with_it_and_no_other() {
    let server = MemcachedServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let memcached = Arc::new(Memcached::lazy(&format!("memcached://{}", proxy.address())).unwrap());
    for round in 1..=5 {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(set(&*memcached, &key("a"), "one")).unwrap();
        assert_eq!(proxy.connections(), round);
        drop(runtime);
        let began = Instant::now();
        while proxy.open() > 0 {
            assert!(began.elapsed() < WATCHDOG, "the connection is open still");
            thread::yield_now();
        }
    }
    assert_eq!(block_on(stored(&*memcached, &key("a"))).unwrap(), "one");
}

/// A runtime with one thread, which has a connection, and stands still until it is told to go on.
struct Standing {
    go_on: mpsc::Sender<()>,
    thread: thread::JoinHandle<bool>,
}

impl Standing {
    fn new(memcached: &Arc<Memcached>) -> Standing {
        let (go_on, told) = mpsc::channel::<()>();
        let (stands, is_standing) = mpsc::channel::<()>();
        let memcached = Arc::clone(memcached);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                set(&*memcached, &key("b"), "one").await.unwrap();
                stands.send(()).unwrap();
                told.recv().unwrap();
                memcached.ping().await.is_ok()
            })
        });
        is_standing.recv().unwrap();
        Standing { go_on, thread }
    }

    /// Returns whether its connection goes on.
    async fn go_on(self) -> bool {
        self.go_on.send(()).unwrap();
        until(|| self.thread.is_finished()).await;
        self.thread.join().unwrap()
    }
}

/// A creator that blocks the only thread of its runtime: the lease is renewed by another thread meanwhile.
#[tokio::test]
async fn g9_a_runtime_that_stands_still_delays_no_other() {
    let server = MemcachedServer::start().unwrap();
    let memcached = connect(&server).await;
    let grant = granted(&*memcached, &key("a")).await;
    let standing = Standing::new(&memcached);
    let renewed = within(memcached.renew(&key("a"), &grant, LEASE)).await.unwrap();
    assert!(matches!(renewed, Renewed::Yes(_)));
    assert!(standing.go_on().await, "its connection goes on");
}

/// It has not heard that the server has another life. The others have.
#[tokio::test]
async fn g9_g10_a_runtime_that_stands_still_over_a_restart_delays_no_other() {
    let mut server = MemcachedServer::start().unwrap();
    let memcached = connect(&server).await;
    let standing = Standing::new(&memcached);
    server.restart().unwrap();
    within(connected(&memcached)).await;
    set(&*memcached, &key("a"), "one").await.unwrap();
    assert!(!standing.go_on().await, "its connection was that of another life");
}
