//! A small HTTP server whose handlers share one `Cached` with a plain thread: tasks and threads over a slow upstream.
//!
//! `cargo run --release -p example-axum`, and `-- --help` for the options. With `--no-lock` it shows what happens
//! without the lock.

mod auditor;
mod load;
mod options;
mod rates;
mod report;
mod server;
mod upstream;
mod verdict;

use crate::auditor::Auditor;
use crate::options::Options;
use crate::rates::Source;
use crate::server::Server;
use example_common::chain;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

/// The error that ends a run early. It may come from a task.
pub type Trouble = Box<dyn Error + Send + Sync>;

/// The result of a run.
#[derive(Debug)]
pub struct Ran {
    /// The answers that the clients got.
    pub answers: load::Answers,
    /// The counts of the server.
    pub server: server::Counts,
    /// The counts of the upstream.
    pub upstream: upstream::Seen,
    /// The counts of the plain thread.
    pub auditor: auditor::Seen,
    /// The time from before the first access until the last one had ended.
    pub elapsed: Duration,
}

fn main() -> ExitCode {
    match run(&Options::of_command_line()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("axum: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Runs the example. Returns whether the run has shown what the example is about.
fn run(options: &Options) -> Result<bool, Trouble> {
    println!("{}\n", report::heading(options));
    let ran = ran(options)?;
    println!("{}\n", report::table(&ran));
    if options.no_lock {
        let shown = ran.upstream.most_at_once > 1;
        println!(
            "{}",
            if shown { "This is what the lock prevents." } else { "One at a time, this time. It was luck." }
        );
        return Ok(shown);
    }
    let verdict = verdict::judge(&ran, options);
    println!("{verdict}");
    Ok(verdict.is_clean())
}

fn ran(options: &Options) -> Result<Ran, Trouble> {
    let source = Arc::new(Source::new(options));
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let begun = Instant::now();
    // The thread is the first to ask. When `start` returns the thread creates, and the first requests wait for it.
    let auditor = Auditor::start(&source)?;
    let (answers, server) = runtime.block_on(async {
        let server = Server::start(Arc::clone(&source)).await?;
        let answers = load::run(server.address(), options).await?;
        Ok::<_, Trouble>((answers, server.counts()))
    })?;
    // The clients have gone. The server goes with its runtime.
    drop(runtime);
    let auditor = auditor.stop();
    Ok(Ran { answers, server, upstream: source.upstream().seen(), auditor, elapsed: begun.elapsed() })
}
