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

/// What ends a run early; from a task, too.
pub type Trouble = Box<dyn Error + Send + Sync>;

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    /// What the clients have seen.
    pub answers: load::Answers,
    /// What the server has.
    pub server: server::Counts,
    /// What the upstream has.
    pub upstream: upstream::Seen,
    /// What the plain thread has.
    pub auditor: auditor::Seen,
    /// From before the first access until the last one had ended.
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

/// Whether it has shown what it is to show.
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
    // The first to ask is the thread: when this returns it creates, and the first requests wait for it.
    let auditor = Auditor::start(&source)?;
    let (answers, server) = runtime.block_on(async {
        let server = Server::start(Arc::clone(&source)).await?;
        let answers = load::run(server.address(), options).await?;
        Ok::<_, Trouble>((answers, server.counts()))
    })?;
    // The clients have gone, the server goes with its runtime.
    drop(runtime);
    let auditor = auditor.stop();
    Ok(Ran { answers, server, upstream: source.upstream().seen(), auditor, elapsed: begun.elapsed() })
}
