//! A proxy before a TCP server that delays, holds back and cuts.
//!
//! Each direction of a connection has two threads: one notes when bytes came, the other passes them on when they are
//! due. So a delay is the latency of a link: what comes close together goes close together.

use crate::error::Result;
use crate::listen::{Listener, Open, lock};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A direction of the bytes: which end sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Those that the client sends.
    FromClient,
    /// Those that the server sends.
    FromServer,
}

/// What is done to the bytes of a direction.
#[derive(Clone, Copy, Debug, Default)]
struct Rules {
    delay: Duration,
    black_hole: bool,
    /// How many bytes go on until a connection is cut, over all connections.
    cut_after: Option<u64>,
    /// After how many bytes, from its start, each connection is cut.
    cut_each_after: Option<u64>,
    /// How many bytes went on so far.
    passed: u64,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    rules: [Rules; 2],
    connections: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Signalled when the rules change and when connections are closed.
    changed: Condvar,
}

impl Shared {
    fn new(server: SocketAddr) -> Arc<Self> {
        let state = State { server, rules: [Rules::default(); 2], connections: 0 };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() })
    }
}

/// A proxy on a free port of 127.0.0.1, or on a unix socket. All can be changed while connections are open. A drop closes
/// all connections.
#[derive(Debug)]
pub struct Proxy {
    listener: Listener,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Starts a proxy before this server. It passes everything on, at first.
    pub fn start(server: SocketAddr) -> Result<Self> {
        let shared = Shared::new(server);
        Ok(Self { listener: Listener::start(accepting(&shared))?, shared })
    }

    /// Starts a proxy that listens on a unix socket, at a path where nothing is. The socket's file stays.
    pub fn start_at(path: &Path, server: SocketAddr) -> Result<Self> {
        let shared = Shared::new(server);
        Ok(Self { listener: Listener::start_at(path, accepting(&shared))?, shared })
    }

    /// The address for clients.
    ///
    /// # Panics
    ///
    /// If the proxy listens on a unix socket.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The port for clients.
    ///
    /// # Panics
    ///
    /// If the proxy listens on a unix socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address().port()
    }

    /// Delays the bytes of a direction: those that come from now on. Zero passes them on at once.
    pub fn delay(&self, direction: Direction, by: Duration) {
        self.change(|state| state.rules[direction as usize].delay = by);
    }

    /// Holds back the bytes of a direction, on connections of now and later, and closes nothing. When that ends, what
    /// was held back goes on.
    pub fn black_hole(&self, direction: Direction, on: bool) {
        self.change(|state| state.rules[direction as usize].black_hole = on);
    }

    /// Passes on exactly `bytes` more bytes of a direction, over all connections, and then closes the connection that
    /// the last of them belongs to. Once: the other connections, and later ones, pass everything on.
    ///
    /// With 0, the connection of the next byte is closed, and the byte does not go on.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.change(|state| state.rules[direction as usize].cut_after = Some(bytes));
    }

    /// Closes each connection after exactly `bytes` bytes of a direction, counted from the connection's start, until
    /// [`normal`](Self::normal). With 0, the first byte closes it and does not go on; so does the next byte of a
    /// connection that has passed more already.
    pub fn cut_each_after(&self, direction: Direction, bytes: u64) {
        self.change(|state| state.rules[direction as usize].cut_each_after = Some(bytes));
    }

    /// Passes everything on again, at once. Keeps the counts and the connections.
    pub fn normal(&self) {
        self.change(|state| {
            for rules in &mut state.rules {
                *rules = Rules { passed: rules.passed, ..Rules::default() };
            }
        });
    }

    /// Sends later connections to another server.
    pub fn forward_to(&self, server: SocketAddr) {
        self.change(|state| state.server = server);
    }

    /// Closes all connections of now.
    pub fn sever(&self) {
        self.listener.open().close_all();
        self.change(|_| {});
    }

    /// How many bytes of a direction went on so far.
    #[must_use]
    pub fn bytes(&self, direction: Direction) -> u64 {
        lock(&self.shared.state).rules[direction as usize].passed
    }

    /// How many connections came so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        lock(&self.shared.state).connections
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.listener.open().count()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.shared.state));
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.end();
        // The pumps may be held back.
        self.change(|_| {});
    }
}

