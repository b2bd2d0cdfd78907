//! What clients ask a server: the commands that it executes, in order, by its `MONITOR`.

use dogpile_servers::{Client, RedisServer, Result, Value};
use std::time::Duration;

/// What the handshake and the heartbeats of a connection ask, and what this module does.
const NOT_ACCESSES: [&str; 9] = ["AUTH", "CLIENT", "ECHO", "HELLO", "INFO", "PING", "SELECT", "TIME", "PUBLISH"];

/// A connection that is told of each command.
pub struct Monitor {
    client: Client,
    marks: u32,
}

/// A command that a client has sent: its name, and its first argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub name: String,
    /// The key; the hash of a script.
    pub first: String,
}

impl Monitor {
    pub fn new(server: &RedisServer) -> Result<Monitor> {
        let mut client = server.client()?;
        client.command(&["MONITOR"])?.no_error()?;
        Ok(Monitor { client, marks: 0 })
    }

    /// Returns the next command of an access.
    pub fn next(&mut self) -> Result<Command> {
        loop {
            let line = self.client.receive()?;
            if let Some(command) = command(&line).filter(Command::is_of_an_access) {
                return Ok(command);
            }
        }
    }

    /// Returns the commands of accesses that were executed until now and not returned yet.
    pub fn until_now(&mut self, server: &RedisServer) -> Result<Vec<Command>> {
        self.marks += 1;
        let mark = Command { name: "ECHO".to_owned(), first: format!("mark {}", self.marks) };
        server.command(&["ECHO", &mark.first])?;
        let mut commands = Vec::new();
        loop {
            let line = self.client.receive()?;
            match command(&line) {
                Some(command) if command == mark => return Ok(commands),
                Some(command) if command.is_of_an_access() => commands.push(command),
                _ => {}
            }
        }
    }
}

impl Command {
    fn is_of_an_access(&self) -> bool {
        !NOT_ACCESSES.contains(&&*self.name)
    }
}

/// Reads a line as `MONITOR` has it: `1700000000.123456 [0 127.0.0.1:1234] "GET" "key"`. What a script calls has `lua`
/// for an address, and is no command of a client.
fn command(line: &Value) -> Option<Command> {
    let (from, rest) = line.text()?.split_once("] ")?;
    if from.ends_with(" lua") {
        return None;
    }
    // (The keys and hashes of these tests contain no quotes.)
    let mut words = rest.split('"').skip(1).step_by(2);
    Some(Command { name: words.next()?.to_uppercase(), first: words.next().unwrap_or_default().to_owned() })
}

/// Returns how many polls there are at most in a time: the first comes after 2 ms, each later one after one and a half
/// times as long, up to the 250 ms that are the default; and a quarter of each may be drawn.
pub fn polls_in(time: Duration) -> usize {
    let (mut next, mut sum, mut polls) = (Duration::from_millis(2), Duration::ZERO, 0);
    while sum < time {
        sum += next * 3 / 4;
        next = (next * 3 / 2).min(Duration::from_millis(250));
        polls += 1;
    }
    polls
}
