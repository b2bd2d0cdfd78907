//! A `redis-server` of the test's own.

use crate::error::{Error, PATIENCE, Result, wait_for};
use crate::process::Process;
use crate::resp::{Client, Value};
use crate::start::{Start, on_free_ports, process_methods, start_methods};
use crate::time::{FakeTime, Pace};
use crate::tls::Certificates;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// What a [`RedisServer`] is started with. Without more: a free port, an empty store that is never saved, no password.
#[derive(Clone, Debug)]
pub struct Builder {
    start: Start,
    kind: Kind,
    password: Option<String>,
    tls: bool,
    unix_socket: bool,
}

/// What the server is.
#[derive(Clone, Debug)]
enum Kind {
    /// A store by itself, or a replica.
    Store,
    /// A node of a cluster.
    Node,
    /// A Sentinel, with the lines of a configuration file that it rewrites itself.
    Sentinel(String),
}

impl Builder {
    start_methods! {
        program: "redis-server",
        arguments: "`[\"--maxmemory\", \"2mb\"]`."
    }

    /// A password of the default user. [`RedisServer::command`] and [`RedisServer::url`] use it.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.into());
        self.args(["--requirepass", password, "--masterauth", password])
    }

    /// A user with rules as `ACL SETUSER` takes them, such as `"app on >secret ~app:* resetchannels +@all"`.
    #[must_use]
    pub fn user(self, rules: &str) -> Self {
        self.args(["--user"]).args(rules.split_whitespace())
    }

    /// Listens with TLS on a second port ([`RedisServer::tls_port`]), by new [`RedisServer::certificates`].
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Listens on a unix socket as well ([`RedisServer::unix_socket`]).
    #[must_use]
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// A replica of the server on this port.
    #[must_use]
    pub fn replica_of(self, port: u16) -> Self {
        self.args(["--replicaof".into(), Ipv4Addr::LOCALHOST.to_string(), port.to_string()])
    }

    /// A node of a cluster, with a second port for its bus.
    #[must_use]
    pub fn cluster(mut self) -> Self {
        self.kind = Kind::Node;
        self
    }

    /// A clock that [`RedisServer::step`] and [`RedisServer::advance`] move. Needs libfaketime.
    #[must_use]
    pub fn fake_time(mut self) -> Self {
        self.start.fake_time = true;
        self
    }

    /// A Sentinel with these lines of configuration.
    pub(crate) fn sentinel(mut self, config: String) -> Self {
        self.kind = Kind::Sentinel(config);
        self
    }

    /// Starts the server. Blocks until it answers PING, 10 s at most.
    pub fn start(self) -> Result<RedisServer> {
        let directory = tempfile::Builder::new().prefix("dogpile-redis-").tempdir()?;
        let fake_time = self.start.fake_time.then(|| FakeTime::new(directory.path(), Pace::Flows)).transpose()?;
        let certificates = self.tls.then(Certificates::make).transpose()?;
        let server =
            RedisServer { with: self, directory, ports: free_ports()?, fake_time, certificates, process: None };
        on_free_ports(server, RedisServer::launch, |server| {
            server.ports = free_ports()?;
            Ok(())
        })
    }
}

/// The ports of a server: for clients, and for TLS or for the bus of a cluster.
#[derive(Clone, Copy, Debug)]
struct Ports {
    clients: u16,
    second: u16,
}

/// Free ports, as the system names them; both at once, so that they differ.
fn free_ports() -> Result<Ports> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (clients, second) = (bind()?, bind()?);
    Ok(Ports { clients: clients.local_addr()?.port(), second: second.local_addr()?.port() })
}

/// The data of a server at a moment: its `dump.rdb`.
#[derive(Clone, Debug)]
pub struct Snapshot(Vec<u8>);

/// A running `redis-server` on 127.0.0.1. SIGKILL ends it when it is dropped, and its directory is removed.
#[derive(Debug)]
pub struct RedisServer {
    with: Builder,
    ports: Ports,
    pub(crate) fake_time: Option<FakeTime>,
    certificates: Option<Certificates>,
    /// `None` between a kill and a restart.
    process: Option<Process>,
    /// Declared after the process: it is dropped later.
    directory: TempDir,
}

