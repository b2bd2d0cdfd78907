//! The ways to share an expiring value, as protocols. A protocol says where the value lives, which clock judges its
//! age, and which requests one lock covers.

/// A way to share a value.
///
/// An *entry* is a place for a value. The shared cache has one entry for each key. In the memory of the processes there
/// is one entry for each process and key. Every request looks at its entry. An elected request queries the database,
/// which takes as long as one creation, and stores the answer when it comes. A store replaces the value that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The value lives in the shared cache, which drops the value when it has expired, by the cache's own clock. Every
    /// request that finds no value queries the database, and waits for the answer.
    Unprotected,
    /// The value lives in the memory of each process, under a lock of that process. Of the requests to one process that
    /// find the value expired, the first queries the database. Until its answer is there, the others go on with the old
    /// value. No process knows the values of the other processes.
    OwnValues,
    /// The value lives in the shared cache, and stays there beyond its expiry. With it lives the time of its creation,
    /// by the clock of the process that has created it. Each process judges the age of the value by its own clock. A
    /// stamp that lies in the future counts as now; if it lies further ahead than is tolerated, the value counts as
    /// expired. Of the requests to one process that find the value expired, the first queries the database, and the
    /// others go on with the old value. Once one process has stored a new value, the requests to all processes find it
    /// fresh.
    Stamped,
    /// As [`Stamped`](Self::Stamped), and the value also brings the time that its creation took. A request renews a
    /// fresh value if `now - cost * beta * ln(rand) >= expiry`, unless its process is already renewing it: `XFetch`.
    Early,
    /// As [`Early`](Self::Early), but the value does not bring its cost. A process knows only the cost that it has
    /// measured itself, and renews no value early before it has created that key once. This is what the lock does with
    /// `refresh_early`.
    EarlyMeasured,
    /// The value lives in the shared cache, and so does the lock: a lease. Of all requests to all processes that find
    /// the value expired, by the cache's own clock, the first queries the database. The others go on with the old
    /// value.
    OneLock,
}

/// The source of the time that a creation takes, which early renewal needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// The value brings it. Every process that sees the value knows it.
    WithTheValue,
    /// A process measures it, and knows it once the process has created the key.
    Measured,
}

/// The requests that one lock covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covers {
    /// There is no lock.
    Nothing,
    /// The requests of one process for one entry.
    Process,
    /// All requests for one entry.
    Entry,
}

impl Strategy {
    /// All strategies, in the order of the table.
    pub const ALL: [Self; 6] =
        [Self::Unprotected, Self::OwnValues, Self::Stamped, Self::Early, Self::EarlyMeasured, Self::OneLock];

    /// The name in the table and in the pictures.
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

    /// The requests that one lock covers.
    pub fn lock(self) -> Covers {
        match self {
            Self::Unprotected => Covers::Nothing,
            Self::Stamped | Self::Early | Self::EarlyMeasured => Covers::Process,
            // A process that has the value in its own memory is the only one that uses the entry.
            Self::OwnValues | Self::OneLock => Covers::Entry,
        }
    }

    /// The source of the cost for early renewal, if the strategy renews early.
    pub fn early(self) -> Option<Cost> {
        match self {
            Self::Early => Some(Cost::WithTheValue),
            Self::EarlyMeasured => Some(Cost::Measured),
            _ => None,
        }
    }
}
