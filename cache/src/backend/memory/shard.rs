//! A part of the places, behind one mutex, and how the memory of expired places is given back.

use super::moment::{Moment, Until};
use super::place::Place;
use crate::backend::Life;
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// How many due places an operation looks at beside its own. An operation adds one place at most, so with more than one
/// the operations leave fewer expired places than they find.
const SWEPT: usize = 4;

/// Tables with room for fewer places are not made smaller.
const SMALL: usize = 64;

/// An operation's knowledge of the backend, from before it has the mutex.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) now: u64,
    pub(super) wall: u64,
    pub(super) grain: u64,
    pub(super) has_tombstones: bool,
}

/// A part of the places.
#[derive(Debug)]
pub(super) struct Shard {
    places: HashMap<Arc<str>, Slot>,
    /// Each place with a part that will expire, by the time of the first such part.
    due: BTreeSet<(Until, Arc<str>)>,
    /// The number of the newest state of an entry, or of the newest grant. It goes on through all lives, so that no
    /// number comes again (S40, S46).
    numbers: u64,
    life: Life,
}

#[derive(Debug)]
struct Slot {
    place: Place,
    /// As in `Shard::due`; `NEVER` if the place is not there.
    due: Until,
}

impl Shard {
    pub(super) fn new(life: Life) -> Shard {
        Shard { places: HashMap::new(), due: BTreeSet::new(), numbers: 0, life }
    }

    pub(super) fn life(&self) -> Life {
        self.life
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Executes an operation on a place, after its expired parts were taken away.
    pub(super) fn at<T>(
        &mut self,
        name: &str,
        request: Request,
        gone: &mut Vec<Bytes>,
        operation: impl FnOnce(&mut Place, &mut Moment<'_>) -> T,
    ) -> T {
        let mut moment = Moment {
            now: request.now,
            wall: request.wall,
            life: self.life,
            grain: request.grain,
            has_tombstones: request.has_tombstones,
            numbers: &mut self.numbers,
            gone,
        };
        let done = if let Some(slot) = self.places.get_mut(name) {
            slot.place.purge(&mut moment);
            let done = operation(&mut slot.place, &mut moment);
            if slot.place.is_empty() {
                let (name, slot) = self.places.remove_entry(name).expect("it was just there");
                self.due.remove(&(slot.due, name));
            } else {
                let due = slot.place.due();
                if due != slot.due {
                    let (name, _) = self.places.get_key_value(name).expect("it was just there");
                    let name = Arc::clone(name);
                    self.schedule(&name, due);
                }
            }
            done
        } else {
            let mut place = Place::default();
            let done = operation(&mut place, &mut moment);
            if !place.is_empty() {
                self.put(&name.into(), place);
            }
            done
        };
        // This takes away what the operation has stored for no time at all, too: that is due first.
        self.sweep(request, gone, SWEPT);
        done
    }

    /// Takes away the expired parts of `most` due places.
    pub(super) fn sweep(&mut self, request: Request, gone: &mut Vec<Bytes>, most: usize) {
        let (Request { now, wall, grain, has_tombstones }, life) = (request, self.life);
        for _ in 0..most {
            let numbers = &mut self.numbers;
            let mut moment = Moment { now, wall, life, grain, has_tombstones, numbers, gone };
            if !self.due.first().is_some_and(|(until, _)| moment.is_over(*until)) {
                break;
            }
            let (_, name) = self.due.pop_first().expect("it was just there");
            let slot = self.places.get_mut(&name).expect("what is due is there");
            slot.due = Until::NEVER;
            slot.place.purge(&mut moment);
            if slot.place.is_empty() {
                self.places.remove(&name);
            } else {
                let due = slot.place.due();
                debug_assert!(!moment.is_over(due), "the expired parts were just taken away");
                self.schedule(&name, due);
            }
        }
        if self.places.capacity() > SMALL && self.places.len() < self.places.capacity() / 8 {
            self.places.shrink_to(self.places.len() * 2);
        }
    }

    /// Adds a place.
    fn put(&mut self, name: &Arc<str>, place: Place) {
        let due = place.due();
        self.places.insert(Arc::clone(name), Slot { place, due: Until::NEVER });
        self.schedule(name, due);
    }

    /// Notes when a place is due.
    fn schedule(&mut self, name: &Arc<str>, due: Until) {
        let slot = self.places.get_mut(name).expect("only a place that is there becomes due");
        if slot.due != Until::NEVER {
            self.due.remove(&(slot.due, Arc::clone(name)));
        }
        slot.due = due;
        if due != Until::NEVER {
            self.due.insert((due, Arc::clone(name)));
        }
    }

    /// Returns a copy of all places.
    pub(super) fn copy(&self) -> impl Iterator<Item = (Arc<str>, Place)> {
        self.places.iter().map(|(name, slot)| (Arc::clone(name), slot.place.clone()))
    }

    /// Begins another life, in which these places are there and no others.
    pub(super) fn begin(&mut self, life: Life, places: Vec<(Arc<str>, Place)>, gone: &mut Vec<Bytes>) {
        self.life = life;
        self.due.clear();
        for (_, slot) in self.places.drain() {
            slot.place.clear(gone);
        }
        self.places.shrink_to(places.len());
        for (name, place) in places {
            self.put(&name, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Change, Entry};
    use crate::codec::{Format, Shape};
    use std::time::Duration;

    #[test]
    fn g17_the_tables_become_small_again() {
        let mut shard = Shard::new(Life(1));
        let mut gone = Vec::new();
        let mut request = Request { now: 1, wall: 0, grain: 1, has_tombstones: true };
        let shape = Shape { schema: 0, format: Format::RAW };
        for key in 0..10_000 {
            let entry = Entry { bytes: Bytes::from_static(b"value"), lifetime: Some(Duration::from_nanos(10)) };
            let set = Change::Set { entry, void_pause: Duration::ZERO };
            shard.at(&key.to_string(), request, &mut gone, |place, at| place.change(shape, set, at));
        }
        assert_eq!((shard.len(), shard.due.len()), (10_000, 10_000));
        assert!(shard.places.capacity() >= 10_000);

        request.now = 11;
        // Looks at what is not there are enough.
        for _ in 0..=10_000 / SWEPT {
            shard.at("another", request, &mut gone, |place, at| place.look(shape, at));
        }
        assert_eq!((shard.len(), shard.due.len(), gone.len()), (0, 0, 10_000));
        assert!(shard.places.capacity() <= SMALL, "{}", shard.places.capacity());
    }
}
