//! The printed report.

use crate::Ran;
use crate::load::End;
use crate::options::{IMPATIENT, LATENCY, LIFETIME, Options, PATIENCE};
use hdrhistogram::Histogram;

/// Describes the run that is about to begin.
pub fn heading(options: &Options) -> String {
    let lock = if options.no_lock { "WITHOUT the lock" } else { "which tasks and a thread share" };
    format!(
        "{} requests over {} connections, for rates that live {} ms, {lock};\n\
         the upstream takes {} ms; one request in {IMPATIENT} wants its answer within {} ms",
        options.requests,
        options.connections,
        LIFETIME.as_millis(),
        LATENCY.as_millis(),
        PATIENCE.as_millis(),
    )
}

/// The name of a kind of end, as the table has it.
fn name(end: End) -> &'static str {
    match end {
        End::Fresh => "fresh rates",
        End::Old => "old rates",
        End::Created => "asked upstream",
        End::Waited => "waited",
        End::OutOfTime => "out of time",
        End::Refused => "refused",
        End::Invalidated => "invalidated",
    }
}

/// Describes the run that has ended.
pub fn table(ran: &Ran) -> String {
    let mut lines = vec![line("requests", &["count", "p50", "p90", "p99", "p99.9", "max"].map(str::to_owned))];
    let mut all = Histogram::<u64>::new(3).expect("up to five digits are allowed");
    for (end, latencies) in &ran.answers {
        lines.push(latencies_of(name(*end), latencies));
        all.add(latencies).expect("it resizes itself");
    }
    lines.push(latencies_of("all", &all));
    let (upstream, server, auditor) = (ran.upstream, ran.server, ran.auditor);
    lines.extend([
        String::new(),
        format!(
            "upstream calls: {} for {} requests; {} by tasks, {} by the thread; {} at once at the most",
            upstream.calls(),
            all.len(),
            upstream.of_tasks,
            upstream.of_the_thread,
            upstream.most_at_once,
        ),
        format!(
            "of those: {} answered, {} refused, {} given up half-way",
            upstream.answered, upstream.refused, upstream.given_up
        ),
        format!("futures dropped, out of time: {}; invalidations: {}", server.dropped, server.invalidations),
        format!(
            "looks of the thread: {}, {} of them at rates that a task had asked for; {} in vain",
            auditor.looks, auditor.of_tasks, auditor.failed
        ),
    ]);
    lines.join("\n")
}

fn latencies_of(name: &str, latencies: &Histogram<u64>) -> String {
    let [p50, p90, p99, p999] =
        [0.5, 0.9, 0.99, 0.999].map(|quantile| milliseconds(latencies.value_at_quantile(quantile)));
    line(name, &[latencies.len().to_string(), p50, p90, p99, p999, milliseconds(latencies.max())])
}

fn line(name: &str, cells: &[String; 6]) -> String {
    cells.iter().fold(format!("{name:<15}"), |line, cell| format!("{line}{cell:>11}"))
}

#[allow(clippy::cast_precision_loss)] // three digits
fn milliseconds(nanoseconds: u64) -> String {
    format!("{:.2} ms", nanoseconds as f64 / 1e6)
}
