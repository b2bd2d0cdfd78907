//! A `memcached` of the test's own.

use crate::error::{Error, PATIENCE, Result, wait_for};
use crate::process::Process;
use crate::start::{Start, on_free_ports, process_methods, start_methods};
use crate::text::{TextClient, TextReply};
use crate::time::{FakeTime, Pace};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// What a [`MemcachedServer`] is started with. Without more: a free port, 64 MB, items of 1 MB, four threads.
#[derive(Clone, Debug)]
pub struct MemcachedBuilder {
    start: Start,
    unix_socket: bool,
}

impl MemcachedBuilder {
    start_methods! {
        program: "memcached",
        arguments: "`[\"-M\"]`, by which a full server refuses and evicts nothing."
    }

    /// The memory for items, in megabytes. A full server evicts the items that were used least.
    #[must_use]
    pub fn memory(self, megabytes: u32) -> Self {
        self.args(["-m".to_owned(), megabytes.to_string()])
    }

    /// The largest item, in kilobytes, with its key and header. 512 at least: with smaller items, which need smaller
    /// chunks, memcached 1.6.18 closes connections in the middle of a store.
    #[must_use]
    pub fn largest_item(self, kilobytes: u32) -> Self {
        self.args(["-I".to_owned(), format!("{kilobytes}k")])
    }

    /// The number of threads that serve connections.
    #[must_use]
    pub fn threads(self, threads: u32) -> Self {
        self.args(["-t".to_owned(), threads.to_string()])
    }

    /// Listens on a unix socket ([`MemcachedServer::unix_socket`]), and on no port.
    #[must_use]
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// A clock that stands still, but for [`MemcachedServer::advance`]. Needs libfaketime.
    ///
    /// The server counts whole seconds: by a clock that goes on, what is to live for nine seconds more might be gone
    /// after eight.
    #[must_use]
    pub fn fake_time(mut self) -> Self {
        self.start.fake_time = true;
        self
    }

    /// Starts the server. Blocks until it answers `stats`, 10 s at most.
    pub fn start(self) -> Result<MemcachedServer> {
        let directory = tempfile::Builder::new().prefix("dogpile-memcached-").tempdir()?;
        let fake_time = self.start.fake_time.then(|| FakeTime::new(directory.path(), Pace::Stands)).transpose()?;
        let server = MemcachedServer { with: self, directory, port: free_port()?, fake_time, process: None };
        on_free_ports(server, MemcachedServer::launch, |server| {
            server.port = free_port()?;
            Ok(())
        })
    }
}

/// A free port, as the system names it.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A running `memcached` on 127.0.0.1. SIGKILL ends it when it is dropped, and its directory is removed.
#[derive(Debug)]
pub struct MemcachedServer {
    with: MemcachedBuilder,
    port: u16,
    fake_time: Option<FakeTime>,
    /// `None` between a kill and a restart.
    process: Option<Process>,
    /// Declared after the process: it is dropped later.
    directory: TempDir,
}

impl MemcachedServer {
    /// What a server can be started with.
    #[must_use]
    pub fn builder() -> MemcachedBuilder {
        MemcachedBuilder { start: Start::new("memcached"), unix_socket: false }
    }

    /// Starts a server on a free port. Blocks until it answers `stats`, 10 s at most.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// The address for clients. It stays the same over restarts. A server with a unix socket does not listen there.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The URL for clients.
    #[must_use]
    pub fn url(&self) -> String {
        match self.unix_socket() {
            Some(path) => format!("memcached+unix://{}", path.display()),
            None => format!("memcached://{}", self.address()),
        }
    }

    /// The path of the unix socket, if the server was started with one.
    #[must_use]
    pub fn unix_socket(&self) -> Option<PathBuf> {
        self.with.unix_socket.then(|| self.directory.path().join("memcached.sock"))
    }

    process_methods!();

    /// A connection of its own to the server. Each wait of it is bounded by 10 s.
    pub fn client(&self) -> Result<TextClient> {
        match self.unix_socket() {
            Some(path) => TextClient::connect_to_path(&path, PATIENCE),
            None => TextClient::connect(self.address(), PATIENCE),
        }
    }

