//! The servers as the test sees them: a file for each kind. A kind joins by an implementation of [`Servers`], by the
//! [`Terms`] of its regions and a line in `main.rs`; and by what the judge knows of its faults.

pub mod memcached;
pub mod postgres;
pub mod redis;

use crate::crew::{Crew, Result};
use crate::fault::{Fault, Keys, Kind};
use crate::settings::Terms;
use fastrand::Rng;
use std::fmt::{Debug, Display};
use std::net::SocketAddr;
use std::time::Duration;

/// Asks a server for nothing. Blocks until it has answered, and returns whether it has.
pub type Ping = Box<dyn FnMut() -> bool>;

/// Connects to a server.
pub type Dial = fn(SocketAddr) -> Option<Ping>;

/// Returns for how long a process of the server has waited for a processor since the last time: the longest wait, in
/// nanoseconds.
pub type Starved = Box<dyn FnMut() -> u64 + Send>;

/// One server, or several, each of which has its keys.
pub trait Servers: Debug {
    /// The scheme of their URL.
    fn scheme(&self) -> &'static str;

    /// The URL of one server, or of a proxy before it.
    fn url(&self, address: SocketAddr) -> String {
        format!("{}://{address}", self.scheme())
    }

    /// What follows from them for the settings, and so for the judge.
    fn terms(&self) -> Terms;

    /// Where they are now.
    fn addresses(&self) -> Vec<SocketAddr>;

    /// How one of them is asked for nothing.
    fn dial(&self) -> Dial;

    /// How the processes of a server are watched that is more than one. `None`: a ping tells all there is.
    fn starved(&self) -> Option<Starved> {
        None
    }

    /// The faults that are injected, those of processes and links among them.
    fn kinds(&self) -> &'static [Kind];

    /// Blocks until it is known which server has which key. Fails if a key is at two servers, or is at another one than
    /// before.
    fn settle(&mut self) -> Result<()>;

    /// Returns the keys of a server; all, before it is known which.
    fn keys_of(&self, server: usize) -> Keys;

    /// Injects a fault of the servers. Returns when it is over. `stop` is how long a server is stopped.
    fn hurt(&mut self, kind: Kind, crew: &mut Crew, dice: &mut Rng, stop: Duration) -> Result<Vec<Fault>>;
}

/// An error, as the chaos has them.
pub fn text(error: impl Display) -> String {
    error.to_string()
}
