//! How many keys are looked at: by one look at each server, all at once.
//!
//! # Each server by itself
//!
//! A [look](crate::backend::Backend::look) at many keys succeeds or fails as a whole. So the keys of a call are told
//! apart by [their servers](crate::backend::Backend::server_of), and the keys of each server have a look of their own:
//!
//! | the look at a server | its accesses | the server |
//! |---|---|---|
//! | is not sent, since the server is in its pause | have not halted here: they go on as without a backend | stays in its pause |
//! | answers | go on with what was found | has no pause |
//! | fails, or takes the whole `backend_timeout` | go on as `on_backend_failure` says | begins its pause |
//! | is refused, or takes all that was left of the budget | go on as `on_backend_failure` says | as it was |
//! | fails, and the key has another server by then | looks again there, once, if there is budget and no pause | as it was |
//!
//! The last row is that of a map that was not known, or that has changed: an error of one server says nothing of
//! another one.
//!
//! # What the call waits for
//!
//! The call goes on when all these looks have ended. An access that went on before would claim, and its grant would
//! wait for a server that is dead; and its creator would be called once for each server. So no grant waits for a look,
//! unless its access was elected while others had yet to look again.
//!
//! An access spends of its budget what its own look has taken, not what the call has waited for the looks of others.
//! So the accesses of a healthy server have time to claim and to publish, though a dead one has cost the call a
//! `backend_timeout`. It does so once in each pause.

use super::{Flow, Halt, Many};
use crate::backend::BackendError;
use crate::drive::{Core, Held};
use crate::observer::Operation;
use crate::round::{Event, Found};
use crate::slot::Value;
use crate::together::Together;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// The keys of a call that one server has.
pub(super) struct OfServer<O: Hash + Eq, V> {
    /// The number of the server.
    pub(super) server: u64,
    /// Which keys of the call they are. There is one at least.
    pub(super) at: Vec<usize>,
    pub(super) slots: Vec<Held<O, V>>,
}

/// A look that has ended.
struct Looked<O: Hash + Eq, V> {
    of: OfServer<O, V>,
    /// How long it could take, and has taken.
    most: Duration,
    took: Duration,
    /// `None`: it has taken too long.
    reply: Option<Result<Vec<Found<Value<V>>>, BackendError>>,
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    /// Tells the keys of a call apart by their servers.
    pub(super) fn by_server<'a>(&self, slots: impl Iterator<Item = (usize, &'a Held<O, V>)>) -> Vec<OfServer<O, V>> {
        let mut servers: Vec<OfServer<O, V>> = Vec::new();
        for (at, slot) in slots {
            let (server, slot) = (self.server_of(slot), slot.clone());
            match servers.iter_mut().find(|of| of.server == server) {
                Some(of) => {
                    of.at.push(at);
                    of.slots.push(slot);
                }
                None => servers.push(OfServer { server, at: vec![at], slots: vec![slot] }),
            }
        }
        servers
    }

    /// Looks at the keys of a server, by one look that is sent now. Keeps near what it has found.
    pub(super) async fn look_at(&self, slots: &[Held<O, V>]) -> Result<Vec<Found<Value<V>>>, BackendError> {
        let as_of: Vec<_> = slots.iter().map(|slot| slot.lock().as_of()).collect();
        let keys: Vec<_> = slots.iter().map(|slot| slot.stored().clone()).collect();
        let found = self.far().look(&keys, self.time.nanos()).await?;
        for ((slot, found), as_of) in slots.iter().zip(&found).zip(as_of) {
            if let Some(value) = &found.value {
                self.keep_near(slot, value, as_of);
            }
        }
        Ok(found)
    }

    /// Looks at the keys of a server, for as long as their accesses have time.
    async fn look_within(self: Arc<Self>, of: OfServer<O, V>, most: Duration) -> Looked<O, V> {
        let began = self.time.now();
        let reply = if most.is_zero() {
            None
        } else {
            self.time.until(began.saturating_add(most), self.look_at(&of.slots)).await
        };
        let took = self.time.now().saturating_sub(began);
        Looked { of, most, took, reply }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Many<O, V> {
    /// Looks at all keys whose accesses have halted for that. (The looks are sent after these accesses have begun: G3.)
    pub(super) async fn look(&mut self, flow: &mut Flow<O, V>) {
        let mut looking = Together::new();
        let halted = self.ones.iter().enumerate().filter(|(_, one)| matches!(one.halt, Halt::Looks));
        for of in self.core.by_server(halted.map(|(at, one)| (at, &one.slot))) {
            let drives = of.at.iter().filter_map(|at| self.ones[*at].drive.as_ref());
            let most = drives.map(|drive| drive.most()).min().unwrap_or_default();
            looking.push(self.core().look_within(of, most));
        }
        let mut ended = Vec::new();
        while let Some(looked) = looking.next().await {
            ended.push(looked);
        }
        for looked in ended {
            self.looked(flow, looked);
        }
    }

    /// Lets the accesses go on whose look has ended.
    fn looked(&mut self, flow: &mut Flow<O, V>, Looked { of, most, took, reply }: Looked<O, V>) {
        let core = self.core();
        // Whether a failure is one of the server, not of an access that has little time left.
        let is_told = reply.is_some() || most >= core.backend_timeout;
        let reply = reply.unwrap_or_else(|| Err(core.no_answer(&of.slots[0])));
        if let Some(error) = reply.as_ref().err().filter(|_| is_told) {
            core.seen.backend_failed(&core.key_of(&of.slots[0]), Operation::Look, error);
        }
        let (found, failed) = match reply {
            Ok(found) => (found, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut found = found.into_iter();
        for (at, slot) in of.at.into_iter().zip(&of.slots) {
            let (one, found) = (&mut self.ones[at], found.next());
            let Some(drive) = &mut one.drive else { continue };
            drive.spend(took);
            let event = if let Some(error) = &failed {
                let moved = core.server_of(slot) != of.server;
                if moved && !one.has_moved && core.unless_down(slot).is_ok() {
                    one.has_moved = true;
                    continue;
                }
                drive.error = Some(error.clone());
                if is_told && error.is_down() && !moved { Event::Failed } else { Event::OutOfTime }
            } else {
                drive.looked(found.expect("one look for each key"))
            };
            flow.tell(at, one, event);
        }
    }
}