    /// Sends a line on a new connection, and blocks until its reply. An error as a reply is `Err` too, so that none is
    /// passed over.
    pub fn command(&self, line: impl AsRef<[u8]>) -> Result<TextReply> {
        no_error(self.client()?.command(line)?)
    }

    /// Stores an item by an `ms` on a new connection. `flags` are such as `"T60"`, or empty.
    pub fn store(&self, key: &str, value: impl AsRef<[u8]>, flags: &str) -> Result<TextReply> {
        let line = format!("ms {key} {} {flags}", value.as_ref().len());
        no_error(self.client()?.store(line.trim_end(), value)?)
    }

    /// The value of a statistic, such as `curr_items`.
    pub fn stat(&self, name: &str) -> Result<String> {
        let stats = self.client()?.stats("")?;
        let found = stats.into_iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value).ok_or_else(|| Error::new(format!("there is no statistic {name}")))
    }

    /// The value of a statistic that is a number.
    pub fn count(&self, name: &str) -> Result<u64> {
        self.stat(name)?.parse().map_err(|_| Error::new(format!("the statistic {name} is no number")))
    }

    /// Removes all items.
    pub fn flush(&self) -> Result<()> {
        self.command("flush_all").map(drop)
    }

    /// Stops the process by SIGSTOP: connections stay open, and nothing is answered. Returns when the process is
    /// stopped.
    pub fn stop(&self) -> Result<()> {
        self.running()?.stop()
    }

    /// Lets a stopped process go on, by SIGCONT. Blocks until it answers.
    pub fn go_on(&self) -> Result<()> {
        self.running()?.go_on()?;
        self.command("mn").map(drop)
    }

    /// Kills the server by SIGKILL, and with it all items. Returns when the process is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Kills the server, if it runs, and starts it at the same address, empty. Blocks until it answers.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        // A client's connection may have been given the port as its own end meanwhile: it is awaited.
        wait_for("a restart on the same port", PATIENCE, || self.launch().map(|()| true))
    }

    /// Moves the server's clock forwards. Returns when the server's `uptime` shows it: all that was to live so long is
    /// over, and nothing else.
    ///
    /// Whole seconds; a rest is kept for the next move. The server reads its clock whenever it accepts a connection, so
    /// that a look makes it tick.
    pub fn advance(&self, by: Duration) -> Result<()> {
        let clock = self.fake_time.as_ref().ok_or_else(|| Error::new("the server was started without fake_time()"))?;
        let ms = i64::try_from(by.as_millis()).map_err(|_| Error::new("too far"))?;
        let until = self.count("uptime")? + by.as_secs();
        clock.step(ms, |_| Ok(self.count("uptime")? >= until))
    }

    /// Starts the process. Blocks until it answers; another server at the port does not count.
    fn launch(&mut self) -> Result<()> {
        let output = self.directory.path().join("output");
        let mut process = Process::start(self.to_run(), "memcached", &output, self.fake_time.is_some())?;
        let answers = wait_for("memcached answers", PATIENCE, || {
            if process.still_runs().is_err() {
                return Ok(true);
            }
            Ok(self.stat("pid")? == process.pid().to_string())
        });
        process.still_runs()?;
        answers.map_err(|error| Error::new(format!("{error}{}", process.last_words())))?;
        self.process = Some(process);
        Ok(())
    }

    fn to_run(&self) -> Command {
        let mut command = self.with.start.command();
        // The user matters to root alone, whom memcached refuses otherwise. The directory is the starter's.
        command.args(["-u", "root"]);
        match self.unix_socket() {
            Some(path) => command.arg("-s").arg(path),
            None => command.args(["-l", "127.0.0.1", "-U", "0", "-p", &self.port.to_string()]),
        };
        if let Some(fake_time) = &self.fake_time {
            command.envs(fake_time.environment());
        }
        command.args(self.with.start.arguments());
        command
    }
}

fn no_error(reply: TextReply) -> Result<TextReply> {
    if ["ERROR", "CLIENT_ERROR", "SERVER_ERROR"].contains(&reply.line.split(' ').next().unwrap_or_default()) {
        return Err(Error::new(reply.line));
    }
    Ok(reply)
}
