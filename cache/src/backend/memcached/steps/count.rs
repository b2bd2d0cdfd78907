//! A counter: a whole number in decimal digits, so that the server can move it.

use super::{Moment, Odd, Run, Step, Written, only};
use crate::backend::memcached::command::{Command, Only, Reply, Request, Slot};
use crate::backend::memcached::ttl;
use crate::backend::{Count, Counted};
use bytes::Bytes;

/// The largest value of a counter.
const LARGEST: u64 = i64::MAX.unsigned_abs();

/// A counter below this is not brought to its end by additions that are under way, if each of them is [`SMALL`].
const FAR: u64 = LARGEST / 2;

/// 2^30 of these are as far as from [`FAR`] to the end.
const SMALL: u64 = 1 << 32;

/// How far from what the server says of a lifetime a note is believed, in milliseconds. Of a counter of our own, the
/// server says three seconds more than the note at most; the rest is for estimates of its clock.
const NEAR: u64 = 6_000;

/// Reads, moves or deletes a counter.
///
/// | asked | asks | round trips |
/// |---|---|---|
/// | the value | look | 1 |
/// | a move of a counter that is there | look; `ma`, which keeps the lifetime: for an addition near its ceiling on just what was found | 2 |
/// | an addition where nothing is | look; store where nothing is | 2 |
/// | a reset | delete | 1 |
///
/// What is no number of a counter was not written by this backend, and counts as missing (G7). So does a counter that
/// is over: the server keeps it for a second more, and the note beside it says when it is over, if the server says
/// about the same. (A counter that is moved in the moment in which it ends was moved before.)
#[derive(Clone, Debug)]
pub struct Counting {
    count: Count,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Looking,
    /// It awaits the end of a move.
    Moving,
    /// It awaits the end of a write, and answers this number.
    Storing(u64),
}

impl Counting {
    #[must_use]
    pub fn new(count: Count) -> Counting {
        Counting { count, stage: Stage::Looking }
    }

    fn ask(command: Command) -> Step<Counted> {
        Step::Ask(vec![Request { slot: Slot::Count, command }])
    }

    fn look(&mut self) -> Step<Counted> {
        self.stage = Stage::Looking;
        Self::ask(Command::Get { win: None })
    }

    fn decide(&mut self, reply: &Reply, at: Moment) -> Result<Step<Counted>, Odd> {
        let (value, cas) = match reply {
            Reply::Missing => (None, None),
            Reply::Value { value, cas, ttl_left, note, .. } => {
                let is_over = ttl_left.is_some_and(|left| end_of(left, *note, at.now) <= at.now);
                (number(value).filter(|_| !is_over), Some(*cas))
            }
            _ => return Err(Odd),
        };
        let now = value.unwrap_or(0);
        let Count::Add { delta, ceiling, lifetime } = self.count else { return Ok(Step::Done(Counted::Now(now))) };
        let ceiling = ceiling.min(LARGEST);
        let sum = now.saturating_add_signed(delta);
        if delta > 0 && sum > ceiling {
            return Ok(Step::Done(Counted::TooLarge(now)));
        }
        if delta == 0 || (value.is_none() && delta < 0) {
            return Ok(Step::Done(Counted::Now(now)));
        }
        Ok(match value {
            Some(_) => {
                // A subtraction ends at 0 by itself.
                let is_far = ceiling == LARGEST && now < FAR && delta.unsigned_abs() <= SMALL;
                self.stage = Stage::Moving;
                let cas = cas.filter(|_| delta > 0 && !is_far);
                Self::ask(Command::Move { by: delta.unsigned_abs(), is_down: delta < 0, cas })
            }
            None if lifetime.is_some_and(|lifetime| lifetime.is_zero()) => Step::Done(Counted::Now(sum)),
            None => {
                self.stage = Stage::Storing(sum);
                let end = ttl::end_of(lifetime, at.now);
                let (head, body) = (Bytes::new(), Bytes::from(sum.to_string()));
                let (note, ttl) = (note_of(end), ttl::entry(end, at.now));
                Self::ask(Command::Store { head, body, note, ttl, only: cas.map_or(Only::Missing, Only::Cas) })
            }
        })
    }
}

