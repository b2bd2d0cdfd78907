//! The accesses to many keys, as one (G14).
//!
//! Each key has an access of its own, with its own round. It goes as far as it can without a wait for others; then it
//! *halts*, and says why.
//!
//! | an access halts | and goes on |
//! |---|---|
//! | before it looks | when nothing else is under way: one look at each [server](looking) for all that have halted so. A region without a backend does not halt here |
//! | before it waits for another access of its process | when that one has ended; all such waits are waited for at once |
//! | before it listens to the signals of its place | when nothing else is under way, and no access has halted before it creates: those that have would wait for it, and its turn would be given up |
//! | before it waits for another process | at the next poll, all that have halted so look together; or when it hears a signal, with all that have heard one |
//! | before it creates | with all that have halted so: one creator makes their values |
//! | at its end | |
//!
//! # Why nobody waits for each other in a circle
//!
//! An access has the turn of its process, then the grant, then it creates. Say that one access of this call has a
//! grant. Then the call waits for nobody before it has created: what is under way are operations of the backend, which
//! end by the budget. So a grant waits for no other grant.
//!
//! An access may have the turn, and wait for the grant of another process. The call gives such a turn up before it
//! creates, as the creator may ask for that key, or take long. Meanwhile the call does wait with the turn; but it waits
//! for all its keys at once, and by the above the grant that it waits for does not depend on any turn.
//!
//! What was left off is taken up after the creation. An access that was about to wait for another one of its process is
//! given what that one has ended with in the meantime, by the rule for sharing; or it begins anew. An access whose turn
//! was given up begins anew, too.

mod at_once;
mod creating;
mod looking;
mod peeking;
mod waiting;

pub(crate) use self::at_once::Reached;

use super::joining::Joined;
use super::polls::Polls;
use super::{Core, Drive, Ended, Held, Run, Stage, Wants};
use crate::region::error::GetError;
use crate::region::kept::Got;
use crate::round::{Action, Event};
use crate::slot::Value;
use crate::together::Together;
use std::future::poll_fn;
use std::hash::Hash;
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Where the access to one of many keys has halted.
enum Halt<V> {
    /// It has not begun, or has given its turn up.
    New,
    /// It goes on now.
    Goes,
    Looks,
    /// It would wait for another access of its process.
    Joins {
        old_until: Option<Duration>,
    },
    /// It waits for another access of its process: see [`Flow::joining`].
    Joining {
        old_until: Option<Duration>,
    },
    /// It would wait for another process, and listens before that.
    Listens,
    /// It would wait for another process.
    Waits {
        until: Duration,
        /// When it looks, as it has heard a signal.
        heard: Option<Duration>,
    },
    Creates {
        wake: Duration,
    },
    Ended(Option<Got<V>>),
}

/// The access to one of many keys.
struct One<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    slot: Held<O, V>,
    /// `None` while the access goes on, and where there is none.
    drive: Option<Box<Drive<O, V>>>,
    halt: Halt<V>,
    /// Whether a look has failed on a server that had the key no more, so that the access looks again.
    has_moved: bool,
}

/// The accesses to many keys.
pub(crate) struct Many<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    core: Arc<Core<O, V>>,
    wants: Wants,
    /// Until when they wait: without an old value, and with one.
    deadline: Option<Duration>,
    soft: Option<Duration>,
    ones: Vec<One<O, V>>,
    /// Why the call has no value for a key: of the first of the keys that have none.
    error: Option<(usize, GetError)>,
    polls: Polls,
}

/// What is under way at the same time.
struct Flow<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    /// The accesses that go on.
    going: Together<'static, Gone<O, V>>,
    /// The waits for other accesses of this process.
    joining: Together<'static, (usize, Joined<V>)>,
}

