//! The rules that a run must have kept, and the printed verdict.

use crate::counts::Counts;
use crate::crew::Hand;
use std::fmt::{Display, Write};

/// The losses of the value, apart from its expiries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Losses {
    /// Whether the server was killed and started again, empty.
    pub outage: bool,
    /// How often the key was deleted, or may have been.
    pub deleted: u64,
    /// Whether the server is not the example's own, and so may have lost the value for other reasons.
    pub others: bool,
}

impl Losses {
    /// How often the value was missing at the most. The first time, it has not been there yet.
    fn at_most(self) -> u64 {
        1 + u64::from(self.outage) + self.deleted
    }
}

/// The verdict, line by line.
#[derive(Default)]
pub struct Verdict {
    text: String,
    violated: bool,
}

impl Verdict {
    /// Judges a run. `trouble` is what went wrong with the run itself.
    pub fn of(hands: &[Hand], losses: Losses, trouble: &[String]) -> Self {
        let mut verdict = Self::default();
        let counts: Vec<_> = hands.iter().filter_map(|hand| Some((hand.name.as_str(), hand.counts?))).collect();
        verdict.table(hands);
        for hand in hands {
            for violation in &hand.violations {
                verdict.check(false, format!("{}: {violation}", hand.name));
            }
        }
        for trouble in trouble {
            verdict.check(false, trouble);
        }
        verdict.check(counts.len() == hands.len(), "nothing hangs: every process ended by itself and reported");
        verdict.laws(&counts, losses);
        verdict.errors(&counts, losses);
        verdict
    }

    /// Whether all rules were kept.
    pub fn is_clean(&self) -> bool {
        !self.violated
    }

    fn check(&mut self, kept: bool, what: impl Display) {
        self.violated |= !kept;
        let mark = if kept { "ok" } else { "VIOLATED" };
        let _infallible = writeln!(self.text, "{mark:>8}  {what}");
    }

    fn laws(&mut self, counts: &[(&str, Counts)], losses: Losses) {
        let all = sum(counts);
        self.check(all.most_at_once <= 1, format!("L1: most creations at once in a process: {}", all.most_at_once));
        self.check(all.most_calls <= 2, format!("L8: most getter calls in an access: {}", all.most_calls));
        for (name, count) in counts {
            let stored = count.for_expiry + count.for_loss;
            self.check(
                stored == count.created && count.creations == stored + count.setter_failed,
                format!("{name}: {} creations, {stored} stored, {} failed", count.creations, count.setter_failed),
            );
            let (expired, lost) = (count.for_expiry, count.for_loss - count.for_loss_unseen);
            let at_most = losses.at_most();
            self.check(
                lost <= at_most || losses.others,
                format!(
                    "{name}: {expired} stored for as many values that expired, {lost} for {} that were lost",
                    if losses.others { "those".into() } else { format!("at most {at_most}") },
                ),
            );
            if count.for_loss_unseen > 0 {
                self.check(true, format!("{name}: {} stored by who had asked twice (L8)", count.for_loss_unseen));
            }
        }
        // One for the beginning, and one for the time after the outage: whatever the timing, some thread has created
        // those.
        let least = 1 + u64::from(losses.outage);
        self.check(all.created >= least, format!("{} values were created in all", all.created));
    }

    fn errors(&mut self, counts: &[(&str, Counts)], losses: Losses) {
        let all = sum(counts);
        self.check(all.damaged == 0, "every value read had its right checksum");
        self.check(all.early_errors == 0, "no error while the server was up");
        self.check(all.would_deadlock == 0, "no deadlock was found");
        self.check(
            all.accesses == all.successes() + all.errors(),
            format!("{} accesses: {} values, {} errors", all.accesses, all.successes(), all.errors()),
        );
        let failed = all.getter_failed + all.setter_failed - all.damaged;
        self.check(
            all.kept_cause == failed,
            format!("{} of {failed} failures of the client carry its own error", all.kept_cause),
        );
        if losses.outage {
            self.check(
                counts.iter().all(|(_, count)| count.getter_failed + count.setter_failed > 0),
                "while the server was down, errors reached the callers in every process",
            );
            self.check(
                counts.iter().all(|(_, count)| count.after_restart > 0),
                format!("{} accesses got a value after the restart, some in every process", all.after_restart),
            );
        }
    }

    fn table(&mut self, hands: &[Hand]) {
        type Row = (&'static str, fn(&Counts) -> String);
        let rows: [Row; 14] = [
            ("accesses", |count| count.accesses.to_string()),
            ("got a fresh value", |count| count.fresh.to_string()),
            ("got an expired value", |count| count.stale.to_string()),
            ("created the value", |count| count.created.to_string()),
            ("of all, made by the other", |count| count.foreign.to_string()),
            ("look-ups that found nothing", |count| count.misses.to_string()),
            ("most creations at once", |count| count.most_at_once.to_string()),
            ("most getter calls an access", |count| count.most_calls.to_string()),
            ("errors of the getter", |count| count.getter_failed.to_string()),
            ("errors of the setter", |count| count.setter_failed.to_string()),
            ("waits that timed out", |count| count.timed_out.to_string()),
            ("damaged values", |count| count.damaged.to_string()),
            ("values after the restart", |count| count.after_restart.to_string()),
            ("longest access, ms", |count| format!("{}.{}", count.longest / 1000, count.longest / 100 % 10)),
        ];
        let names: Vec<_> = hands.iter().map(|hand| format!("{:>12}", hand.name)).collect();
        let _infallible = writeln!(self.text, "\n{:28}{}", "", names.concat());
        for (name, value) in rows {
            let cells: Vec<_> = hands
                .iter()
                .map(|hand| hand.counts.as_ref().map_or("-".into(), value))
                .map(|cell| format!("{cell:>12}"))
                .collect();
            let _infallible = writeln!(self.text, "{name:28}{}", cells.concat());
        }
        self.text.push('\n');
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text.trim_end())?;
        let conclusion = if self.violated { "Violated: see above." } else { "All laws were kept." };
        write!(f, "\n{conclusion}")
    }
}

fn sum(counts: &[(&str, Counts)]) -> Counts {
    let mut all = Counts::default();
    for (_, count) in counts {
        all.absorb(count);
    }
    all
}
