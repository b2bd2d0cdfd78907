//! The command line, and the schedule and the policy that follow from it.

use crate::upstream::Mood;
use clap::{Parser, value_parser};
use dogpile::{Backoff, OnError, Policy, PolicyError};
use example_common::seconds;
use std::time::Duration;

/// Readers of one quote, which comes from an upstream on the loopback that answers, then fails, then hangs, then
/// answers again.
///
/// The quote expires after 200 ms. With the policy, readers get the old quote while the upstream is down. After a
/// failure no reader asks again for a while. A reader that was elected and has failed gets the old quote as well. A
/// call that takes longer than 300 ms is declared dead, and another reader tries. At the end the example checks that no
/// reader saw an error, and that the upstream was called no more often than this allows.
///
/// Exit code: 0 if the check succeeds, 1 if not or if the run failed, 2 for a wrong option. With `--no-policy`: 0 if
/// readers saw errors and the upstream was called more often than the policy would have allowed.
#[derive(Clone, Debug, Parser)]
#[command(name = "flaky_upstream")]
pub struct Options {
    /// Reader threads, each of which reads about every millisecond.
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = value_parser!(u16).range(4..=256))]
    pub threads: u16,

    /// How long the upstream answers, first and last, in seconds; fractions are allowed.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = |text: &str| seconds(text, 0.5, 600.0))]
    pub answers: Duration,

    /// How long the upstream fails in between, in seconds; fractions are allowed.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = |text: &str| seconds(text, 0.5, 600.0))]
    pub fails: Duration,

    /// How long the upstream hangs after that, in seconds; fractions are allowed.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = |text: &str| seconds(text, 0.5, 600.0))]
    pub hangs: Duration,

    /// Shows what the policy prevents: the same lock without a policy.
    #[arg(long)]
    pub no_policy: bool,
}

/// How long a quote is good.
pub const LIFETIME: Duration = Duration::from_millis(200);
/// The first pause after a failure, and the longest.
pub const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(800)];
/// The part by which a pause may be shorter.
pub const JITTER: f64 = 0.5;
/// How long a creation may take before it is declared dead.
pub const PATIENCE: Duration = Duration::from_millis(300);

impl Options {
    /// Parses the command line. Ends the process if the options make no sense.
    pub fn of_command_line() -> Self {
        Self::parse()
    }

    /// The moods of the upstream, and how long each of them lasts.
    pub fn schedule(&self) -> [(Mood, Duration); 4] {
        let Self { answers, fails, hangs, .. } = *self;
        [(Mood::Answers, answers), (Mood::Fails, fails), (Mood::Hangs, hangs), (Mood::Answers, answers)]
    }

    /// The policy of the lock.
    pub fn policy(&self) -> Result<Policy, PolicyError> {
        let policy = Policy::builder().name("quote");
        if self.no_policy {
            return policy.build();
        }
        policy
            .retry_after(Backoff::new(PAUSES[0], PAUSES[1]).jitter(JITTER))
            .on_error(OnError::ServeStale)
            .creation_timeout(PATIENCE)
            .build()
    }

    /// Describes the run that is about to begin.
    pub fn heading(&self) -> String {
        let Self { threads, answers, fails, hangs, no_policy } = self;
        let policy = if *no_policy { "WITHOUT a policy" } else { "with a policy" };
        let [answers, fails, hangs] = [answers, fails, hangs].map(Duration::as_secs_f64);
        format!(
            "{threads} readers of a quote that lives {} ms, {policy};\n\
             the upstream answers for {answers} s, fails for {fails} s, hangs for {hangs} s, and answers again for {answers} s",
            LIFETIME.as_millis()
        )
    }
}
