//! The note beside an item: whether there is an entry, for those who do not ask for the value.
//!
//! The note is the item's client flags (`F`), which stay when something is appended. It repeats what the head says, so
//! it decides nothing: only the answer of a mark, whether there was an entry, goes by it.
//!
//! | the note | the item has |
//! |---|---|
//! | [`NO_ENTRY`] | no entry |
//! | [`FOR_EVER`] | an entry that is never over |
//! | a number above [`SMALL`] | an entry; these are the last 32 bits of its end, in milliseconds of the server's clock |
//! | a smaller number | nobody knows: it is a stranger's item (0 is what a client sends that has no flags, and the flags of other clients are small), or one whose end cannot be noted |
//!
//! # Which time has these last bits
//!
//! An entry is over before its item, so the end is the last time with these bits that is not later than the end of the
//! item (`t`, two seconds more than the server says). The bits tell apart what is 49 days apart. So the note of an item
//! that outlives its entry by [`LONGEST`] and more, for the sake of a pause, says nothing; nor does a note that
//! would be farther from what the server says, as when an operator has moved the lifetime.

use crate::backend::memcached::ttl::NEVER;

/// There is no entry.
pub const NO_ENTRY: u32 = u32::MAX;

/// The entry is never over.
const FOR_EVER: u32 = u32::MAX - 1;

/// A note that is not larger says nothing.
const SMALL: u32 = u16::MAX as u32;

/// How much later than the entry an item ends at most whose note is believed, in milliseconds: 24 days.
const LONGEST: u32 = 1 << 31;

/// Returns the note of an item with an entry that is over at `end`; the item is needed until `lives`. Both are in
/// milliseconds of the server's clock.
#[allow(clippy::cast_possible_truncation)] // The last bits.
pub fn of(end: u64, lives: u64) -> u32 {
    match end as u32 {
        _ if end == NEVER => FOR_EVER,
        // (A day less, for the minute that an item gets more.)
        _ if lives.saturating_sub(end) > u64::from(LONGEST) - 86_400_000 => 0,
        FOR_EVER.. => 0,
        note if note <= SMALL => 0,
        note => note,
    }
}

/// Returns whether there is an entry that is not over, in an item that lives for so many seconds more. `None`: the note
/// does not say.
#[allow(clippy::cast_possible_truncation)] // The last bits.
pub fn has_entry(note: u32, ttl_left: Option<u32>, now: u64) -> Option<bool> {
    match note {
        NO_ENTRY => Some(false),
        FOR_EVER => Some(true),
        note if note <= SMALL => None,
        note => {
            let last = now.saturating_add((u64::from(ttl_left?) + 2) * 1000);
            let before = (last as u32).wrapping_sub(note);
            (before <= LONGEST).then(|| now < last.saturating_sub(before.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_whether_there_is_an_entry() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut known = 0;
        for _ in 0..10_000 {
            let now = random.u64(1_700_000_000_000..1_900_000_000_000);
            let longest = 1 << random.u32(1..40);
            // An entry that is over, or not; an item that lives for longer, or not.
            let end = now + random.u64(0..longest) - random.u64(0..20_000);
            let lives = end.max(now) + random.u64(0..2) * random.u64(0..longest);
            let left = u32::try_from((lives - now) / 1000 + random.u64(0..3)).unwrap();
            if let Some(has_entry) = has_entry(of(end, lives), Some(left), now) {
                assert_eq!(has_entry, now < end, "seed {seed}: {end}, {lives} at {now}");
                known += 1;
            }
        }
        assert!(known > 8_000, "seed {seed}: {known} notes say something");
    }

    #[test]
    fn a_note_that_cannot_be_right_says_nothing() {
        let now = 1_800_000_000_000;
        assert_eq!(has_entry(of(NEVER, NEVER), None, now), Some(true));
        assert_eq!(has_entry(NO_ENTRY, Some(10), now), Some(false));
        for flags in [0, 1, 2, 16, SMALL] {
            assert_eq!(has_entry(flags, Some(10), now), None, "{flags}");
        }
        let (end, day) = (now + 60_000, 86_400);
        assert_eq!(has_entry(of(end, end), Some(61), now), Some(true));
        // It lives for ever, or was given another lifetime, by an operator.
        assert_eq!(has_entry(of(end, end), None, now), None);
        assert_eq!(has_entry(of(end, end), Some(25 * day), now), None);
        assert_eq!(has_entry(of(end, end), Some(30), now), None);
        // Its pause outlives it by far.
        for days in [24, 48, 49, 50, 100, 1_000] {
            assert_eq!(of(end, end + days * 86_400_000), 0, "{days}");
        }
        for last in [0, 1, SMALL.into(), u32::MAX.into(), u64::from(u32::MAX) - 1] {
            assert_eq!(of((now >> 32 << 32) + last, now), 0, "{last:x}");
        }
    }
}