/// An access that has halted.
struct Gone<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    at: usize,
    drive: Box<Drive<O, V>>,
    halt: Result<Halt<V>, GetError>,
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Drive<O, V> {
    /// Performs actions up to where the access halts.
    async fn go(&mut self, mut action: Action<Value<V>>) -> Result<Halt<V>, GetError> {
        loop {
            let event = match action {
                Action::Look if self.core().store.has_leases() => return Ok(Halt::Looks),
                Action::Join { old_until } => {
                    self.note_miss(old_until.is_none());
                    match self.run.join_now() {
                        Some(joined) => self.joined(joined),
                        None if old_until.is_some_and(|until| until <= self.core().time.now()) => Event::Busy,
                        None => return Ok(Halt::Joins { old_until }),
                    }
                }
                Action::Subscribe => return Ok(Halt::Listens),
                Action::Wait { until } => return Ok(Halt::Waits { until, heard: None }),
                action => match self.one(action).await {
                    ControlFlow::Continue(event) => event,
                    ControlFlow::Break(Stage::Create { wake }) => return Ok(Halt::Creates { wake }),
                    ControlFlow::Break(Stage::Ended(answer)) => return self.conclude(answer).map(Halt::ended),
                },
            };
            action = self.run.step(event);
        }
    }
}

