//! A value that was brought: what a lock in stamped getter mode knows of it.
//!
//! In stamped getter mode the value may come from elsewhere. The deadline word does not know of that value, nor may it:
//! elections rely on the word, and on the creations and sayings that it stands for. But a question is to tell what an
//! access would find. So each access in that mode notes the stamp that its getter has brought, beside the lock
//! (`brought`, in [`terms`](super::terms)). Questions, and nothing else, judge that stamp as the access has: by
//! lifetime and policy, as of now.
//!
//! | the deadline word says | the answer is that of |
//! |---|---|
//! | missing because somebody said so | the word: the value is missing (L6) |
//! | missing because this lock has seen none | the stamp that was brought; if somebody said "stale", stale at best |
//! | born fresh, and its life has not begun | likewise |
//! | created | whichever is younger, the creation or the stamp that was brought since |
//!
//! - *What the lock has created wins over what was brought before.* A creation that is published takes the note away,
//!   after it has stored the deadline: no question finds neither.
//! - *What was brought since wins over a creation that is older:* another process has created. The age of the stamp is
//!   told on the wall clock, that of the creation on the lock's own; over a lifetime the two differ by little. The
//!   lock's own value, when it is brought back, is as old as the creation or older, and changes no answer.
//! - *A note that comes late* is of an access whose getter ran before the lock created or was invalidated. The deadline
//!   word is newer than the note then, and wins: as invalidated, or as the younger one. A stamp that is not to be
//!   believed has no age; it is taken for the younger one, since an access would not believe it either. If it came
//!   late, the next access puts that right.
//! - *A getter that brings nothing* takes the note away: there is nothing to go on with.
//! - *Several accesses at once* note one after the other, and the last one counts: an answer is of some moment anyhow.
//!
//! Whatever decides (elections, who goes on with what, who is served) asks the word alone, by
//! [`own_freshness`](Status::own_freshness) and the like.

use super::Dogpile;
use super::sight::Sight;
use super::stamped::Stamped;
use super::status::Status;
use crate::clock::{Clock, nanoseconds};
use crate::freshness::Expiry;
use std::time::Duration;

impl<C: Clock> Status<C> {
    /// What to think of the value that a getter has brought, and its age, if that answers in place of the deadline
    /// word: see the [module docs](self).
    pub(super) fn brought(&self) -> Option<(Sight, Duration)> {
        self.brought_age().map(|(sight, age)| (sight, Duration::from_nanos(age.unwrap_or(0))))
    }

    /// The same, with its age in nanoseconds, if that can be believed.
    pub(super) fn brought_age(&self) -> Option<(Sight, Option<u64>)> {
        let created = Stamped::from_unix_nanos((), self.terms.brought()?).created;
        let told = self.expiry.told();
        let age = Expiry::age_of_stamp(created, self.clock.wall(), self.policy().max_skew());
        let own = self.expiry.begun_age(&self.clock).map(nanoseconds);
        let is_newer = age.is_none_or(|age| own.is_none_or(|own| age < own));
        is_newer.then(|| (self.judge(age, told), age))
    }
}

impl<C: Clock> Dogpile<C> {
    /// See [`Terms::note_brought`](super::terms::Terms::note_brought).
    pub(crate) fn note_brought(&self, stamp: u64) {
        self.terms.note_brought(stamp);
    }

    /// See [`Terms::forget_brought`](super::terms::Terms::forget_brought).
    pub(crate) fn forget_brought(&self) {
        self.terms.forget_brought();
    }
}
