//! What a process remembers of a server between operations.

use super::settings::{Settings, Time};

/// What a process remembers of a server of its backend: whether the server is in its pause.
///
/// All keys that lie on the server share it, so that a server that is down costs the process one failed operation per
/// pause, not one for each key. An answer to any operation ends the pause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Server {
    /// Until then the server is asked for nothing.
    down_until: Time,
}

impl Server {
    /// Returns whether the server is to be asked for nothing. (An invalidation is sent all the same.) Never blocks.
    #[must_use]
    pub fn is_down(&self, now: Time) -> bool {
        now < self.down_until
    }

    /// Begins the server's pause: the server has not answered, or was not reached. Never blocks.
    ///
    /// An [`Access`](super::Access) calls this for its own operations. The driver calls it for those that belong to no
    /// access: an invalidation, a `set`, the release of a token.
    pub fn failed(&mut self, settings: &Settings, now: Time) {
        self.down_until = now.saturating_add(settings.backend_pause);
    }

    /// Ends the server's pause: the server has answered. Never blocks.
    ///
    /// As for [`failed`](Server::failed), the driver calls this for operations that belong to no access.
    pub fn answered(&mut self) {
        self.down_until = Time::ZERO;
    }

    /// Forgets what time has made void by now. (For the model: it meets fewer states.)
    #[doc(hidden)]
    pub fn forget_the_past(&mut self, now: Time) {
        if self.down_until <= now {
            self.down_until = Time::ZERO;
        }
    }
}
