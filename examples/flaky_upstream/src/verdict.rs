//! The rules that a run must have kept.

use crate::options::{JITTER, LIFETIME, Options, PATIENCE, PAUSES};
use crate::readers::Ran;
use crate::upstream::{Call, Mood};
use std::fmt;
use std::time::Duration;

/// The verdict, line by line.
pub struct Verdict(Vec<(bool, String)>);

/// How many calls the policy allows in a phase of this mood and length.
///
/// Creations come one after the other. Between the elections of two of them lies at least
///
/// 1. the lifetime of the quote, if the first creation was answered;
/// 2. the pause, if it failed: the n-th pause in a row is at least `first * 2^(n-1)`, or the longest pause, less the
///    jitter;
/// 3. the creation time-out, if it hung.
///
/// So in a phase there are no more calls than fit into its length, and one more at each end: one was elected before the
/// phase, and one is cut short. (The upstream sees a call a little later than its election.)
fn allowed(mood: Mood, lasts: Duration) -> u64 {
    let mut left = lasts;
    let mut calls = 2;
    let mut pause = PAUSES[0];
    loop {
        let apart = match mood {
            Mood::Answers => LIFETIME,
            Mood::Hangs => PATIENCE,
            Mood::Fails => {
                let least = pause.mul_f64(1.0 - JITTER);
                pause = PAUSES[1].min(pause * 2);
                least
            }
        };
        match left.checked_sub(apart) {
            None => return calls,
            Some(rest) => left = rest,
        }
        calls += 1;
    }
}

impl Verdict {
    /// Judges a run.
    pub fn of(ran: &Ran, calls: &[Call], options: &Options) -> Self {
        let count = |mood: Mood| calls.iter().filter(|call| call.mood == mood).count() as u64;
        let allowed_in_all = |mood: Mood| -> u64 {
            options.schedule().iter().filter(|(its, _)| *its == mood).map(|(_, lasts)| allowed(mood, *lasts)).sum()
        };
        let reads = ran.total(|step| step.fresh + step.stale + step.errors);
        let errors = ran.total(|step| step.errors);
        let stale = ran.total(|step| step.stale);
        let mut lines = Vec::new();
        let told = ran.first_error.as_ref().map(|error| format!(" (the first: {error})")).unwrap_or_default();
        lines
            .push(((errors == 0) != options.no_policy, format!("{errors} of {reads} reads ended with an error{told}")));
        if !options.no_policy {
            lines.push((
                stale > 0,
                format!("{stale} reads got an old quote, {} of them after a failure of their own", ran.stale_on_error),
            ));
        }
        for (mood, what) in [(Mood::Answers, "answered"), (Mood::Fails, "failed"), (Mood::Hangs, "hung")] {
            let (calls, allowed) = (count(mood), allowed_in_all(mood));
            // Without the policy, nothing holds back the calls that fail.
            let as_it_should = match mood {
                Mood::Fails if options.no_policy => calls > allowed,
                _ => calls <= allowed,
            };
            lines.push((as_it_should, format!("{calls} calls {what}; the policy allows {allowed} at the most")));
        }
        if !options.no_policy {
            lines.push((
                count(Mood::Fails) > 0 && count(Mood::Hangs) > 0,
                "the upstream was tried while it was down".into(),
            ));
        }
        Self(lines)
    }

    pub fn is_clean(&self) -> bool {
        self.0.iter().all(|(holds, _)| *holds)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (holds, line) in &self.0 {
            writeln!(f, "{} {line}", if *holds { "ok      " } else { "VIOLATED" })?;
        }
        f.write_str(if self.is_clean() { "All as it should be." } else { "Not as it should be." })
    }
}