impl Run for Counting {
    type Answer = Counted;

    fn begin(&mut self, _: Moment) -> Step<Counted> {
        if self.count == Count::Reset {
            self.stage = Stage::Storing(0);
            return Self::ask(Command::Delete { cas: None });
        }
        self.look()
    }

    fn take(&mut self, replies: Vec<Reply>, at: Moment) -> Result<Step<Counted>, Odd> {
        let reply = only(replies)?;
        match self.stage {
            Stage::Looking => self.decide(&reply, at),
            Stage::Moving => match reply {
                Reply::Number(now) => Ok(Step::Done(Counted::Now(now))),
                Reply::Exists | Reply::NotFound => Ok(self.look()),
                _ => Err(Odd),
            },
            Stage::Storing(now) => match Written::of(&reply)? {
                Written::Nothing if self.count != Count::Reset => Ok(self.look()),
                Written::Yes(_) | Written::Nothing => Ok(Step::Done(Counted::Now(now))),
                Written::Other | Written::NotAppended => Ok(self.look()),
            },
        }
    }
}

/// What is noted beside a counter that is over then, in milliseconds of the server's clock: the last 32 bits. Zero is
/// no note, so an end whose bits these are is noted a millisecond later.
#[allow(clippy::cast_possible_truncation)]
fn note_of(end: u64) -> u32 {
    (end as u32).max(1)
}

/// Returns when a counter is over that the server keeps for so many seconds more.
///
/// | the note | over |
/// |---|---|
/// | a time within [`NEAR`] of the server's seconds has these last bits | at that time |
/// | no such time: an operator has moved the lifetime, or it is a stranger's note | when the server's seconds are over |
/// | none (0): a counter of a stranger, or of an earlier build | the same |
///
/// So a note ends a counter some seconds before the server removes it, and does no more than that.
fn end_of(left: u32, note: u32, now: u64) -> u64 {
    let about = now.saturating_add(u64::from(left) * 1000);
    #[allow(clippy::cast_possible_truncation)]
    let apart = note.wrapping_sub(about as u32).cast_signed();
    if note == 0 || u64::from(apart.unsigned_abs()) > NEAR {
        return about;
    }
    about.saturating_add_signed(apart.into())
}

/// The number of a counter. A number that was moved down is filled up with spaces.
fn number(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim_end_matches(' ');
    let number: u64 = text.parse().ok()?;
    (number <= LARGEST && number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_when_a_counter_is_over() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..10_000 {
            let now = random.u64(1_700_000_000_000..1_900_000_000_000);
            let longest = 1 << random.u32(1..40);
            let end = (now + random.u64(0..longest)) | 1;
            // What the server may say of it, and how wrong an estimate of its clock may be.
            let left = (end - now) / 1000 + random.u64(0..3);
            let left = u32::try_from(left).unwrap();
            let near = now.saturating_add_signed(random.i64(-2_000..2_000));
            assert_eq!(end_of(left, note_of(end), near), end, "seed {seed}");
        }
    }

    #[test]
    fn a_note_that_is_far_from_what_the_server_says_is_not_believed() {
        let (now, left) = (1_800_000_000_000_u64, 600);
        let about = now + 600_000;
        for apart in [-NEAR.cast_signed(), -1, 0, 1, NEAR.cast_signed()] {
            let end = about.saturating_add_signed(apart);
            assert_eq!(end_of(left, note_of(end), now), end, "{apart}");
        }
        let day = 86_400_000;
        for apart in
            [-40 * day, -day, -600_000, -NEAR.cast_signed() - 1, NEAR.cast_signed() + 1, 600_000, day, 40 * day]
        {
            assert_eq!(end_of(left, note_of(about.saturating_add_signed(apart)), now), about, "{apart}");
        }
        // No note, be it near or not.
        let round = 1_800_000_000_000_u64 >> 32 << 32;
        assert_eq!((end_of(left, 0, now), end_of(1, 0, round - 2_000), note_of(round)), (about, round - 1_000, 1));
    }
}
