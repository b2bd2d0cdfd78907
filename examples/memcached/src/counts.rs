//! The counts of a worker, and the line that brings them to the process that started the worker.

use std::fmt;
use std::str::FromStr;

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counts of all threads of one process.
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
    /// All accesses. Each of them ended in one of the next seven ways.
    accesses,
    /// The access got a value that had not expired.
    fresh,
    /// The access got a value that had expired.
    stale,
    /// The access created the value, and stored it.
    created,
    /// The getter failed.
    getter_failed,
    /// The setter failed.
    setter_failed,
    /// The access waited too long for another creation.
    timed_out,
    /// The access would have waited for itself.
    would_deadlock,

    /// Errors among whose causes is an error of the client.
    kept_cause,
    /// Errors because an item was not as it had been stored.
    damaged,
    /// Errors before the server was killed.
    early_errors,
    /// Accesses that began after the restart and succeeded.
    after_restart,
    /// Accesses that got a value of another process.
    foreign,

    /// Getter calls that found nothing.
    misses,
    /// Runs of the creator.
    creations,
    /// Creations that were stored because a value had expired.
    for_expiry,
    /// Creations that were stored because there was no value.
    for_loss,
    /// The creations of `for_loss` whose last look-up began before the last creation of this process had ended. L8
    /// allows them to an access that has asked twice.
    for_loss_unseen,

    /// The most creations at once.
    most_at_once,
    /// The most getter calls in one access.
    most_calls,
    /// The longest access, in microseconds.
    longest,
}

impl Counts {
    /// Adds other counts. Of a maximum, the greater one is kept.
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
