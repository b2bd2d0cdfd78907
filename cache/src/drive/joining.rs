//! The local election, as an access takes part in it.

use super::{Drive, LocalTurn, Run, begin_anew, lock};
use crate::round::{Event, Outcome, Shared};
use crate::slot::{Turns, Value};
use crate::time::{RegionClock, unless};
use dogpile::{AcquireError, Dogpile, Turn};
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// The end of a wait for the turn.
type Acquired = Result<Turn<'static, RegionClock>, AcquireError>;

/// What has become of the local election, for one access.
pub(super) enum Joined<V> {
    Elected(LocalTurn, Arc<Turns<V>>),
    /// The access would wait for itself.
    Deadlocked,
    Other(Event<Value<V>>),
}

/// A wait for the creation of another access. It is counted when it has ended, in any way.
struct Waited<'a, O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    run: &'a Run<O, V>,
    since: u64,
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Drop for Waited<'_, O, V> {
    fn drop(&mut self) {
        self.run.waited(self.since);
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Drive<O, V> {
    pub(super) async fn join(&mut self, old_until: Option<Duration>) -> Event<Value<V>> {
        let joined = Arc::clone(&self.run).join(old_until).await;
        self.joined(joined)
    }

    /// Takes what has become of the local election.
    pub(super) fn joined(&mut self, joined: Joined<V>) -> Event<Value<V>> {
        match joined {
            Joined::Elected(turn, turns) if !self.run.slot.has_turns(&turns) => {
                // A change has taken this turn away before this access had it.
                turn.finish();
                begin_anew()
            }
            Joined::Elected(turn, turns) => {
                self.turn = Some(turn);
                let mut run = lock(&self.run.state);
                (run.turns, run.has_shared) = (Some(turns), false);
                Event::Elected
            }
            Joined::Deadlocked => {
                self.is_deadlocked = true;
                Event::Cancelled
            }
            Joined::Other(event) => event,
        }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Run<O, V> {
    /// Joins the local election, as [`Action::Join`](crate::round::Action::Join) says.
    pub(super) async fn join(self: Arc<Self>, old_until: Option<Duration>) -> Joined<V> {
        let core = &self.core;
        if old_until.is_some_and(|until| until <= core.time.now()) {
            return self.join_now().unwrap_or(Joined::Other(Event::Busy));
        }
        let turns = self.slot.turns(&core.rules);
        let waited = turns.lock.is_creating().then(|| Waited { run: &self, since: core.time.nanos() });
        let until = [old_until, self.deadline()].into_iter().flatten().min().unwrap_or(Duration::MAX);
        let turn = self.wait_for_turn(&turns, until).await;
        drop(waited);
        Joined::Other(match turn {
            Some(Some(Ok(Turn::Create(turn)))) => return Joined::Elected(turn, turns),
            Some(Some(Ok(_))) => self.shared(&turns),
            Some(Some(Err(AcquireError::WouldDeadlock(_)))) => return Joined::Deadlocked,
            // The turn was handed on. (No other error can come of a lock that has no pauses.)
            Some(None | Some(Err(_))) => begin_anew(),
            None if old_until.is_some_and(|until| core.time.now() >= until) => Event::Busy,
            None => Event::Woken,
        })
    }

    /// Counts a wait for the creation of another access, which has ended.
    pub(super) fn waited(&self, since: u64) {
        let took = Duration::from_nanos(self.core.time.nanos().saturating_sub(since));
        self.core.seen.waited(&self.core.key_of(&self.slot), took);
    }

    /// Takes the turn, if no access has it. Returns `None` otherwise.
    pub(super) fn join_now(&self) -> Option<Joined<V>> {
        let Run { core, slot, .. } = self;
        let mut turns = slot.turns(&core.rules);
        // Near alone nobody keeps the time of a creation whose creator is not polled, but those who come.
        if !core.store.has_leases() && Duration::from_nanos(turns.dead_at()) <= core.time.now() {
            slot.bury(&turns);
            turns = slot.turns(&core.rules);
        }
        if turns.lock.is_creating() {
            return None;
        }
        match Dogpile::kept(&turns.lock).timeout(Duration::ZERO).turn() {
            Ok(Turn::Create(turn)) => Some(Joined::Elected(turn, turns)),
            _ => None,
        }
    }

    /// Returns what the access gets that has waited for the turn of another one.
    pub(super) fn shared(&self, turns: &Turns<V>) -> Event<Value<V>> {
        let Some(answer) = turns.answered() else { return begin_anew() };
        let is_mine = match &answer.outcome {
            Outcome::Fresh(value) | Outcome::Stale(value) | Outcome::Created(value, _) | Outcome::Own(value) => {
                self.wants.takes(value)
            }
            _ => true,
        };
        if is_mine { Event::Shared(Shared(answer)) } else { begin_anew() }
    }

    /// Waits for the turn, until then. `Some(None)`: it was taken from an access whose creation is dead.
    async fn wait_for_turn(&self, turns: &Arc<Turns<V>>, until: Duration) -> Option<Option<Acquired>> {
        let Run { core, slot, .. } = self;
        let (mut turn, mut handed_on) = (pin!(Dogpile::kept_async(&turns.lock).try_turn()), pin!(turns.handed_on()));
        loop {
            // Near alone nobody keeps the time of a creation whose creator is not polled, but those who wait for it.
            let watched = if core.store.has_leases() {
                Duration::MAX
            } else {
                // (A creation that begins later is seen after one `creation_timeout`.)
                let later = core.time.now().saturating_add(core.settings.creation_timeout);
                Duration::from_nanos(turns.dead_at()).min(later)
            };
            let handed_on = handed_on.as_mut();
            let turn = unless(turn.as_mut(), move || handed_on);
            let turn = core.time.until(until.min(watched), turn).await;
            let now = core.time.now();
            if turn.is_some() || now >= until {
                return turn;
            }
            if Duration::from_nanos(turns.dead_at()) <= now {
                slot.bury(turns);
            }
        }
    }
}
