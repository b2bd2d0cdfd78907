//! The ways to share an expiring value, as protocols: where the value lives, whose clock judges it, and what one lock
//! covers.

/// A way to share a value.
///
/// An *entry* is a place where a value lives: in the shared cache there is one for each key, in the memory of the
/// processes one for each process and key. Every request looks at its entry. Who is elected queries the database, which
/// takes as long as one creation, and stores the answer when it comes. A store replaces whatever is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The value lives in the shared cache, which drops it when it has expired, by the cache's own clock. Every request
    /// that finds none queries the database, and waits for the answer.
    Unprotected,
    /// The value lives in the memory of each process, under a lock of that process. Of the requests to one process that
    /// find it expired, the first queries the database; until its answer is there the others go on with the old value.
    /// No process knows what another has.
    OwnValues,
    /// The value lives in the shared cache with the time at which it was created, by the clock of the process that
    /// created it, and stays there beyond its expiry. Each process judges its age by its own clock: a stamp that lies
    /// in the future counts as now, or as expired if it lies further ahead than is tolerated. Of the requests to one
    /// process that find it expired, the first queries the database; the others go on with the old value. Processes
    /// that come after one has stored find a fresh value.
    Stamped,
    /// As [`Stamped`](Self::Stamped), and the value also brings how long its creation took. A request renews a fresh
    /// value if `now - cost * beta * ln(rand) >= expiry`, and its process is not about it already: `XFetch`.
    Early,
    /// As [`Early`](Self::Early), but the value does not bring its cost: a process knows what it has measured by
    /// itself, and renews nothing early before it has created that key once. This is what the lock does with
    /// `refresh_early`.
    EarlyMeasured,
    /// The value lives in the shared cache, and so does the lock: a lease. Of all requests to all processes that find
    /// it expired, by the cache's own clock, the first queries the database; the others go on with the old value.
    OneLock,
}

/// Who knows how long a creation takes, and so may renew early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Whoever sees the value.
    WithTheValue,
    /// Whoever has created that key before.
    Measured,
}

/// What one lock covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covers {
    /// There is none.
    Nothing,
    /// The requests of one process for one entry.
    Process,
    /// All requests for one entry.
    Entry,
}

impl Strategy {
    /// All, in the order of the table.
    pub const ALL: [Self; 6] =
        [Self::Unprotected, Self::OwnValues, Self::Stamped, Self::Early, Self::EarlyMeasured, Self::OneLock];

    /// What the table and the pictures call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unprotected => "no protection",
            Self::OwnValues => "lock per process",
            Self::Stamped => "stamped values",
            Self::Early => "early renewal",
            Self::EarlyMeasured => "early, cost learnt",
            Self::OneLock => "one lock for all",
        }
    }

    /// Whether all processes look at the same value.
    pub fn shares_values(self) -> bool {
        self != Self::OwnValues
    }

    /// Whether values are stamped and judged by the clocks of the processes, which need not agree.
    pub fn is_stamped(self) -> bool {
        matches!(self, Self::Stamped | Self::Early | Self::EarlyMeasured)
    }

    /// What one lock covers.
    pub fn lock(self) -> Covers {
        match self {
            Self::Unprotected => Covers::Nothing,
            Self::Stamped | Self::Early | Self::EarlyMeasured => Covers::Process,
            // In its own memory a process is all that there is.
            Self::OwnValues | Self::OneLock => Covers::Entry,
        }
    }

    /// Who may renew a value before it expires, if anybody.
    pub fn early(self) -> Option<Cost> {
        match self {
            Self::Early => Some(Cost::WithTheValue),
            Self::EarlyMeasured => Some(Cost::Measured),
            _ => None,
        }
    }
}
