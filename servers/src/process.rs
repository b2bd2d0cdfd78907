//! A process of a server: its output goes to a file, it is ended by its pid.
//!
//! # When the test is killed
//!
//! A test that is killed drops nothing. On Linux the kernel ends its servers then: `setpriv` of util-linux asks for
//! that, and becomes the server. The kernel takes the *thread* that has started a process for its parent, and ends the
//! process with that thread. So all servers are started by one thread, which lives as long as the test's process.
//! Elsewhere, or without `setpriv`, the servers of a test that is killed stay. Their directories stay in any case.

use crate::error::{Error, PATIENCE, Result, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

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
    pub(crate) fn start(command: Command, package: &str, output: &Path, faked: bool) -> Result<Self> {
        let file = File::create(output)?;
        let program = command.get_program().to_string_lossy().into_owned();
        if !is_there(&program) {
            let install = format!("install it (Debian, Ubuntu: `apt-get install {package}`)");
            return Err(Error::new(format!("`{program}` is missing: {install}")));
        }
        let mut command = ending_with_its_starter(command);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = spawn(command).map_err(|error| Error::new(format!("`{program}` cannot be started: {error}")))?;
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

    /// Stops the process by SIGSTOP. Returns when it is stopped.
    pub(crate) fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        let stat = format!("/proc/{}/stat", self.pid());
        if !Path::new("/proc/self/stat").exists() {
            return Ok(());
        }
        // The state comes after the name, which is in parentheses.
        wait_for("the process is stopped", PATIENCE, || {
            Ok(fs::read_to_string(&stat)?.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T')))
        })
    }

    /// Lets a stopped process go on, by SIGCONT.
    pub(crate) fn go_on(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Stops the process and its children by SIGSTOP. Returns when all of them are stopped.
    pub(crate) fn stop_all(&self) -> Result<()> {
        self.stop()?;
        // A process that is stopped has no more children.
        for child in self.children()? {
            // An error means that the child has exited.
            let _gone = kill_process(child, Signal::STOP);
        }
        Ok(())
    }

    /// Lets the process and its children go on, by SIGCONT.
    pub(crate) fn go_on_all(&self) -> Result<()> {
        for child in self.children()? {
            let _gone = kill_process(child, Signal::CONT);
        }
        self.go_on()
    }

    /// Ends the process by a signal, whether it is stopped or not. Returns when it is gone; after 10 s by SIGKILL.
    pub(crate) fn end_by(&mut self, signal: Signal) {
        let _gone = self.signal(signal);
        let _gone = self.go_on_all();
        let _is_gone = wait_for("the process ends", PATIENCE, || Ok(self.child.try_wait()?.is_some()));
    }

    fn children(&self) -> Result<Vec<Pid>> {
        let mut children = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            // The parent comes after the name, which is in parentheses, and the state.
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
            if parent == Some(self.pid()) {
                children.extend(Pid::from_raw(pid));
            }
        }
        Ok(children)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
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

/// Whether there is such a program on the PATH, or at this absolute path. (`setpriv` starts in any case.)
fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Returns the same command, whose process ends with the thread that starts it, where `setpriv` can say so.
fn ending_with_its_starter(command: Command) -> Command {
    static CAN: LazyLock<bool> = LazyLock::new(|| {
        let tried = Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    });
    if !*CAN {
        return command;
    }
    let mut all = Command::new("setpriv");
    all.args(["--pdeathsig", "KILL", "env"]);
    // By `env`, so that libfaketime is in the server alone. All three are one process, one after the other.
    for (name, value) in command.get_envs() {
        let mut variable = name.to_owned();
        variable.push("=");
        variable.push(value.unwrap_or_default());
        all.arg(variable);
    }
    all.arg(command.get_program()).args(command.get_args());
    all
}

/// Starts the command, by the thread that starts all of them.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, Sender<io::Result<Child>>);
    static STARTER: LazyLock<Sender<Order>> = LazyLock::new(|| {
        let (order, ordered) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, started) in ordered {
                let _is_awaited = started.send(command.spawn());
            }
        });
        order
    });
    let (tell, started) = channel();
    STARTER.send((command, tell)).expect("the thread lives as long as the process");
    started.recv().expect("the thread lives as long as the process")
}
