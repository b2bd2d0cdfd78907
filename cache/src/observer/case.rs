//! The cases by which events are told apart and counted.

use crate::backend::Refusal;
use crate::envelope::Why;
use crate::round::Stored;
use std::fmt;
use std::marker::PhantomData;

/// What has become of a created value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Published {
    /// The value is stored, and is the current one.
    Fresh,
    /// The value is stored, but is stale: the key was marked stale during the creation.
    Stale,
    /// The value is not stored. The caller has it all the same (G4).
    No(NotPublished),
}

impl Published {
    /// Returns a short name, for the label of a metric or for a log: `fresh`, `stale`, or the name of the reason.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Published::Fresh => "fresh",
            Published::Stale => "stale",
            Published::No(why) => why.name(),
        }
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Published::Fresh => f.write_str("published"),
            Published::Stale => f.write_str("published, but marked stale during the creation"),
            Published::No(why) => write!(f, "not published: {why}"),
        }
    }
}

impl From<Stored> for Published {
    fn from(stored: Stored) -> Published {
        Published::No(match stored {
            Stored::Fresh => return Published::Fresh,
            Stored::Stale => return Published::Stale,
            Stored::Refused(refusal) => refusal.into(),
            Stored::Unknown => NotPublished::InDoubt,
            Stored::Late => NotPublished::Late,
            Stored::Unwanted => NotPublished::Unwanted,
            Stored::CutOff => NotPublished::CutOff,
        })
    }
}

/// Why a created value was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotPublished {
    /// An invalidation or a `set` has voided the grant.
    Voided,
    /// Another holder had the grant by then, or had created already.
    Overtaken,
    /// The backend had no such grant any more: the lease was over, or the server has lost the grant.
    Gone,
    /// The grant was of an earlier life of the server.
    OtherLife,
    /// The creation took longer than `creation_timeout`.
    Late,
    /// Nobody knows whether the value is stored: the reply to the publication is missing.
    InDoubt,
    /// The creator did not want the value to be stored.
    Unwanted,
    /// The entry was larger than the region or its backend takes.
    TooLarge,
    /// The codec could not encode the value.
    NotEncodable,
    /// The value was created without the backend, which was down.
    CutOff,
    /// The region was closed during the creation.
    Closed,
}

impl NotPublished {
    /// Returns a short name, for the label of a metric or for a log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            NotPublished::Voided => "voided",
            NotPublished::Overtaken => "overtaken",
            NotPublished::Gone => "gone",
            NotPublished::OtherLife => "other_life",
            NotPublished::Late => "late",
            NotPublished::InDoubt => "in_doubt",
            NotPublished::Unwanted => "unwanted",
            NotPublished::TooLarge => "too_large",
            NotPublished::NotEncodable => "not_encodable",
            NotPublished::CutOff => "cut_off",
            NotPublished::Closed => "closed",
        }
    }
}

impl fmt::Display for NotPublished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotPublished::Voided => "the key was invalidated or set during the creation",
            NotPublished::Overtaken => "another creation was granted meanwhile",
            NotPublished::Gone => "the lease was over, or the server has lost the grant",
            NotPublished::OtherLife => "the server has lost its data during the creation",
            NotPublished::Late => "the creation took longer than its time-out",
            NotPublished::InDoubt => "the reply is missing, and the value may or may not be stored",
            NotPublished::Unwanted => "the creator did not want the value to be stored",
            NotPublished::TooLarge => "the entry is too large",
            NotPublished::NotEncodable => "the codec could not encode the value",
            NotPublished::CutOff => "the backend was down when the creation began",
            NotPublished::Closed => "the region was closed",
        })
    }
}

impl From<Refusal> for NotPublished {
    fn from(refusal: Refusal) -> NotPublished {
        match refusal {
            Refusal::Voided => NotPublished::Voided,
            Refusal::Overtaken => NotPublished::Overtaken,
            Refusal::Gone => NotPublished::Gone,
            Refusal::OtherLife => NotPublished::OtherLife,
        }
    }
}

