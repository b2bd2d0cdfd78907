//! A memcached server of the example's own. It is started on a free loopback port, and killed when it is dropped.
//!
//! Ctrl-C at a terminal reaches the server as well. The server is left behind only if the example alone is killed, with
//! no time to clean up.

use crate::store::{self, Memcached};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to answer after its start.
const START: Duration = Duration::from_secs(5);

/// How many ports are tried, since another process may take a free port first.
const PORTS: u32 = 5;

const INSTALL: &str = "\
    Install it (Debian, Ubuntu: `apt-get install memcached`; macOS: `brew install memcached`), name the binary with \
    `--memcached <PROGRAM>`, or give the address of a server that runs with `--server <ADDRESS:PORT>`.";

/// A running server.
pub struct Server {
    program: OsString,
    address: SocketAddr,
    /// `None` between a kill and a restart.
    process: Option<Child>,
}

impl Server {
    /// Starts a server on a free loopback port. Blocks until it answers.
    pub fn start(program: &OsStr) -> Result<Self, String> {
        let mut tried = 1;
        loop {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
            let address = free.map_err(|error| format!("there is no free loopback port: {error}"))?;
            match launch(program, address) {
                Ok(process) => return Ok(Self { program: program.to_owned(), address, process: Some(process) }),
                Err(Launch::NoProgram(error)) => return Err(error),
                Err(Launch::NoAnswer(error)) if tried == PORTS => return Err(error),
                Err(Launch::NoAnswer(_)) => tried += 1,
            }
        }
    }

    /// The address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills the server, and with it all that it has stored. Returns when the server is gone.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            end(process);
        }
    }

    /// Starts the server again, on the same port. Blocks until it answers.
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill();
        let give_up = Instant::now() + START;
        loop {
            match launch(&self.program, self.address) {
                Ok(process) => {
                    self.process = Some(process);
                    return Ok(());
                }
                // The port may be in use for a moment: a client's connection may be given this port as its own end.
                Err(Launch::NoAnswer(_)) if Instant::now() < give_up => thread::sleep(Duration::from_millis(50)),
                Err(Launch::NoAnswer(error) | Launch::NoProgram(error)) => return Err(error),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

enum Launch {
    NoProgram(String),
    NoAnswer(String),
}

fn launch(program: &OsStr, address: SocketAddr) -> Result<Child, Launch> {
    let mut process = Command::new(program)
        .args(["-l", &address.ip().to_string(), "-p", &address.port().to_string(), "-U", "0"])
        .args(["-u", "nobody"]) // memcached wants this of root, and ignores it otherwise
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Launch::NoProgram(cannot_start(program, &error)))?;
    match wait_for(&mut process, address) {
        Ok(()) => Ok(process),
        Err(error) => {
            let said = last_words(process);
            Err(Launch::NoAnswer(format!("{} at {address}: {error}; {said}", program.to_string_lossy())))
        }
    }
}

fn cannot_start(program: &OsStr, error: &io::Error) -> String {
    let program = program.to_string_lossy();
    if error.kind() == ErrorKind::NotFound {
        format!("there is no memcached: `{program}` was not found.\n{INSTALL}")
    } else {
        format!("`{program}` cannot be started: {error}.\n{INSTALL}")
    }
}

/// Blocks until the server answers, has exited or is too slow.
fn wait_for(process: &mut Child, address: SocketAddr) -> Result<(), String> {
    let give_up = Instant::now() + START;
    while Instant::now() < give_up {
        if let Ok(Some(status)) = process.try_wait() {
            return Err(format!("exited at once ({status})"));
        }
        if TcpStream::connect_timeout(&address, store::CONNECT).is_ok() {
            return version(address).map(drop);
        }
        thread::sleep(Duration::from_millis(5));
    }
    Err(format!("does not listen after {START:?}"))
}

/// The version of the memcached at this address. Blocks for the client's patience at most.
pub fn version(address: SocketAddr) -> Result<String, String> {
    let answer = Memcached::new(address, 1).and_then(|memcached| memcached.version());
    answer.map_err(|error| format!("no memcached answers at {address}: {error}"))
}

fn end(mut process: Child) {
    // An error means that the server has exited already.
    let _gone = process.kill();
    let _gone = process.wait();
}

fn last_words(mut process: Child) -> String {
    let _gone = process.kill();
    let mut said = String::new();
    let _unread = process.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
    end(process);
    if said.trim().is_empty() { "it said nothing".into() } else { format!("it said: {}", said.trim()) }
}
