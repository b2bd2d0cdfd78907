//! S4: futures that are dropped never shift a reply.

use crate::kit::{LEASE, SECOND, entry, key, look, set};
use crate::{MS, connect, connect_by, within};
use dogpile_cache::backend::{Backend, Change, Claim, Count, Memcached, Token};
use dogpile_cache::key::StoredKey;
use dogpile_servers::Direction::{FromClient, FromServer};
use dogpile_servers::{MemcachedServer, Proxy};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

const DROPS: usize = 100_000;

/// How many are under way at once.
const TOGETHER: usize = 200;

type Operation<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// An operation of a few steps, on keys that nobody looks at.
fn operation<'a>(memcached: &'a Memcached, key: &'a StoredKey, at: usize) -> Operation<'a> {
    Box::pin(async move {
        let lease = LEASE;
        let _any = match at % 6 {
            0 => look(memcached, key).await.map(drop),
            1 => set(memcached, key, "dropped").await,
            2 => memcached.claim(key, Claim::new(Token::random(), lease)).await.map(drop),
            3 => {
                let add = Count::Add { delta: 1, ceiling: u64::MAX, lifetime: Some(lease) };
                memcached.count(key, add).await.map(drop)
            }
            4 => {
                let void_pause = SECOND;
                memcached.change(key, Change::Invalidate { beside: Vec::new(), void_pause }).await.map(drop)
            }
            _ => memcached.change(key, Change::MarkStale { beside: Vec::new() }).await.map(drop),
        };
    })
}

/// Polls a future so many times, each time when something has happened; then it is dropped.
async fn polled(mut operation: Operation<'_>, times: usize) {
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 || operation.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Looks at its own entry again and again, and finds it.
async fn looks(memcached: Arc<Memcached>, at: usize, ended: Arc<AtomicBool>, looked: Arc<AtomicUsize>) {
    let (key, text) = (key(&format!("own {at}")), format!("value {at}"));
    while !ended.load(Ordering::Relaxed) {
        let found = look(&*memcached, &key).await.expect("the connection goes on");
        assert_eq!(found.entry, Some(entry(&text).bytes), "another's reply");
        looked.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn s4_dropped_futures_never_shift_a_reply() {
    let server = MemcachedServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let memcached = connect_by(&proxy).await;
    let direct = connect(&server).await;
    proxy.delay(FromServer, MS);
    proxy.delay(FromClient, MS);
    let (ended, looked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut looking = Vec::new();
    for at in 0..8 {
        set(&*direct, &key(&format!("own {at}")), &format!("value {at}")).await.unwrap();
        looking.push(tokio::spawn(looks(Arc::clone(&memcached), at, Arc::clone(&ended), Arc::clone(&looked))));
    }
    let keys: Vec<StoredKey> = (0..50).map(|at| key(&format!("dropped {at}"))).collect();
    let mut dropped = 0;
    while dropped < DROPS {
        let operations = (0..TOGETHER).map(|at| {
            let at = dropped + at;
            polled(operation(&memcached, &keys[at % keys.len()], at), at % 4)
        });
        let mut all: Vec<_> = operations.map(Box::pin).collect();
        within(poll_fn(|cx| {
            all.retain_mut(|one| pin!(one).poll(cx).is_pending());
            if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        }))
        .await;
        dropped += TOGETHER;
        assert!(looking.iter().all(|task| !task.is_finished()), "a look has failed");
    }
    ended.store(true, Ordering::Relaxed);
    for task in looking {
        within(task).await.unwrap();
    }
    println!("{dropped} dropped, {} looks beside them", looked.load(Ordering::Relaxed));
    assert!(looked.load(Ordering::Relaxed) > 100);
    assert_eq!(proxy.connections(), 1, "a connection was lost");
    // And most of them were under way: a request has more than 20 bytes.
    assert!(proxy.bytes(FromClient) > 20 * DROPS as u64 / 2);
}
