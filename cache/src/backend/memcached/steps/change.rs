//! A change from outside of any creation.

use super::{Moment, Odd, Run, Step, Written, found, only};
use crate::backend::memcached::command::{Command, Only, Reply, Request, Slot};
use crate::backend::memcached::item::{Found, HEAD, Item, State, note};
use crate::backend::memcached::ttl;
use crate::backend::{Change, Changed, Entry, Seen};
use crate::codec::Shape;

/// Changes an entry.
///
/// | change | asks | round trips |
/// |---|---|---|
/// | set | look, and store whatever is there | 1: both at once |
/// | set if, touch | store over just what was seen, if its state names it; otherwise look, and store over what was found | 1 or 2 |
/// | mark | what lies beside the value, and mark each shape | 1: all at once. 2 if that does not say whether there is an entry: a look then |
/// | invalidate | look at each shape, and delete it | 1: all at once |
///
/// The look of a change that asks for no state is for the answer alone: what was there just before. Others may come in
/// between. A mark leaves the value where it is, so that its look asks for the note beside the value (`item::note`),
/// and for the value only if the note says nothing.
#[derive(Clone, Debug)]
pub struct Changing {
    change: Change,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It awaits all at once.
    Together,
    /// It awaits what a look has found.
    Looking,
    /// It awaits what a look has found behind the marks.
    LookingBehind,
    /// It awaits what became of a write, and answers this.
    Writing { was_there: bool, voided: bool },
}

impl Changing {
    /// Makes a run of the change of an entry of that shape.
    #[must_use]
    pub fn new(own: Shape, mut change: Change) -> Changing {
        if let Change::MarkStale { beside } | Change::Invalidate { beside, .. } = &mut change {
            let mut known = vec![own];
            beside.retain(|shape| {
                let is_new = !known.contains(shape);
                known.push(*shape);
                is_new
            });
        }
        Changing { change, stage: Stage::Together }
    }

    /// Writes to just what was seen, without another look.
    fn at_once(&mut self, at: Moment) -> Option<Step<Changed>> {
        let (command, was_there) = match &self.change {
            Change::SetIf { entry, seen, .. } => {
                let is_nothing = *seen == Seen::NOTHING;
                let only = match State::of(seen, at.life) {
                    None if is_nothing => Only::Missing,
                    state => Only::Cas(state?.untouched(at.now)?),
                };
                (stored(entry, false, only, at.now), !is_nothing)
            }
            Change::Touch { entry, seen } => {
                let state = State::of(seen, at.life)?;
                (stored(entry, state.is_marked, Only::Cas(state.untouched(at.now)?), at.now), true)
            }
            _ => return None,
        };
        self.stage = Stage::Writing { was_there, voided: false };
        Some(Step::ask(command))
    }

    fn decide(&mut self, found: &Found, at: Moment) -> Step<Changed> {
        let (Change::SetIf { entry, seen, .. } | Change::Touch { entry, seen }) = &self.change else {
            unreachable!("other changes are made at once")
        };
        let is_touch = matches!(self.change, Change::Touch { .. });
        if *seen != found.seen(at) || (is_touch && !found.has_entry(at.now)) {
            return Step::Done(Changed::Refused(found.look(at)));
        }
        let command = match found {
            Found::Nothing => stored(entry, false, Only::Missing, at.now),
            Found::Item(item) if is_touch => {
                item.touch(entry.bytes.clone(), ttl::end_of(entry.lifetime, at.now), at.now)
            }
            Found::Item(item) => stored(entry, false, Only::Cas(item.cas), at.now),
            Found::Stub(stub) => stored(entry, false, Only::Cas(stub.cas), at.now),
        };
        let voided = !is_touch && found.is_held(at.now);
        self.stage = Stage::Writing { was_there: found.has_entry(at.now), voided };
        Step::ask(command)
    }

    fn together(&mut self, replies: Vec<Reply>, at: Moment) -> Result<Step<Changed>, Odd> {
        let (mut was_there, mut voided) = (None, false);
        for reply in replies {
            match reply {
                Reply::Stored { .. } | Reply::Done | Reply::NotFound => {}
                Reply::Head { size, ttl_left, note } => {
                    // (A stub, or too few bytes for any item of ours.)
                    let is_none = size < HEAD as u64;
                    let has_entry = if is_none { Some(false) } else { note::has_entry(note, ttl_left, at.now) };
                    let Some(has_entry) = has_entry else {
                        self.stage = Stage::LookingBehind;
                        return Ok(Step::look());
                    };
                    was_there = Some(has_entry);
                }
                reply => {
                    let found = Found::of(reply)?;
                    was_there = was_there.or(Some(found.has_entry(at.now)));
                    voided |= found.is_held(at.now) && !matches!(self.change, Change::MarkStale { .. });
                }
            }
        }
        Ok(Step::Done(Changed::Yes { was_there: was_there.ok_or(Odd)?, voided }))
    }
}

/// Returns the command that stores an entry.
fn stored(entry: &Entry, is_marked: bool, only: Only, now: u64) -> Command {
    Item::store(entry.bytes.clone(), is_marked, ttl::end_of(entry.lifetime, now), only, now)
}

const GET: Command = Command::Get { win: None };

impl Run for Changing {
    type Answer = Changed;

    fn begin(&mut self, at: Moment) -> Step<Changed> {
        if let Some(step) = self.at_once(at) {
            return step;
        }
        let look = if matches!(self.change, Change::MarkStale { .. }) { Command::Head } else { GET };
        let mut requests = vec![Request { slot: Slot::Entry, command: look }];
        match &self.change {
            Change::Set { entry, .. } => {
                let command = stored(entry, false, Only::Always, at.now);
                requests.push(Request { slot: Slot::Entry, command });
            }
            Change::MarkStale { beside } => {
                let all = [Slot::Entry].into_iter().chain(beside.iter().copied().map(Slot::Beside));
                requests.extend(all.map(|slot| Request { slot, command: Command::Mark }));
            }
            Change::Invalidate { beside, .. } => {
                let delete = |slot| Request { slot, command: Command::Delete { cas: None } };
                requests.push(delete(Slot::Entry));
                let beside = beside.iter().copied().map(Slot::Beside);
                requests.extend(beside.flat_map(|slot| [Request { slot, command: GET }, delete(slot)]));
            }
            Change::SetIf { .. } | Change::Touch { .. } => self.stage = Stage::Looking,
        }
        Step::Ask(requests)
    }

    fn take(&mut self, replies: Vec<Reply>, at: Moment) -> Result<Step<Changed>, Odd> {
        match self.stage {
            Stage::Together => self.together(replies, at),
            Stage::LookingBehind => {
                let was_there = found(replies)?.has_entry(at.now);
                Ok(Step::Done(Changed::Yes { was_there, voided: false }))
            }
            Stage::Looking => Ok(self.decide(&found(replies)?, at)),
            Stage::Writing { was_there, voided } => match Written::of(&only(replies)?)? {
                Written::Yes(_) => Ok(Step::Done(Changed::Yes { was_there, voided })),
                Written::Other | Written::Nothing | Written::NotAppended => {
                    self.stage = Stage::Looking;
                    Ok(Step::look())
                }
            },
        }
    }
}
