//! Which servers of the backend are in their pauses.

use super::lock;
use crate::round::Server;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is remembered of the servers, by their numbers.
///
/// Mostly no server is in a pause, and then nothing is to be remembered: a hit finds that without the mutex.
#[derive(Default)]
pub(crate) struct Pauses {
    /// Whether anything is remembered of any server. Written under the mutex.
    ///
    /// Relaxed: a step that does not see yet that a server has failed is one of just before that, as it could have been
    /// with the mutex. A thread that knows of the failure by other means has seen the flag written.
    is_any: AtomicBool,
    servers: Mutex<Vec<(u64, Server)>>,
}

impl Pauses {
    /// Returns whether anything is remembered of any server.
    pub(super) fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Relaxed)
    }

    /// Performs a step with what is remembered of a server. No code of the user's may run in it.
    pub(super) fn with<T>(&self, number: u64, step: impl FnOnce(&mut Server) -> T) -> T {
        if !self.is_any() {
            let mut server = Server::default();
            let done = step(&mut server);
            if server != Server::default() {
                let mut servers = lock(&self.servers);
                *of(&mut servers, number) = server;
                self.is_any.store(true, Ordering::Relaxed);
            }
            return done;
        }
        let mut servers = lock(&self.servers);
        let done = step(of(&mut servers, number));
        servers.retain(|(_, server)| *server != Server::default());
        self.is_any.store(!servers.is_empty(), Ordering::Relaxed);
        done
    }
}

fn of(servers: &mut Vec<(u64, Server)>, number: u64) -> &mut Server {
    let at = servers.iter().position(|(known, _)| *known == number).unwrap_or_else(|| {
        servers.push((number, Server::default()));
        servers.len() - 1
    });
    &mut servers[at].1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::round::{Faults, OnBackendFailure, Settings};
    use std::time::Duration;

    fn settings() -> Settings {
        let second = Duration::from_secs(1);
        Settings {
            lease: second,
            grain: Duration::ZERO,
            poll: second,
            creation_timeout: second,
            has_signals: false,
            on_backend_failure: OnBackendFailure::Elect,
            longest_pause: second,
            backend_pause: second,
            own_for: second,
            faults: Faults::default(),
        }
    }

    #[test]
    fn each_server_has_a_pause_of_its_own() {
        let (settings, now) = (settings(), Duration::from_secs(1));
        let pauses = Pauses::default();
        let is_down = |number| pauses.with(number, |server| server.is_down(now));
        pauses.with(7, |server| server.failed(&settings, now));
        pauses.with(8, |server| server.failed(&settings, now));
        assert_eq!([is_down(7), is_down(8), is_down(9)], [true, true, false]);
        pauses.with(7, Server::answered);
        assert_eq!([is_down(7), is_down(8)], [false, true]);
        // Nothing is left of those that have answered.
        pauses.with(8, Server::answered);
        assert!(!pauses.is_any() && lock(&pauses.servers).is_empty());
    }
}
