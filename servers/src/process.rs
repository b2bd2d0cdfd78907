//! A process of a server: its output goes to a file, it is ended by its pid.

use crate::error::{Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How many bytes of the output an error shows.
const LAST_WORDS: usize = 4000;

/// A running process. SIGKILL ends it when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    output: PathBuf,
    shared: bool,
}

impl Process {
    /// Starts the command. `package` is what brings the program, for the error if it is missing. `faked` says that
    /// libfaketime is in the process: it leaves files in `/dev/shm` when it is killed, named for the pid.
    pub(crate) fn start(mut command: Command, package: &str, output: &Path, faked: bool) -> Result<Self> {
        let file = File::create(output)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy();
            if error.kind() == ErrorKind::NotFound {
                Error::new(format!("`{program}` is missing: install it (Debian, Ubuntu: `apt-get install {package}`)"))
            } else {
                Error::new(format!("`{program}` cannot be started: {error}"))
            }
        })?;
        Ok(Self { child, output: output.into(), shared: faked })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails if the process has exited.
    pub(crate) fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(Error::new(format!("it has exited ({status}){}", self.last_words()))),
        }
    }

    /// The end of the output, for an error.
    pub(crate) fn last_words(&self) -> String {
        let bytes = fs::read(&self.output).unwrap_or_default();
        let last = &bytes[bytes.len().saturating_sub(LAST_WORDS)..];
        format!("; its output:\n{}", String::from_utf8_lossy(last))
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).map_err(|error| Error::new(error.to_string()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that the process has exited already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
        if self.shared {
            for name in ["faketime_shm_", "sem.faketime_sem_"] {
                let _never_made = fs::remove_file(format!("/dev/shm/{name}{}", self.child.id()));
            }
        }
    }
}
