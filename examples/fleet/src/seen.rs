//! The results of a run: counts, or a record of all that happened.

/// A request: its process, its key, and the number by which it decides whether to renew early.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The time of the request.
    pub at: u64,
    /// The process that the request goes to.
    pub process: u32,
    /// The key that the request asks for.
    pub key: u32,
    /// The seed of its decision: see [`chance`](crate::simulation::chance).
    pub draw: u64,
}

/// A query to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// The time at which the query begins.
    pub at: u64,
    /// The process that asks.
    pub process: u32,
    /// The key that is created.
    pub key: u32,
}

/// All that happened in a run, so that it can happen again.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// When each entry had its first value.
    pub born: Vec<u64>,
    /// How far each clock is off.
    pub offsets: Vec<i64>,
    /// All requests, if they were kept.
    pub requests: Vec<Request>,
    /// The queries to the database.
    pub queries: Vec<Query>,
}

/// The counts of the time in which the fleet was watched.
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
    /// Queries per second, on average.
    pub fn mean(&self) -> f64 {
        self.total() / self.queries.len() as f64
    }

    /// Queries in the worst second.
    pub fn peak(&self) -> u32 {
        self.queries.iter().copied().max().unwrap_or(0)
    }

    /// Requests per second that were given an expired value, on average.
    pub fn stale_mean(&self) -> f64 {
        self.stale as f64 / self.queries.len() as f64
    }

    /// How many more queries there were than the one that was needed each time.
    pub fn redundant(&self) -> f64 {
        (self.total() / self.rounds.max(1.0) - 1.0).max(0.0)
    }

    /// All queries.
    pub fn total(&self) -> f64 {
        self.queries.iter().map(|queries| f64::from(*queries)).sum()
    }
}
