//! What is asked of a server.

use super::keys;
use super::scripts::Script;
use super::server::Said;
use crate::key::StoredKey;
use redis::{Cmd, RedisWrite};
use std::borrow::Cow;
use std::io::Write;

/// What is asked of a server, for whichever server it is sent to: the life that a script names is that of the
/// connection.
pub(super) enum Request {
    /// A `GET` of this key.
    Look(String),
    Plain(Cmd),
    Call(Call),
}

impl From<&mut Cmd> for Request {
    fn from(command: &mut Cmd) -> Request {
        Request::Plain(command.take())
    }
}

impl From<Call> for Request {
    fn from(call: Call) -> Request {
        Request::Call(call)
    }
}

impl Request {
    /// Returns the command. A script is called by its hash.
    pub(super) fn command(&self, server: &Said) -> Cow<'_, Cmd> {
        match self {
            Request::Look(key) => Cow::Owned(get(&[key])),
            Request::Plain(command) => Cow::Borrowed(command),
            Request::Call(call) => Cow::Owned(call.command("EVALSHA", call.script.hash(), server)),
        }
    }

    /// Whether it sends a signal.
    pub(super) fn signals(&self) -> bool {
        matches!(self, Request::Call(Call { signal: Some(_), .. }))
    }

    /// Returns the command that sends a script itself.
    pub(super) fn in_full(&self, server: &Said) -> Option<Cmd> {
        match self {
            Request::Look(_) | Request::Plain(_) => None,
            Request::Call(call) => Some(call.command("EVAL", call.script.code, server)),
        }
    }
}

/// Asks for the text of the key that has these parts.
pub(super) fn get(key: &[&str]) -> Cmd {
    let long: usize = key.iter().map(|part| part.len()).sum();
    let mut get = Cmd::with_capacity(2, "GET".len() + long);
    get.write_arg(b"GET");
    let mut name = get.writer_for_next_arg();
    for part in key {
        name.write_all(part.as_bytes()).expect("memory takes all");
    }
    drop(name);
    get
}

/// Asks for the texts of some keys.
pub(super) fn mget<'a>(keys: impl ExactSizeIterator<Item = &'a str> + Clone) -> Cmd {
    let long: usize = keys.clone().map(str::len).sum();
    let mut mget = Cmd::with_capacity(1 + keys.len(), "MGET".len() + long);
    mget.write_arg(b"MGET");
    keys.for_each(|key| mget.write_arg(key.as_bytes()));
    mget
}

/// The call of a script.
pub(super) struct Call {
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
    /// The channel of the signal, for a script that sends one.
    signal: Option<String>,
}

impl Call {
    /// A call on grant, pause and entry of a key.
    pub(super) fn on(script: &'static Script, key: &StoredKey) -> Call {
        let keys = vec![keys::grant(key), keys::pause(key), keys::entry(key)];
        Call { script, keys, arguments: Vec::new(), signal: None }
    }

    /// A call on the counter of a key.
    pub(super) fn on_count(script: &'static Script, key: &StoredKey) -> Call {
        Call { script, keys: vec![keys::count(key)], arguments: Vec::new(), signal: None }
    }

    /// Adds the entry of another shape.
    pub(super) fn and(mut self, key: &StoredKey) -> Call {
        self.keys.push(keys::entry(key));
        self
    }

    /// Adds an argument.
    pub(super) fn with(mut self, argument: impl Into<Vec<u8>>) -> Call {
        self.arguments.push(argument.into());
        self
    }

    /// Has the script tell those who wait for the place.
    pub(super) fn signals(mut self, key: &StoredKey) -> Call {
        self.signal = Some(keys::signal(key));
        self
    }

    fn command(&self, name: &str, script: &str, server: &Said) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        if self.script.names_life {
            command.arg(server.life_text());
        }
        for argument in &self.arguments {
            command.arg(&argument[..]);
        }
        if let Some(channel) = &self.signal {
            // A channel of a shard stays on its server; others cross every server of a Cluster.
            command.arg(if server.has_shard_channels { "SPUBLISH" } else { "PUBLISH" }).arg(channel);
        }
        command
    }
}
