//! What has happened so far, as far as a law needs it.

use crate::server::{Tick, Version};

/// A law that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Law {
    G1,
    G2,
    G3,
    G4,
    G5,
    G6,
    G8,
    G9,
    G10,
    G11,
    RenewIf,
    /// A step of the server is that of the ideal one.
    Refines,
}

/// Why a grant has ended before its holder has ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    RanOut,
    Voided,
    Evicted,
    Life,
}

/// What has been seen, so that a search that cannot find anything is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sight {
    Overlap,
    Refused,
    Shared,
    NotCovered,
    Held,
    TakenOver,
    Renewed,
    CutOff,
    Paused,
    Changed,
    /// An access without an old value has waited until its deadline; one with an old value has gone on with it.
    TimedOut,
    WentOn,
    /// A claim has passed through a pause that has lasted too long.
    PassedThrough,
    /// A process that is cut off has paused.
    OwnPause,
    /// A value that is due was returned.
    Due,
}

impl Sight {
    pub const ALL: [Sight; 15] = [
        Sight::Overlap,
        Sight::Refused,
        Sight::Shared,
        Sight::NotCovered,
        Sight::Held,
        Sight::TakenOver,
        Sight::Renewed,
        Sight::CutOff,
        Sight::Paused,
        Sight::Changed,
        Sight::TimedOut,
        Sight::WentOn,
        Sight::PassedThrough,
        Sight::OwnPause,
        Sight::Due,
    ];
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // Facts that do not depend on each other.
pub struct History {
    /// The number of the last grant, `set` or creation without a grant.
    pub count: Version,
    /// Versions up to this were taken away by an invalidation or a `set` that has returned.
    pub gone: Version,
    /// Versions up to this were marked stale.
    pub stale: Version,
    /// Versions up to this are gone once the invalidation that was executed last has returned.
    pub gone_if_told: Version,
    /// The grants that have ended for another reason than their holders, while these run.
    pub lost: Vec<(Version, Lost)>,
    /// The moment of the last fault.
    pub fault_at: Tick,
    /// Whether anything has happened that may cost a lease.
    pub is_disturbed: bool,
    pub clock_stepped: bool,
    pub other_life: bool,
    pub signal_lost: bool,
    /// Whether the place has become free without a signal.
    pub is_silent: bool,
    /// Since when the place is free, while any access has waited for it.
    pub free_at: Tick,
    broken: u16,
    sights: u16,
}

impl History {
    pub fn breaks(&mut self, law: Law) {
        self.broken |= 1 << law as u8;
    }

    pub fn keeps(&self, law: Law) -> bool {
        self.broken & (1 << law as u8) == 0
    }

    pub fn sees(&mut self, sight: Sight) {
        self.sights |= 1 << sight as u8;
    }

    pub fn take_sights(&mut self) -> u16 {
        std::mem::take(&mut self.sights)
    }

    pub fn lost(&mut self, number: Version, reason: Lost) {
        if !self.is_lost(number) {
            self.lost.push((number, reason));
        }
    }

    pub fn is_lost(&self, number: Version) -> bool {
        self.lost.iter().any(|(lost, _)| *lost == number)
    }

    pub fn why(&self, number: Version) -> Option<Lost> {
        self.lost.iter().find(|(lost, _)| *lost == number).map(|(_, why)| *why)
    }
}
