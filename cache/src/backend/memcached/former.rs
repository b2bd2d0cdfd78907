//! What a former server is to be told, and was not told yet.
//!
//! A change that marks or invalidates goes to the server of its key, and to the former one. Only the first decides what
//! becomes of the key in this process: no operation reads from the former one. So a former server that is away does not
//! make the other one look down. Nor is the change repeated at the other one for as long as the former one is away.
//!
//! # States of a debt
//!
//! | state | event | next |
//! |---|---|---|
//! | none | a change begins | *owed* |
//! | owed | the former server has taken it | none |
//! | | the change has failed there, or was dropped | owed; a task of the keeper tells it, twice a second |
//! | | another change of the key | owed: both in one |
//!
//! # Errors
//!
//! A change that the former server was not told of is an error, each time. The error says that the key's own server was
//! told, so that a region does not repeat the invalidation: the backend tells the former server. A change that is not
//! remembered, since too many are owed, says nothing of that kind, and the region repeats it at both.

use super::driver::At;
use super::link::sleep;
use super::node::Node;
use super::steps::Changing;
use crate::backend::{BackendError, BackendErrorKind, Change};
use crate::key::StoredKey;
use crate::time::unless;
use crate::together::together;
use std::collections::HashMap;
use std::error::Error;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a change waits for the former server. A region gives both servers half a second by default, and what is not
/// answered by then would be taken for a failure of the other one.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long the task waits before it tells what is owed.
const AGAIN: Duration = Duration::from_millis(500);

/// How many keys are owed at most. A change of another one is not remembered: it is an error each time.
const MOST: usize = 10_000;

/// How many keys are told at once.
const AT_ONCE: usize = 100;

/// A former server.
pub(super) struct Former {
    node: Arc<Node>,
    keeper: Handle,
    owed: Mutex<Owed>,
}

#[derive(Default)]
struct Owed {
    /// By their full keys.
    debts: HashMap<String, Debt>,
    last: u64,
    /// Whether a task tells them.
    is_telling: bool,
}

#[derive(Clone)]
struct Debt {
    /// The number of the last change in it.
    number: u64,
    key: StoredKey,
    change: Change,
}

impl Former {
    pub(super) fn new(node: Arc<Node>, keeper: Handle) -> Arc<Former> {
        Arc::new(Former { node, keeper, owed: Mutex::default() })
    }

    pub(super) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Begins a change: it is owed from now on.
    pub(super) fn owe<'a>(self: &'a Arc<Self>, key: &'a StoredKey, change: &Change) -> Owing<'a> {
        let mut owed = self.lock();
        owed.last += 1;
        let number = owed.last;
        let has_room = owed.debts.len() < MOST;
        let mut change = change.clone();
        if let Some(debt) = owed.debts.get_mut(key.full()) {
            change = both(&debt.change, &change);
            (debt.number, debt.change) = (number, change.clone());
        } else if has_room {
            let debt = Debt { number, key: key.clone(), change: change.clone() };
            owed.debts.insert(key.full().to_owned(), debt);
        }
        let is_remembered = owed.debts.contains_key(key.full());
        Owing { former: self, key, number, change, is_remembered }
    }

    fn paid(&self, key: &StoredKey, number: u64) {
        let mut owed = self.lock();
        // What has come since is owed still.
        if owed.debts.get(key.full()).is_some_and(|debt| debt.number == number) {
            owed.debts.remove(key.full());
        }
    }

