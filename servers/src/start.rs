//! What all servers are started with.

use crate::error::Result;
use std::process::Command;

/// How many ports are tried, since another process may take a free port first.
const PORTS: u32 = 5;

/// A program, its arguments, and its clock.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    program: String,
    arguments: Vec<String>,
    pub(crate) fake_time: bool,
}

impl Start {
    /// The program of this name on the PATH.
    pub(crate) fn new(program: &str) -> Self {
        Self { program: program.into(), arguments: Vec::new(), fake_time: false }
    }

    pub(crate) fn add<A: Into<String>>(&mut self, arguments: impl IntoIterator<Item = A>) {
        self.arguments.extend(arguments.into_iter().map(Into::into));
    }

    pub(crate) fn run_instead(&mut self, program: &str) {
        self.program = program.into();
    }

    /// Returns the command that runs the program, without arguments.
    pub(crate) fn command(&self) -> Command {
        Command::new(&self.program)
    }

    /// Returns the arguments, which come last.
    pub(crate) fn arguments(&self) -> &[String] {
        &self.arguments
    }
}

/// The methods that all builders have, whose field `start` is a [`Start`].
macro_rules! start_methods {
    (program: $program:literal, arguments: $arguments:literal) => {
        #[doc = concat!("More arguments, such as ", $arguments)]
        #[must_use]
        pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
            self.start.add(arguments);
            self
        }

        #[doc = concat!("The program, if it is not the `", $program, "` on the PATH.")]
        #[must_use]
        pub fn program(mut self, program: &str) -> Self {
            self.start.run_instead(program);
            self
        }
    };
}

/// The methods that all servers have, whose field `process` is an `Option<Process>`.
macro_rules! process_methods {
    () => {
        /// Whether the server runs, or is stopped by SIGSTOP: it has not been killed.
        #[must_use]
        pub fn is_up(&self) -> bool {
            self.process.is_some()
        }

        /// The pid of the server.
        ///
        /// # Panics
        ///
        /// If the server was killed.
        #[must_use]
        pub fn pid(&self) -> u32 {
            self.process.as_ref().expect("the server was killed").pid()
        }

        fn running(&self) -> $crate::error::Result<&$crate::process::Process> {
            self.process.as_ref().ok_or_else(|| $crate::error::Error::new("the server was killed"))
        }
    };
}

pub(crate) use {process_methods, start_methods};

/// Launches a server; on other ports, as long as another process has taken one of them.
pub(crate) fn on_free_ports<S>(
    mut server: S,
    launch: impl Fn(&mut S) -> Result<()>,
    find_others: impl Fn(&mut S) -> Result<()>,
) -> Result<S> {
    for _ in 1..PORTS {
        match launch(&mut server) {
            Err(error) if error.to_string().contains("Address already in use") => find_others(&mut server)?,
            other => return other.map(|()| server),
        }
    }
    launch(&mut server).map(|()| server)
}
