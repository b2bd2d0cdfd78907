//! What a lock in stamped getter mode knows of a value that a getter has brought.
//!
//! In stamped getter mode the value may come from elsewhere. The deadline word does not know of such a value, and must
//! not: elections rely on the word, and on the creations, invalidations and marks that it stands for. But a question is
//! to tell what an access would find. So each access in that mode notes, beside the lock, the stamp that its getter has
//! brought (`brought`, in [`terms`](super::terms)). Only questions read the note. They judge the stamp as the access
//! has judged it, by lifetime and policy, as of now.
//!
//! | the deadline word says | the answer is that of |
//! |---|---|
//! | missing, because the user said so | the word: the value is missing (L6) |
//! | missing, because this lock has seen no value | the stamp that was brought; if the user said "stale", stale at best |
//! | born fresh, and no access has started its life | the same |
//! | created | the younger of the two: the creation, or the stamp that was brought since |
//!
//! - *A value that the lock has created wins over a stamp that was brought before.* A creation that is published takes
//!   the note away after it has stored the deadline. So no question finds neither.
//! - *A stamp that was brought since wins over a creation that is older.* In this case another process has created. The
//!   age of the stamp is measured on the wall clock, and the age of the creation on the lock's own clock; over a
//!   lifetime the two differ by little. When a getter brings back the value that this lock has created, its stamp is as
//!   old as the creation or older, and changes no answer.
//! - *A note may come late,* from an access whose getter ran before the lock created or was invalidated. Then the
//!   deadline word is newer than the note, and wins: as invalidated, or as the younger of the two. A stamp that cannot
//!   be believed has no age. Such a stamp is taken for the younger of the two, since an access would not believe it
//!   either. If such a note came late, the next access puts that right.
//! - *A getter that brings nothing* takes the note away: there is no value to go on with.
//! - *Several accesses at once* write their notes one after the other, and the last note counts. An answer is of some
//!   moment in any case.
//!
//! All decisions ask the word alone, by [`own_freshness`](Status::own_freshness) and the like: which access is elected,
//! which value an access goes on with, which access is served.

use super::Dogpile;
use super::sight::Sight;
use super::stamped::Stamped;
use super::status::Status;
use crate::clock::{Clock, nanoseconds};
use crate::freshness::Expiry;
use std::time::Duration;

impl<C: Clock> Status<C> {
    /// Judges the value that a getter has brought, and returns its age as well. Returns `None` if the deadline word
    /// gives the answer: see the [module docs](self).
    pub(super) fn brought(&self) -> Option<(Sight, Duration)> {
        self.brought_age().map(|(sight, age)| (sight, Duration::from_nanos(age.unwrap_or(0))))
    }

    /// As [`brought`](Self::brought), with the age in nanoseconds; `None` for an age that cannot be believed.
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