    /// Tells all that is owed, as far as the server answers. What the server refuses is told again next time.
    async fn tell_all(&self) {
        let all: Vec<Debt> = self.lock().debts.values().cloned().collect();
        for some in all.chunks(AT_ONCE) {
            let told = together(some.iter().map(|debt| async move {
                let at = At { key: &debt.key, node: &self.node };
                match at.run(Changing::new(debt.key.shape(), debt.change.clone())).await {
                    Ok(_) => self.paid(&debt.key, debt.number),
                    Err(error) if error.is_down() => return Err(()),
                    Err(_) => {}
                }
                Ok(())
            }));
            if told.await.is_err() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells what is owed until nothing is, or the backend was dropped.
async fn tell_again(former: Weak<Former>, keeper: Handle) {
    loop {
        sleep(&keeper, AGAIN).await;
        let Some(former) = former.upgrade() else { return };
        former.tell_all().await;
        let mut owed = former.lock();
        if owed.debts.is_empty() {
            owed.is_telling = false;
            return;
        }
    }
}

/// Returns the change that does what two do: an invalidation if one of them is, and of the shapes of both.
fn both(earlier: &Change, later: &Change) -> Change {
    let (mut change, other) =
        if is_invalidation(earlier) { (earlier.clone(), later) } else { (later.clone(), earlier) };
    if let (
        Change::Invalidate { beside, .. } | Change::MarkStale { beside },
        Change::Invalidate { beside: more, .. } | Change::MarkStale { beside: more },
    ) = (&mut change, other)
    {
        beside.extend(more.iter().filter(|shape| !beside.contains(shape)).copied().collect::<Vec<_>>());
    }
    change
}

fn is_invalidation(change: &Change) -> bool {
    matches!(change, Change::Invalidate { .. })
}

/// A change that is under way. Once it is dropped, a task tells what is owed.
pub(super) struct Owing<'a> {
    former: &'a Arc<Former>,
    key: &'a StoredKey,
    number: u64,
    /// With what was owed before.
    change: Change,
    /// Whether it is among the debts.
    is_remembered: bool,
}

impl Owing<'_> {
    /// Tells the former server.
    pub(super) async fn tell(&self) -> Result<(), BackendError> {
        let at = At { key: self.key, node: &self.former.node };
        let told = at.run(Changing::new(self.key.shape(), self.change.clone()));
        match unless(told, || sleep(&self.former.keeper, PATIENCE)).await {
            Some(told) => told.map(|_| self.former.paid(self.key, self.number)),
            None => Err(BackendError::no_answer_in_time().at(self.former.node.at())),
        }
    }

    /// Returns the error of a change that the server of the key was told of, and the former one was not.
    pub(super) fn untold(&self, why: &BackendError) -> BackendError {
        let why = why.source().unwrap_or(why);
        let why = format!("the server of the key was told, but its former server was not: {why}");
        // (No kind by which a region takes the server of the key for one that is down.)
        let error = BackendError::new(BackendErrorKind::Refused).caused_by(why).at(self.former.node.at());
        if self.is_remembered { error.but_told() } else { error }
    }
}

impl Drop for Owing<'_> {
    fn drop(&mut self) {
        let former = self.former;
        {
            let mut owed = former.lock();
            if owed.debts.is_empty() || mem::replace(&mut owed.is_telling, true) {
                return;
            }
        }
        former.keeper.spawn(tell_again(Arc::downgrade(former), former.keeper.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::places;
    use super::*;
    use crate::codec::{Format, Shape};
    use crate::key::{KeyLimit, Namespace};
    use crate::time::RegionClock;
    use crate::time::keeper::keeper;

    const fn shape(schema: u32) -> Shape {
        Shape { schema, format: Format::RAW }
    }

    fn key(name: u64) -> StoredKey {
        StoredKey::new(&Namespace::new("former").unwrap(), &name, shape(0), KeyLimit::NONE)
    }

    fn former() -> Arc<Former> {
        let place = places("memcached://127.0.0.1:1").unwrap().remove(0);
        let keeper = keeper().unwrap();
        Former::new(Node::new(place, keeper.clone(), RegionClock::Monotonic), keeper)
    }

    fn mark(beside: &[Shape]) -> Change {
        Change::MarkStale { beside: beside.to_vec() }
    }

    fn invalidation(beside: &[Shape]) -> Change {
        Change::Invalidate { beside: beside.to_vec(), void_pause: Duration::ZERO }
    }

    #[test]
    fn two_changes_of_a_key_are_told_as_one_that_does_both() {
        let (one, other) = (shape(1), shape(2));
        assert_eq!(both(&mark(&[one]), &mark(&[other, one])), mark(&[other, one]));
        assert_eq!(both(&invalidation(&[one]), &mark(&[other])), invalidation(&[one, other]));
        assert_eq!(both(&mark(&[one]), &invalidation(&[other])), invalidation(&[other, one]));
    }

    #[test]
    fn g3_what_has_come_since_is_owed_still() {
        let (former, key) = (former(), key(1));
        let first = former.owe(&key, &invalidation(&[]));
        let second = former.owe(&key, &mark(&[]));
        assert_eq!(second.change, invalidation(&[]));
        former.paid(&key, first.number);
        assert_eq!(former.lock().debts.len(), 1);
        former.paid(&key, second.number);
        assert!(former.lock().debts.is_empty());
    }

    #[test]
    fn g3_what_is_not_remembered_is_to_be_repeated() {
        let (former, why) = (former(), BackendError::no_answer_in_time());
        let keys: Vec<StoredKey> = (0..).map(key).take(MOST + 1).collect();
        let owing: Vec<_> = keys.iter().map(|key| former.owe(key, &invalidation(&[]))).collect();
        assert_eq!(former.lock().debts.len(), MOST);
        let [remembered, .., forgotten] = &owing[..] else { unreachable!() };
        for _ in 0..2 {
            assert!(remembered.untold(&why).is_told() && !forgotten.untold(&why).is_told());
        }
    }
}
