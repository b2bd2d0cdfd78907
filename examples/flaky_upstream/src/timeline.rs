//! The printed timeline: the mood of the upstream, its calls, and the reads.

use crate::readers::{Ran, STEP};
use crate::upstream::{Call, Mood, Upstream};

/// The number of calls that are drawn one by one. Further calls are only counted.
const DRAWN: usize = 12;

fn draw(calls: &[Call]) -> String {
    let mark = |call: &Call| match call.mood {
        Mood::Answers => '+',
        Mood::Fails => 'x',
        Mood::Hangs => '?',
    };
    let drawn: String = calls.iter().take(DRAWN).map(mark).collect();
    match calls.len().saturating_sub(DRAWN) {
        0 => drawn,
        more => format!("{drawn} +{more}"),
    }
}

/// A row for each step of time.
pub fn picture(ran: &Ran, upstream: &Upstream) -> String {
    let calls = upstream.calls();
    let mut rows = vec![format!(
        "{:>6}  {:<10}{:<18}{:>8}{:>8}{:>8}{:>9}",
        "s", "upstream", "calls", "fresh", "stale", "errors", "oldest"
    )];
    let mut from = std::time::Duration::ZERO;
    for step in &ran.steps {
        let until = from + STEP;
        let within: Vec<_> = calls.iter().filter(|call| (from..until).contains(&call.at)).copied().collect();
        let mood = match upstream.mood(from).0 {
            Mood::Answers => "answers",
            Mood::Fails => "fails",
            Mood::Hangs => "hangs",
        };
        rows.push(format!(
            "{:>6.2}  {mood:<10}{:<18}{:>8}{:>8}{:>8}{:>6} ms",
            from.as_secs_f64(),
            draw(&within),
            step.fresh,
            step.stale,
            step.errors,
            step.oldest.as_millis()
        ));
        from = until;
    }
    rows.push("(+ a call that was answered, x one that failed, ? one that hangs)".into());
    rows.join("\n")
}