impl<V> Halt<V> {
    fn ended(ended: Ended<V>) -> Halt<V> {
        Halt::Ended(ended.got())
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Flow<O, V> {
    fn new() -> Flow<O, V> {
        Flow { going: Together::new(), joining: Together::new() }
    }

    /// Lets an access go on from an action.
    fn go(&mut self, at: usize, one: &mut One<O, V>, action: Action<Value<V>>) {
        let Some(mut drive) = one.drive.take() else { return };
        one.halt = Halt::Goes;
        self.going.push(async move {
            let halt = drive.go(action).await;
            Gone { at, drive, halt }
        });
    }

    /// Lets an access go on after an event.
    fn tell(&mut self, at: usize, one: &mut One<O, V>, event: Event<Value<V>>) {
        if let Some(drive) = &one.drive {
            let action = drive.run.step(event);
            self.go(at, one, action);
        }
    }

    /// Queues an access for the turn that another one has.
    fn queue(&mut self, at: usize, one: &mut One<O, V>) {
        if let (Halt::Joins { old_until }, Some(drive)) = (&one.halt, &one.drive) {
            let (run, old_until) = (Arc::clone(&drive.run), *old_until);
            one.halt = Halt::Joining { old_until };
            self.joining.push(async move { (at, Run::join(run, old_until).await) });
        }
    }

    fn joined(&mut self, ones: &mut [One<O, V>], at: usize, joined: Joined<V>) {
        let one = &mut ones[at];
        if let Some(drive) = &mut one.drive {
            let event = drive.joined(joined);
            self.tell(at, one, event);
        }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Many<O, V> {
    /// Makes the accesses to the keys of these slots, which are all different. `wants` counts from now on.
    pub(crate) fn new(core: &Arc<Core<O, V>>, slots: impl Iterator<Item = Held<O, V>>, wants: Wants) -> Many<O, V> {
        let now = core.time.now();
        let after = |timeout: Option<Duration>| timeout.map(|timeout| now.saturating_add(timeout));
        Many {
            core: Arc::clone(core),
            wants,
            deadline: after(wants.timeout),
            soft: after(wants.soft_timeout),
            ones: slots.map(|slot| One { slot, drive: None, halt: Halt::New, has_moved: false }).collect(),
            error: None,
            polls: Polls::default(),
        }
    }

    pub(crate) fn core(&self) -> Arc<Core<O, V>> {
        Arc::clone(&self.core)
    }

    /// Brings each access to its creator or to its end. Returns whether there is something to create. If so, the others
    /// may be left off in the middle: then [`create`](Self::create), and call this again.
    pub(crate) async fn elect(&mut self) -> bool {
        let mut flow = Flow::new();
        let mut has_waited = false;
        self.take_up(&mut flow);
        loop {
            while let Some(gone) = self.gone(&mut flow).await {
                self.halted(gone);
            }
            if self.ones.iter().any(|one| matches!(one.halt, Halt::Looks)) {
                self.look(&mut flow).await;
            } else if self.elected().next().is_some() {
                if !mem::take(&mut has_waited) {
                    self.give_turns_up();
                    return true;
                }
                // Of those that have been waited for together, others may have become free, too.
                self.unqueue(&mut flow);
            } else if self.error.is_some() || !self.has_waits() {
                return false;
            } else if !flow.listen(&mut self.ones) {
                has_waited = true;
                self.wait(&mut flow).await;
            }
        }
    }

    /// Returns the first reason for which there is no value of a key.
    pub(crate) fn take_error(&mut self) -> Option<GetError> {
        self.error.take().map(|(_, error)| error)
    }

    /// Returns the values, once all accesses have ended; `None` for an absence.
    pub(crate) fn into_values(self) -> impl Iterator<Item = Option<Got<V>>> {
        self.ones.into_iter().map(|one| if let Halt::Ended(got) = one.halt { got } else { None })
    }

    /// Begins what is new, and goes on with what was left off.
    fn take_up(&mut self, flow: &mut Flow<O, V>) {
        let now = self.core.time.now();
        let left = |until: Option<Duration>| until.map(|until| until.saturating_sub(now));
        let wants = Wants { timeout: left(self.deadline), soft_timeout: left(self.soft), ..self.wants };
        for (at, one) in self.ones.iter_mut().enumerate() {
            match &one.halt {
                Halt::New => {
                    one.drive = Some(Box::new(Drive::new(&self.core, one.slot.clone(), wants)));
                    flow.tell(at, one, Event::Begin);
                }
                Halt::Joins { old_until } => {
                    let (old_until, turns) = (*old_until, one.slot.turns(&self.core.rules));
                    let answer = one.drive.as_ref().filter(|_| !turns.lock.is_creating());
                    match answer.map(|drive| drive.run.shared(&turns)) {
                        Some(event) => flow.tell(at, one, event),
                        None => flow.go(at, one, Action::Join { old_until }),
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns the next access that halts; `None` if none goes on.
    async fn gone(&mut self, flow: &mut Flow<O, V>) -> Option<Gone<O, V>> {
        poll_fn(|cx| {
            while let Poll::Ready(Some((at, joined))) = flow.joining.poll_next(cx) {
                flow.joined(&mut self.ones, at, joined);
            }
            flow.going.poll_next(cx)
        })
        .await
    }

    fn halted(&mut self, Gone { at, drive, halt }: Gone<O, V>) {
        let halt = halt.unwrap_or_else(|error| {
            if self.error.as_ref().is_none_or(|(first, _)| at < *first) {
                self.error = Some((at, error));
            }
            Halt::Ended(None)
        });
        // An access that has ended hands nothing on: its turn has ended with it.
        let drive = (!matches!(halt, Halt::Ended(_))).then_some(drive);
        (self.ones[at].drive, self.ones[at].halt) = (drive, halt);
    }

    /// Returns the accesses that are elected.
    fn elected(&self) -> impl Iterator<Item = &One<O, V>> {
        self.ones.iter().filter(|one| matches!(one.halt, Halt::Creates { .. }))
    }

    fn has_waits(&self) -> bool {
        let waits = |halt: &Halt<V>| {
            matches!(halt, Halt::Joins { .. } | Halt::Joining { .. } | Halt::Listens | Halt::Waits { .. })
        };
        self.ones.iter().any(|one| waits(&one.halt))
    }

    /// Ends the waits for other accesses of this process, and takes the turns that are free by now.
    fn unqueue(&mut self, flow: &mut Flow<O, V>) {
        flow.joining = Together::new();
        for (at, one) in self.ones.iter_mut().enumerate() {
            if let Halt::Joining { old_until } = one.halt {
                flow.go(at, one, Action::Join { old_until });
            }
        }
    }

    /// Gives up the turns of accesses that would wait for another process.
    fn give_turns_up(&mut self) {
        for one in &mut self.ones {
            if matches!(one.halt, Halt::Listens | Halt::Waits { .. }) {
                (one.drive, one.halt) = (None, Halt::New);
            }
        }
    }
}
