//! What comes of a run: counts of what was seen, or a record of all that happened.

/// A request: to whom, for what, and by which number it decides whether to renew early.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// When it comes.
    pub at: u64,
    /// To which process.
    pub process: u32,
    /// For which key.
    pub key: u32,
    /// See [`chance`](crate::simulation::chance).
    pub draw: u64,
}

/// A query to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// When it begins.
    pub at: u64,
    /// Who asks.
    pub process: u32,
    /// For which key.
    pub key: u32,
}

/// All that happened, for it to happen again.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// When each entry had its first value.
    pub born: Vec<u64>,
    /// How far each clock is off.
    pub offsets: Vec<i64>,
    /// All requests, if those were kept, too.
    pub requests: Vec<Request>,
    /// The queries to the database.
    pub queries: Vec<Query>,
}

/// What was seen while the fleet was watched.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Queries that began in each second.
    pub queries: Vec<u32>,
    /// Requests that were given an expired value.
    pub stale: u64,
    /// How often a new value was needed.
    pub rounds: f64,
}

impl Seen {
    /// Queries in a second, on average.
    pub fn mean(&self) -> f64 {
        self.total() / self.queries.len() as f64
    }

    /// Queries in the worst second.
    pub fn peak(&self) -> u32 {
        self.queries.iter().copied().max().unwrap_or(0)
    }

    /// Requests that were given an expired value, in a second, on average.
    pub fn stale_mean(&self) -> f64 {
        self.stale as f64 / self.queries.len() as f64
    }

    /// Queries beyond the one that was needed each time.
    pub fn redundant(&self) -> f64 {
        (self.total() / self.rounds.max(1.0) - 1.0).max(0.0)
    }

    /// All queries.
    pub fn total(&self) -> f64 {
        self.queries.iter().map(|queries| f64::from(*queries)).sum()
    }
}