/// Why a creation of this process may run, or have run, beside another creation of the key (G1).
///
/// An overlap is counted at the moment when this process learns that it is possible, and once for each creation of this
/// process: by the first reason. So a holder whose lease is over, and whose publication is refused later, counts once,
/// as [`LeaseLost`](Overlap::LeaseLost). The two creations of one overlap may be of two processes, and each process
/// counts its own: the holder that has lost the grant, and the process that [took over](Overlap::TookOver).
///
/// An overlap that is possible need not happen: perhaps no other process asks for the key. In a fleet whose counts are
/// all zero, and in which no process was killed before it could count, no key had two creations at once.
///
/// A refusal in this table is the backend's answer to a renewal, a publication or an end. The lease is over, or not, by
/// the holder's own clock.
///
/// | what the process learns | the lease is over | the lease is not over |
/// |---|---|---|
/// | nothing but the time | `LeaseLost` | |
/// | [`Refusal::Voided`] | `Voided` | `Voided` |
/// | [`Refusal::Overtaken`], [`Refusal::Gone`] | `LeaseLost` | `ServerLost` |
/// | [`Refusal::OtherLife`] | `ServerLost` | `ServerLost` |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overlap {
    /// The lease is over by the holder's own clock, and the creation runs, or is about to be published. Counted when
    /// that time has come and no renewal was confirmed, or with the refusal if the process learns of it first.
    LeaseLost,
    /// An invalidation or a `set` has voided the grant, and the next creation begins once `void_pause` is over. Counted
    /// with the refusal.
    Voided,
    /// The server has lost the grant before its time, by an eviction, a flush, a restart, a failover or a step of its
    /// clock; another may have it by now. Counted with the refusal.
    ServerLost,
    /// The holder before was seen dead for a whole lease, and may be alive. Counted when a claim over the dead holder
    /// is granted, before the creation begins.
    TookOver,
    /// The backend is down, and this process has elected by itself. Counted when a creation begins without a grant.
    CutOff,
    /// The creation runs longer than `creation_timeout`. Counted when that time is over, before the grant is ended.
    Late,
}

impl Overlap {
    /// Returns the reason that a refusal shows. `is_lease_over` is whether the lease is over by the holder's own clock.
    pub(crate) const fn shown_by(refusal: Refusal, is_lease_over: bool) -> Overlap {
        match refusal {
            Refusal::Voided => Overlap::Voided,
            Refusal::Overtaken | Refusal::Gone if is_lease_over => Overlap::LeaseLost,
            Refusal::Overtaken | Refusal::Gone | Refusal::OtherLife => Overlap::ServerLost,
        }
    }

    /// Returns a short name, for the label of a metric or for a log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Overlap::LeaseLost => "lease_lost",
            Overlap::Voided => "voided",
            Overlap::ServerLost => "server_lost",
            Overlap::TookOver => "took_over",
            Overlap::CutOff => "cut_off",
            Overlap::Late => "late",
        }
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Overlap::LeaseLost => "the lease was over before the creation ended",
            Overlap::Voided => "the key was invalidated or set during the creation",
            Overlap::ServerLost => "the server has lost the grant",
            Overlap::TookOver => "the holder before was taken for dead",
            Overlap::CutOff => "the backend was down when the creation began",
            Overlap::Late => "the creation took longer than its time-out",
        })
    }
}

/// An operation of a [`Backend`](crate::backend::Backend): one variant for each of its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`look`](crate::backend::Backend::look).
    Look,
    /// [`claim`](crate::backend::Backend::claim).
    Claim,
    /// [`renew`](crate::backend::Backend::renew).
    Renew,
    /// [`publish`](crate::backend::Backend::publish).
    Publish,
    /// [`end`](crate::backend::Backend::end).
    End,
    /// [`change`](crate::backend::Backend::change).
    Change,
    /// [`count`](crate::backend::Backend::count).
    Count,
    /// [`listen`](crate::backend::Backend::listen).
    Listen,
    /// [`ping`](crate::backend::Backend::ping).
    Ping,
}