/// The bytes of one direction of one connection.
struct Pump {
    shared: Arc<Shared>,
    open: Arc<Open>,
    connection: u64,
    direction: Direction,
    /// How many bytes went on so far.
    passed: u64,
    to: TcpStream,
}

/// What is done with each connection.
fn accepting(shared: &Arc<Shared>) -> impl Fn(&Arc<Open>, TcpStream) + Send + 'static {
    let shared = Arc::clone(shared);
    move |open, client| {
        // A server that cannot be reached: the client sees its connection closed.
        let _unreachable = accept(&shared, open, client);
    }
}

fn accept(shared: &Arc<Shared>, open: &Arc<Open>, client: TcpStream) -> Result<()> {
    let address = {
        let mut state = lock(&shared.state);
        state.connections += 1;
        state.server
    };
    let server = TcpStream::connect(address)?;
    // (An error means a unix socket, which does not wait for more.)
    let _is_tcp = client.set_nodelay(true);
    server.set_nodelay(true)?;
    let (to_server, to_client) = (server.try_clone()?, client.try_clone()?);
    let connection = open.add(&[&client, &server])?;
    let pump = |direction, from, to| {
        let (sender, receiver) = mpsc::channel();
        let (shared, open) = (Arc::clone(shared), Arc::clone(open));
        let pump = Pump { shared, open, connection, direction, passed: 0, to };
        thread::spawn(move || read(from, &sender));
        thread::spawn(move || pump.run(&receiver));
    };
    pump(Direction::FromClient, client, to_server);
    pump(Direction::FromServer, server, to_client);
    Ok(())
}

/// Hands over what comes, with the time at which it came, until the stream ends.
fn read(mut from: TcpStream, to: &Sender<(Instant, Vec<u8>)>) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.send((Instant::now(), bytes[..count].to_vec())).is_err() {
            return;
        }
    }
}

impl Pump {
    /// Passes on what comes. An end of either stream ends the connection as a whole, after what came before it.
    fn run(mut self, from: &Receiver<(Instant, Vec<u8>)>) {
        while let Ok((came, bytes)) = from.recv() {
            let Some((count, cut)) = self.wait(came, bytes.len()) else { break };
            let written = self.to.write_all(&bytes[..count]);
            if written.is_err() || cut {
                break;
            }
        }
        self.open.close(self.connection);
        // The pump of the other direction may be held back.
        drop(lock(&self.shared.state));
        self.shared.changed.notify_all();
    }

    /// Blocks until bytes may go on. Returns how many of them, and whether the connection is to be cut after them;
    /// `None`, if the connection was closed meanwhile.
    fn wait(&mut self, came: Instant, count: usize) -> Option<(usize, bool)> {
        let mut state = lock(&self.shared.state);
        loop {
            if !self.open.has(self.connection) {
                return None;
            }
            let rules = &mut state.rules[self.direction as usize];
            let rest = (came + rules.delay).saturating_duration_since(Instant::now());
            if !rules.black_hole && rest.is_zero() {
                return Some(rules.pass(&mut self.passed, count));
            }
            let rest = if rules.black_hole { Duration::MAX } else { rest };
            state = if rest == Duration::MAX {
                self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.shared.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}

impl Rules {
    /// Counts the bytes that go on, of `count`; `connection` counts those of the connection. Returns their number, and
    /// whether they are the connection's last.
    fn pass(&mut self, connection: &mut u64, count: usize) -> (usize, bool) {
        let of_this = self.cut_each_after.map_or(u64::MAX, |bytes| bytes.saturating_sub(*connection));
        let of_all = self.cut_after.unwrap_or(u64::MAX);
        let left = of_this.min(of_all);
        let passed = left.min(count as u64);
        *connection += passed;
        self.passed += passed;
        // The cut of all connections comes once.
        self.cut_after = self.cut_after.map(|all| all - passed).filter(|_| passed < of_all);
        // It fits: it is no more than `count`.
        (usize::try_from(passed).unwrap_or(count), left <= count as u64)
    }
}