impl RedisServer {
    /// What a server can be started with.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { start: Start::new("redis-server"), kind: Kind::Store, password: None, tls: false, unix_socket: false }
    }

    /// Starts a server on a free port. Blocks until it answers PING, 10 s at most.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// The port for clients, without TLS. It stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.clients
    }

    /// The address for clients, without TLS.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// The URL for clients, without TLS; with the password, if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.with.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{password}{}", self.address())
    }

    /// The port for TLS, if the server was started with it.
    #[must_use]
    pub fn tls_port(&self) -> Option<u16> {
        self.with.tls.then_some(self.ports.second)
    }

    /// What the server shows over TLS, and the root to trust.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// The path of the unix socket, if the server was started with one.
    #[must_use]
    pub fn unix_socket(&self) -> Option<PathBuf> {
        self.with.unix_socket.then(|| self.directory.path().join("redis.sock"))
    }

    /// The port of a cluster's bus, if the server is a node.
    pub(crate) fn bus_port(&self) -> u16 {
        self.ports.second
    }

    process_methods!();

    /// A connection of its own to the server, logged in. Each wait of it is bounded by 10 s.
    pub fn client(&self) -> Result<Client> {
        let mut client = Client::connect(self.address(), PATIENCE)?;
        if let Some(password) = &self.with.password {
            client.command(&["AUTH", password])?.no_error()?;
        }
        Ok(client)
    }

    /// Runs a command on a new connection. An error as a reply is `Err` too, so that none is passed over.
    pub fn command<W: AsRef<[u8]>>(&self, words: &[W]) -> Result<Value> {
        let name = || words.first().map(|word| String::from_utf8_lossy(word.as_ref()).into_owned()).unwrap_or_default();
        let reply = self.client().and_then(|mut client| client.command(words)?.no_error());
        reply.map_err(|error| Error::new(format!("{} at {}: {error}", name(), self.address())))
    }

    /// The value of a field of INFO, such as `role`.
    pub fn info(&self, field: &str) -> Result<String> {
        let info = self.command(&["INFO", "everything"])?;
        find(info.text().unwrap_or_default(), field)
    }

    /// Removes all keys of all databases.
    pub fn flush(&self) -> Result<()> {
        self.command(&["FLUSHALL", "SYNC"]).map(drop)
    }

    /// Closes all connections of clients, subscribed ones as well.
    pub fn kill_clients(&self) -> Result<()> {
        let mut client = self.client()?;
        for kind in ["normal", "pubsub"] {
            client.command(&["CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"])?.no_error()?;
        }
        Ok(())
    }

    /// Stops the process by SIGSTOP: connections stay open, and nothing is answered. Returns when the process is
    /// stopped.
    pub fn stop(&self) -> Result<()> {
        self.running()?.stop()
    }

    /// Lets a stopped process go on, by SIGCONT. Blocks until it answers.
    pub fn go_on(&self) -> Result<()> {
        self.running()?.go_on()?;
        self.command(&["PING"]).map(drop)
    }

    /// Kills the server by SIGKILL, and with it all that is not saved. Returns when the process is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Kills the server, if it runs, and starts it on the same port with nothing in it. Blocks until it answers.
    pub fn restart_empty(&mut self) -> Result<()> {
        self.kill();
        match fs::remove_file(self.dump()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => self.relaunch(),
        }
    }

    /// Kills the server, if it runs, and starts it on the same port with the data of a snapshot. Blocks until it
    /// answers.
    pub fn restart_from(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.kill();
        fs::write(self.dump(), &snapshot.0)?;
        self.relaunch()
    }

    /// Saves the data, and returns them.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.command(&["SAVE"])?;
        Ok(Snapshot(fs::read(self.dump())?))
    }

    fn dump(&self) -> PathBuf {
        self.directory.path().join("dump.rdb")
    }

    /// A client's connection may have been given the port as its own end meanwhile: it is awaited.
    fn relaunch(&mut self) -> Result<()> {
        wait_for("a restart on the same port", PATIENCE, || self.launch().map(|()| true))
    }

    /// Starts the process. Blocks until it answers; another server at the port does not count.
    fn launch(&mut self) -> Result<()> {
        let output = self.directory.path().join("output");
        let mut process = Process::start(self.to_run()?, "redis-server", &output, self.fake_time.is_some())?;
        let answers = wait_for("redis-server answers", PATIENCE, || {
            if process.still_runs().is_err() {
                return Ok(true);
            }
            self.command(&["PING"])?;
            Ok(self.info("process_id")? == process.pid().to_string())
        });
        process.still_runs()?;
        answers.map_err(|error| Error::new(format!("{error}{}", process.last_words())))?;
        self.process = Some(process);
        Ok(())
    }

    fn to_run(&self) -> Result<Command> {
        let mut command = self.with.start.command();
        let directory = self.directory.path();
        let second = self.ports.second.to_string();
        if let Kind::Sentinel(config) = &self.with.kind {
            let path = directory.join("sentinel.conf");
            fs::write(&path, config)?;
            command.arg(path).arg("--sentinel");
        } else {
            command.args(["--save", "", "--appendonly", "no"]);
        }
        command.args(["--bind", "127.0.0.1", "--port", &self.port().to_string(), "--dir"]).arg(directory);
        if let Some(certificates) = &self.certificates {
            command.args(["--tls-port", &second]).args(certificates.write(directory)?);
        }
        if let Some(path) = self.unix_socket() {
            command.arg("--unixsocket").arg(path);
        }
        if matches!(self.with.kind, Kind::Node) {
            command.args(["--cluster-enabled", "yes", "--cluster-port", &second]);
        }
        if let Some(fake_time) = &self.fake_time {
            command.envs(fake_time.environment());
        }
        command.args(self.with.start.arguments());
        Ok(command)
    }
}

/// The value of `field` in the lines `field:value` of INFO and CLUSTER INFO.
pub(crate) fn find(lines: &str, field: &str) -> Result<String> {
    let value = lines.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.map(Into::into).ok_or_else(|| Error::new(format!("there is no field {field}")))
}
