//! What is there of many keys, without any creation.

use super::looking::OfServer;
use crate::backend::BackendError;
use crate::drive::{Core, Held};
use crate::observer::Operation;
use crate::region::outcome::Outcome;
use crate::round::Found;
use crate::slot::Value;
use crate::store::{Store, local};
use crate::together::Together;
use std::hash::Hash;

/// What was found of a key: its value, and what that is.
type Peeked<V> = (Option<Value<V>>, Outcome);

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    /// Returns the values that are there, and what they are, by one look at each server. What a server has that does
    /// not answer, must be a value of this process's own.
    pub(crate) async fn peek_many(&self, slots: &[Held<O, V>]) -> Result<Vec<Peeked<V>>, BackendError> {
        if let Store::Near(near) = &self.store {
            let found = |slot| local::look(near, slot, self.time.nanos());
            return Ok(slots.iter().map(|slot| self.peeked(slot, found(slot))).collect());
        }
        let mut peeked: Vec<Option<Peeked<V>>> = slots.iter().map(|_| None).collect();
        let mut looking = Together::new();
        for of in self.by_server(slots.iter().enumerate()) {
            match self.unless_down(&of.slots[0]) {
                // (No server is asked before this is known of each of them.)
                Err(error) => self.peek_alone(&of, &error, &mut peeked)?,
                Ok(()) => looking.push(async move {
                    let found = self.in_all(&of.slots[0], self.found_at(&of)).await;
                    (of, found)
                }),
            }
        }
        while let Some((of, found)) = looking.next().await {
            match found {
                Err(error) => self.peek_alone(&of, &error, &mut peeked)?,
                Ok(found) => {
                    for ((at, slot), found) in of.at.iter().zip(&of.slots).zip(found) {
                        peeked[*at] = Some(self.peeked(slot, found));
                    }
                }
            }
        }
        Ok(peeked.into_iter().map(|peeked| peeked.expect("each key has one server")).collect())
    }

    /// Takes what this process has created for itself of the keys of a server, which has failed.
    fn peek_alone(
        &self,
        of: &OfServer<O, V>,
        error: &BackendError,
        peeked: &mut [Option<Peeked<V>>],
    ) -> Result<(), BackendError> {
        for (at, slot) in of.at.iter().zip(&of.slots) {
            peeked[*at] = Some(self.peeked_alone(slot).ok_or_else(|| error.clone())?);
        }
        Ok(())
    }

    /// Looks at the keys of a server, after what must be told was told.
    async fn found_at(&self, of: &OfServer<O, V>) -> Result<Vec<Found<Value<V>>>, BackendError> {
        let untold = of.slots.iter().filter(|slot| slot.lock().remembered.untold().is_some());
        let mut telling = Together::new();
        untold.for_each(|slot| telling.push(self.tell_untold(slot)));
        while let Some(told) = telling.next().await {
            told?;
        }
        let until = self.time.now().saturating_add(self.backend_timeout);
        let reply = self.time.until(until, self.look_at(&of.slots)).await;
        let reply = reply.unwrap_or_else(|| Err(self.no_answer(&of.slots[0])));
        // (The keys may have another server by now, which has not failed.)
        self.note_reply(of.server, Operation::Look, of.slots.first(), &reply);
        reply
    }
}
