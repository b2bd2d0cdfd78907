//! A PostgreSQL server of the test's own.

use crate::error::{Error, PATIENCE, Result, wait_for};
use crate::postgres_files::{Owner, Template, bin, chown, owner};
use crate::process::Process;
use crate::start::{Start, on_free_ports, process_methods, start_methods};
use crate::time::{FakeTime, Pace};
use crate::tls::Certificates;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// The package that brings the programs.
const PACKAGE: &str = "postgresql";

/// What a [`PostgresServer`] is started with. Without more: a free port, an empty database `postgres`, trust, and no
/// waiting for the disk.
#[derive(Clone, Debug)]
pub struct PostgresBuilder {
    start: Start,
    tls: bool,
    largest_file: Option<u64>,
}

impl PostgresBuilder {
    start_methods! {
        program: "postgres",
        arguments: "`[\"-c\", \"max_connections=20\"]`."
    }

    /// A clock that [`PostgresServer::step`] and [`PostgresServer::advance`] move. Needs libfaketime.
    #[must_use]
    pub fn fake_time(mut self) -> Self {
        self.start.fake_time = true;
        self
    }

    /// Takes connections with TLS as well, by new [`PostgresServer::certificates`].
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// A disk that is full when a file has so many bytes: at least some megabytes, which the server needs itself. What
    /// is no multiple of a block is told as a disk that is full. Needs `prlimit`.
    #[must_use]
    pub fn largest_file(mut self, bytes: u64) -> Self {
        self.largest_file = Some(bytes);
        self
    }

    /// Starts the server. Blocks until it takes statements, 10 s at most; the first one of a process for as long as
    /// `initdb` takes as well, 2 s or 3 s.
    pub fn start(self) -> Result<PostgresServer> {
        let owner = owner()?;
        let directory = tempfile::Builder::new().prefix("dogpile-postgres-").tempdir()?;
        chown(directory.path(), owner)?;
        Template::get()?.write(&directory.path().join("data"), owner)?;
        let fake_time = self.start.fake_time.then(|| FakeTime::new(directory.path(), Pace::Flows)).transpose()?;
        let certificates = self.tls.then(Certificates::make).transpose()?;
        let server =
            PostgresServer { with: self, directory, port: free_port()?, owner, fake_time, certificates, process: None };
        on_free_ports(server, PostgresServer::launch, |server| {
            server.port = free_port()?;
            Ok(())
        })
    }
}

/// A free port, as the system names it.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A running PostgreSQL server on 127.0.0.1. SIGQUIT ends it when it is dropped, and its directory is removed.
#[derive(Debug)]
pub struct PostgresServer {
    with: PostgresBuilder,
    port: u16,
    /// The server refuses to run as root.
    owner: Option<Owner>,
    fake_time: Option<FakeTime>,
    certificates: Option<Certificates>,
    /// `None` between a kill and a restart.
    process: Option<Process>,
    /// Declared after the process: it is dropped later.
    directory: TempDir,
}

