//! What is counted in a worker, and the line by which it reaches the process that started it.

use std::fmt;
use std::str::FromStr;

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What the threads of one process did and met.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counts {
            fn fields(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),+].into_iter()
            }

            fn field(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)+
                    _ => None,
                }
            }
        }
    };
}

counts! {
    /// All accesses, each of which ended as one of the next seven.
    accesses,
    /// Got a value that had not expired.
    fresh,
    /// Got a value that had expired.
    stale,
    /// Created the value, and stored it.
    created,
    /// The getter failed.
    getter_failed,
    /// The setter failed.
    setter_failed,
    /// Waited too long for another's creation.
    timed_out,
    /// Would have waited for itself.
    would_deadlock,

    /// Errors in which the client's own was found.
    kept_cause,
    /// Errors because an item was not as it was stored.
    damaged,
    /// Errors before the server was killed.
    early_errors,
    /// Successes in accesses that began after the restart.
    after_restart,
    /// Values got that another process had made.
    foreign,

    /// Getter calls that found nothing.
    misses,
    /// Creators run.
    creations,
    /// Creations that were stored, because a value had expired.
    for_expiry,
    /// Creations that were stored, because there was no value.
    for_loss,
    /// Of `for_loss`, those whose last look-up began before this process's last creation had ended. L8 has them, for an
    /// access that had asked twice.
    for_loss_unseen,

    /// The most creations at once.
    most_at_once,
    /// The most getter calls in one access.
    most_calls,
    /// The longest access, in microseconds.
    longest,
}

impl Counts {
    /// Adds up what was counted, and takes the greater of what is a maximum.
    pub fn absorb(&mut self, other: &Self) {
        for (name, count) in other.fields() {
            if let Some(sum) = self.field(name) {
                *sum = if matches!(name, "most_at_once" | "most_calls" | "longest") {
                    count.max(*sum)
                } else {
                    *sum + count
                };
            }
        }
    }

    /// How many accesses got a value.
    pub fn successes(&self) -> u64 {
        self.fresh + self.stale + self.created
    }

    /// How many accesses got an error.
    pub fn errors(&self) -> u64 {
        self.getter_failed + self.setter_failed + self.timed_out + self.would_deadlock
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<_> = self.fields().map(|(name, count)| format!("{name}={count}")).collect();
        f.write_str(&fields.join(" "))
    }
}

impl FromStr for Counts {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut counts = Self::default();
        for word in line.split_whitespace() {
            let (name, count) = word.split_once('=').ok_or_else(|| format!("no count: {word}"))?;
            let field = counts.field(name).ok_or_else(|| format!("no such count: {name}"))?;
            *field = count.parse().map_err(|error| format!("{word}: {error}"))?;
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_the_pipe_and_add_up() {
        let counts = Counts { accesses: 3, fresh: 2, longest: 9, ..Counts::default() };
        assert_eq!(counts.to_string().parse(), Ok(counts));
        let mut sum = Counts { accesses: 1, longest: 11, ..Counts::default() };
        sum.absorb(&counts);
        assert_eq!(sum, Counts { accesses: 4, fresh: 2, longest: 11, ..Counts::default() });
        assert!("accesses=x".parse::<Counts>().is_err());
        assert!("nonsense=1".parse::<Counts>().is_err());
    }
}
