//! The child process of `--no-lock`, seen from its parent. The child may be killed; the parent survives to report it.

use crate::load::{Tally, Trouble};
use crate::options::Options;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};

/// How the child ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// The counts that the child has reported.
    pub tally: Tally,
    /// Whether the child was killed for a read beyond the end of the file.
    pub sigbus: bool,
}

impl End {
    /// Whether the child has met the failure that the lock prevents.
    pub fn is_failure(&self) -> bool {
        self.sigbus || self.tally.torn() > 0
    }
}

/// The child process. It is killed when its parent drops this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that the child has exited already.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// Runs the child. Blocks until the child has ended. Returns an error if it has ended in an unexpected way.
pub fn run(options: &Options) -> Result<End, Trouble> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(options.for_child()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = Running(command.spawn().map_err(|error| format!("cannot start the child process: {error}"))?);
    let mut tally = Tally::default();
    if let Some(output) = child.0.stdout.take() {
        for line in BufReader::new(output).lines() {
            tally = line?.parse()?;
        }
    }
    let status = child.0.wait()?;
    let sigbus = is_sigbus(status);
    if !status.success() && !sigbus {
        return Err(format!("the child process failed ({status})").into());
    }
    Ok(End { tally, sigbus })
}

#[cfg(unix)]
fn is_sigbus(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(rustix::process::Signal::BUS.as_raw())
}

#[cfg(not(unix))]
fn is_sigbus(_: ExitStatus) -> bool {
    false
}

/// Called in the child, so that a death on purpose leaves no core file behind.
#[cfg(unix)]
pub fn leave_no_core() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let none = Rlimit { current: Some(0), ..getrlimit(Resource::Core) };
    // A process may always lower its limits.
    let _lowered = setrlimit(Resource::Core, none);
}

#[cfg(not(unix))]
pub fn leave_no_core() {}
