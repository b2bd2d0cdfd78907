//! What is there of many keys, without any creation.

use crate::backend::BackendError;
use crate::drive::{Core, Held};
use crate::observer::Operation;
use crate::region::outcome::Outcome;
use crate::round::Found;
use crate::slot::Value;
use crate::store::{Store, local};
use crate::together::Together;
use std::hash::Hash;

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    /// Returns the values that are there, and what they are, by one look.
    pub(crate) async fn peek_many(
        &self,
        slots: &[Held<O, V>],
    ) -> Result<Vec<(Option<Value<V>>, Outcome)>, BackendError> {
        match self.found_many(slots).await {
            Ok(found) => Ok(slots.iter().zip(found).map(|(slot, found)| self.peeked(slot, found)).collect()),
            Err(error) => slots.iter().map(|slot| self.peeked_alone(slot).ok_or_else(|| error.clone())).collect(),
        }
    }

    async fn found_many(&self, slots: &[Held<O, V>]) -> Result<Vec<Found<Value<V>>>, BackendError> {
        let far = match &self.store {
            Store::Near(near) => {
                return Ok(slots.iter().map(|slot| local::look(near, slot, self.time.nanos())).collect());
            }
            Store::Far(far) => far,
        };
        slots.iter().try_for_each(|slot| self.unless_down(slot))?;
        let untold = slots.iter().filter(|slot| slot.lock().remembered.untold().is_some());
        let mut telling = Together::new();
        untold.for_each(|slot| telling.push(self.tell_untold(slot)));
        while let Some(told) = telling.next().await {
            told?;
        }
        let as_of: Vec<_> = slots.iter().map(|slot| slot.lock().as_of()).collect();
        let keys: Vec<_> = slots.iter().map(|slot| slot.stored().clone()).collect();
        let found = self.in_time(Operation::Look, None, far.look(&keys, self.time.nanos())).await?;
        for ((slot, found), as_of) in slots.iter().zip(&found).zip(as_of) {
            if let Some(value) = &found.value {
                self.keep_near(slot, value, as_of);
            }
        }
        Ok(found)
    }
}
