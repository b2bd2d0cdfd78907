//! A server that answers what a closure says.

use crate::error::Result;
use crate::listen::{Listener, lock};
use crate::resp::Value;
use std::fmt;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a [`FakeServer`] does about a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It answers this value.
    Value(Value),
    /// It writes these bytes, whether they are RESP or not.
    Raw(Vec<u8>),
    /// It says nothing, and goes on to the next command.
    Nothing,
    /// It closes the connection.
    Close,
}

impl Reply {
    /// `+OK`.
    #[must_use]
    pub fn ok() -> Self {
        Self::Value(Value::Simple("OK".into()))
    }

    /// An error, such as `"LOADING Redis is loading the dataset in memory"`.
    #[must_use]
    pub fn error(text: &str) -> Self {
        Self::Value(Value::Error(text.into()))
    }
}

type Answer = dyn Fn(&[Vec<u8>]) -> Reply + Send + Sync;

/// A server of RESP2 on a free port of 127.0.0.1, one thread a connection. A drop closes all connections.
pub struct FakeServer {
    listener: Listener,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Box<Answer>,
    heard: Mutex<Vec<Vec<Vec<u8>>>>,
}

impl FakeServer {
    /// Starts it. `answer` gets the words of each command, as they were sent, and says what is done about it.
    pub fn start(answer: impl Fn(&[Vec<u8>]) -> Reply + Send + Sync + 'static) -> Result<Self> {
        let shared = Arc::new(Shared { answer: Box::new(answer), heard: Mutex::default() });
        let serving = Arc::clone(&shared);
        let listener = Listener::start(move |open, stream| {
            let Ok(number) = open.add(&[&stream]) else { return };
            let (shared, open) = (Arc::clone(&serving), Arc::clone(open));
            thread::spawn(move || {
                shared.serve(stream);
                open.close(number);
            });
        })?;
        Ok(Self { listener, shared })
    }

    /// The address of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// All commands so far, of all connections, in the order in which they were read.
    #[must_use]
    pub fn heard(&self) -> Vec<Vec<Vec<u8>>> {
        lock(&self.shared.heard).clone()
    }
}

impl fmt::Debug for FakeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeServer").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Serves a connection until one of the two ends closes it, or what comes is no command.
    fn serve(&self, mut stream: TcpStream) {
        let Ok(read) = stream.try_clone() else { return };
        let mut read = BufReader::new(read);
        while let Ok(Value::Array(items)) = Value::read(&mut read) {
            let words: Vec<Vec<u8>> = items
                .into_iter()
                .filter_map(|item| if let Value::Bulk(word) = item { Some(word) } else { None })
                .collect();
            lock(&self.heard).push(words.clone());
            let mut bytes = Vec::new();
            match (self.answer)(&words) {
                Reply::Value(value) => value.write(&mut bytes),
                Reply::Raw(raw) => bytes = raw,
                Reply::Nothing => {}
                Reply::Close => return,
            }
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
    }
}
