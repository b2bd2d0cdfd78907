//! What [`Proxy`](crate::Proxy) and [`FakeServer`](crate::FakeServer) share: a listener in a thread, and its streams.

use crate::error::Result;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Locks, also after a panic of another thread: a test that fails still has to end its servers.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a listener is.
#[derive(Clone, Debug)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A listener on a free port of 127.0.0.1, or on a unix socket, in a thread of its own, and the connections that are
/// open. A drop accepts no more, and closes all of them.
#[derive(Debug)]
pub(crate) struct Listener {
    place: Place,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    open: Arc<Open>,
}

impl Listener {
    /// Starts it on a port. `accepted` gets each connection, in the thread of the listener, and adds it to those that
    /// are open.
    pub(crate) fn start(accepted: impl Fn(&Arc<Open>, TcpStream) + Send + 'static) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let place = Place::Tcp(listener.local_addr()?);
        Ok(Self::accepting(place, move || Ok(listener.accept()?.0), accepted))
    }

    /// Starts it on a unix socket. All that is done to a stream here is done by its descriptor, whatever family that
    /// is of: so one type of stream will do.
    pub(crate) fn start_at(path: &Path, accepted: impl Fn(&Arc<Open>, TcpStream) + Send + 'static) -> Result<Self> {
        let listener = UnixListener::bind(path)?;
        let accept = move || Ok(TcpStream::from(OwnedFd::from(listener.accept()?.0)));
        Ok(Self::accepting(Place::Unix(path.into()), accept, accepted))
    }

    fn accepting(
        place: Place,
        accept: impl Fn() -> io::Result<TcpStream> + Send + 'static,
        accepted: impl Fn(&Arc<Open>, TcpStream) + Send + 'static,
    ) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Open::default());
        let (seen, opened) = (Arc::clone(&ended), Arc::clone(&open));
        let thread = thread::spawn(move || {
            loop {
                let stream = accept();
                // Pairs with the store of `end`, which is made before the connection that wakes this thread.
                if seen.load(Ordering::Acquire) {
                    break;
                }
                if let Ok(stream) = stream {
                    accepted(&opened, stream);
                }
            }
        });
        Self { place, ended, thread: Some(thread), open }
    }

    /// The address of the port.
    ///
    /// # Panics
    ///
    /// If it listens on a unix socket.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.place {
            Place::Tcp(address) => *address,
            Place::Unix(path) => panic!("no port, but {}", path.display()),
        }
    }

    /// The connections that are open.
    pub(crate) fn open(&self) -> &Open {
        &self.open
    }

    /// Accepts no more, and closes all connections.
    pub(crate) fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.ended.store(true, Ordering::Release);
        // A connection wakes the thread.
        match &self.place {
            Place::Tcp(address) => drop(TcpStream::connect(address)),
            Place::Unix(path) => drop(UnixStream::connect(path)),
        }
        // In this order, so that no connection comes after all were closed.
        let _panicked = thread.join();
        self.open.close_all();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.end();
    }
}

/// The streams that are open, so that they can be closed from outside.
#[derive(Debug, Default)]
pub(crate) struct Open(Mutex<(u64, HashMap<u64, Vec<TcpStream>>)>);

impl Open {
    /// Adds the streams of a connection. Returns the connection's number.
    pub(crate) fn add(&self, streams: &[&TcpStream]) -> Result<u64> {
        let clones = streams.iter().map(|stream| stream.try_clone()).collect::<std::io::Result<_>>()?;
        let mut open = lock(&self.0);
        open.0 += 1;
        let number = open.0;
        open.1.insert(number, clones);
        Ok(number)
    }

    /// Closes the streams of a connection, and forgets them.
    pub(crate) fn close(&self, number: u64) {
        let closed = lock(&self.0).1.remove(&number);
        closed.iter().flatten().for_each(shut);
    }

    /// Closes the streams of all connections.
    pub(crate) fn close_all(&self) {
        let closed = std::mem::take(&mut lock(&self.0).1);
        closed.values().flatten().for_each(shut);
    }

    /// How many connections are open.
    pub(crate) fn count(&self) -> usize {
        lock(&self.0).1.len()
    }

    /// Whether this connection is open.
    pub(crate) fn has(&self, number: u64) -> bool {
        lock(&self.0).1.contains_key(&number)
    }
}

fn shut(stream: &TcpStream) {
    // An error means that the other end has closed already.
    let _closed = stream.shutdown(Shutdown::Both);
}