impl Operation {
    /// Returns the name of the method, for the label of a metric or for a log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Operation::Look => "look",
            Operation::Claim => "claim",
            Operation::Renew => "renew",
            Operation::Publish => "publish",
            Operation::End => "end",
            Operation::Change => "change",
            Operation::Count => "count",
            Operation::Listen => "listen",
            Operation::Ping => "ping",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The cases of an event that are counted apart. Only this crate implements it.
pub trait Case: Copy + fmt::Debug + 'static + sealed::Sealed {
    /// All cases.
    const ALL: &'static [Self];
}

mod sealed {
    pub trait Sealed {
        /// Returns the place of the case among all.
        fn index(self) -> usize;
    }
}

/// No event has more cases.
pub(super) const MOST: usize = 12;

/// Lists the cases of a type. That the list is complete and in order is checked by the compiler.
macro_rules! cases {
    ($type:ident: $($case:ident),+) => {
        impl Case for $type {
            const ALL: &'static [$type] = &[$($type::$case),+];
        }

        impl sealed::Sealed for $type {
            fn index(self) -> usize {
                self as usize
            }
        }

        const _: () = {
            let all = <$type as Case>::ALL;
            assert!(all.len() <= MOST);
            let mut at = 0;
            while at < all.len() {
                match all[at] {
                    $($type::$case)|+ => assert!(all[at] as usize == at),
                }
                at += 1;
            }
        };
    };
}
cases!(
    NotPublished: Voided,
    Overtaken,
    Gone,
    OtherLife,
    Late,
    InDoubt,
    Unwanted,
    TooLarge,
    NotEncodable,
    CutOff,
    Closed
);
cases!(Overlap: LeaseLost, Voided, ServerLost, TookOver, CutOff, Late);
cases!(Operation: Look, Claim, Renew, Publish, End, Change, Count, Listen, Ping);
cases!(
    Why: Truncated,
    Foreign,
    OtherVersion,
    OtherSchema,
    OtherFormat,
    Checksum,
    Malformed,
    TooLarge,
    Bomb,
    OtherKey,
    Compressed,
    Undecodable
);

/// The place of a case among all, for the tally.
pub(super) fn index<C: Case>(case: C) -> usize {
    case.index()
}

/// A count for each case of an event.
///
/// ```
/// use dogpile_cache::observer::{By, Overlap};
///
/// let none: By<Overlap> = By::default();
/// assert_eq!(none.get(Overlap::Late), 0);
/// assert_eq!(none.iter().count(), 6);
/// assert_eq!(none.total(), 0);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct By<C> {
    counts: [u64; MOST],
    cases: PhantomData<fn() -> C>,
}

impl<C: Case> By<C> {
    pub(super) fn counted(count: impl Fn(usize) -> u64) -> By<C> {
        let mut counts = [0; MOST];
        counts.iter_mut().zip(C::ALL).enumerate().for_each(|(at, (counted, _))| *counted = count(at));
        By { counts, cases: PhantomData }
    }

    /// Returns how often that was the case.
    #[must_use]
    pub fn get(&self, case: C) -> u64 {
        self.counts[case.index()]
    }

    /// Returns each case with its count, those that never were the case, too.
    pub fn iter(&self) -> impl Iterator<Item = (C, u64)> + '_ {
        C::ALL.iter().map(|case| (*case, self.get(*case)))
    }

    /// Returns the sum over all cases.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

impl<C: Case> Default for By<C> {
    fn default() -> By<C> {
        By { counts: [0; MOST], cases: PhantomData }
    }
}

/// The cases whose count is not zero.
impl<C: Case> fmt::Debug for By<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().filter(|(_, count)| *count > 0)).finish()
    }
}