impl PostgresServer {
    /// What a server can be started with.
    #[must_use]
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder { start: Start::new("postgres"), tls: false, largest_file: None }
    }

    /// Starts a server on a free port. Blocks until it takes statements.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// The address for clients. It stays the same over restarts.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The URL for clients: the superuser `postgres`, and the database of that name.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The URL for a user.
    #[must_use]
    pub fn url_of(&self, user: &str) -> String {
        format!("postgresql://{user}@{}/postgres", self.address())
    }

    /// The certificates of a server with [TLS](PostgresBuilder::tls).
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// The directory of the socket.
    #[must_use]
    pub fn socket_directory(&self) -> PathBuf {
        self.directory.path().into()
    }

    process_methods!();

    /// Runs statements by `psql`, on a connection of its own, in one transaction unless they say otherwise. Returns the
    /// rows, a line each, whose columns are separated by `|`.
    pub fn sql(&self, statements: &str) -> Result<String> {
        let psql = Command::new(bin("psql")?)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-c", statements])
            .stdin(Stdio::null())
            .output()?;
        if !psql.status.success() {
            return Err(Error::new(format!("{statements}: {}", String::from_utf8_lossy(&psql.stderr))));
        }
        Ok(String::from_utf8_lossy(&psql.stdout).trim_end().to_owned())
    }

    /// What the server has written to its log since its last start.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.directory.path().join("output"))?)
    }

    /// Stops the processes of the server by SIGSTOP: connections stay open, and nothing is answered. Returns when they
    /// are stopped.
    pub fn stop(&self) -> Result<()> {
        self.running()?.stop_all()
    }

    /// Lets the processes of a stopped server go on, by SIGCONT. Blocks until the server answers.
    pub fn go_on(&self) -> Result<()> {
        self.running()?.go_on_all()?;
        self.sql("SELECT 1").map(drop)
    }

    /// Ends the server at once, by SIGQUIT: its UNLOGGED tables are empty when it is started again. Returns when the
    /// process is gone.
    pub fn end_at_once(&mut self) {
        self.end(rustix::process::Signal::QUIT);
    }

    /// Ends the server in peace, by SIGINT: it closes its connections, and writes all that it has. Returns when the
    /// process is gone.
    pub fn end_in_peace(&mut self) {
        self.end(rustix::process::Signal::INT);
    }

    /// Starts the server again, on the same port. Blocks until it takes statements.
    pub fn start_again(&mut self) -> Result<()> {
        // A client's connection may have been given the port as its own end meanwhile: it is awaited.
        wait_for("a restart on the same port", PATIENCE, || self.launch().map(|()| true))
    }

    /// Moves the server's clock forwards. Returns when the server shows it.
    ///
    /// Whole milliseconds; a rest is cut off.
    pub fn advance(&self, by: Duration) -> Result<()> {
        self.step(i64::try_from(by.as_millis()).map_err(|_| Error::new("too far"))?)
    }

    /// Moves the server's clock by milliseconds, forwards or backwards. Returns when the server shows it. Time flows on
    /// from there, and a restart keeps the clock.
    pub fn step(&self, ms: i64) -> Result<()> {
        let clock = self.fake_time.as_ref().ok_or_else(|| Error::new("the server was started without fake_time()"))?;
        clock.step(ms, |off| {
            let off = off * 1000;
            let before = now_us();
            let shown = self.sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")?;
            let shown: i64 = shown.parse().map_err(|_| Error::new("the server's time is no time"))?;
            // 1 ms, since the offset is a fraction of seconds, in binary.
            Ok((before + off - 1000..=now_us() + off + 1000).contains(&shown))
        })
    }

    fn end(&mut self, by: rustix::process::Signal) {
        if let Some(mut process) = self.process.take() {
            process.end_by(by);
        }
    }

    /// Starts the process. Blocks until it answers; another server at the port does not count.
    fn launch(&mut self) -> Result<()> {
        let output = self.directory.path().join("output");
        let mut process = Process::start(self.to_run()?, PACKAGE, &output, self.fake_time.is_some())?;
        let data = self.data();
        let answers = wait_for("postgres answers", PATIENCE, || {
            if process.still_runs().is_err() {
                return Ok(true);
            }
            Ok(self.sql("SHOW data_directory")? == data)
        });
        process.still_runs()?;
        answers.map_err(|error| Error::new(format!("{error}{}", process.last_words())))?;
        self.process = Some(process);
        Ok(())
    }

    fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }

    fn to_run(&self) -> Result<Command> {
        let program = match self.with.start.command().get_program().to_str() {
            Some("postgres") | None => bin("postgres")?,
            Some(other) => other.into(),
        };
        let mut command = match self.owner {
            // The signal of the parent's death is lost with the change of the user: it is asked for again. At SIGQUIT
            // the server leaves no shared memory behind.
            Some(Owner { user, group }) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups"]);
                command.args(["--pdeathsig", "QUIT", "env"]);
                command
            }
            None => Command::new("env"),
        };
        // By the last `env`, so that what libfaketime makes in /dev/shm is the user's.
        for (name, value) in self.fake_time.iter().flat_map(FakeTime::environment) {
            let mut variable = OsString::from(name);
            variable.push("=");
            variable.push(value);
            command.arg(variable);
        }
        if let Some(bytes) = self.with.largest_file {
            command.args(["prlimit", &format!("--fsize={bytes}")]);
        }
        command.arg(program);
        command.args(["-D", &self.data(), "-p", &self.port.to_string(), "-k"]).arg(self.directory.path());
        command.arg("-F");
        for setting in [
            "listen_addresses=127.0.0.1",
            "full_page_writes=off",
            "max_connections=300",
            "shared_buffers=16MB",
            // Files of the directory, which are gone with it.
            "dynamic_shared_memory_type=mmap",
        ] {
            command.args(["-c", setting]);
        }
        if let Some(certificates) = &self.certificates {
            command.args(["-c", "ssl=on"]);
            // (The server takes no key that others could read.)
            for (setting, name, text) in [
                ("ssl_cert_file", "cert.pem", &certificates.certificate),
                ("ssl_key_file", "key.pem", &certificates.key),
            ] {
                let path = self.directory.path().join(name);
                fs::write(&path, text)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
                chown(&path, self.owner)?;
                command.args(["-c", &format!("{setting}={}", path.display())]);
            }
        }
        command.args(self.with.start.arguments());
        Ok(command)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.end_at_once();
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
