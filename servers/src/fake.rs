//! A server that answers what a closure says, in RESP2 or in the text of memcached.

use crate::error::Result;
use crate::listen::{Listener, lock};
use crate::resp::Value;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a [`FakeServer`] does about a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It answers this value.
    Value(Value),
    /// It writes these bytes, whether they are of the protocol or not.
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

/// How the words of the next command are read. `None`: there is none.
type ReadWords = fn(&mut BufReader<TcpStream>) -> Option<Vec<Vec<u8>>>;

/// A server on a free port of 127.0.0.1, one thread a connection. A drop closes all connections.
pub struct FakeServer {
    listener: Listener,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Box<Answer>,
    read: ReadWords,
    heard: Mutex<Vec<Vec<Vec<u8>>>>,
}

impl FakeServer {
    /// Starts one of RESP2. `answer` gets the words of each command, as they were sent, and says what is done about it.
    pub fn start(answer: impl Fn(&[Vec<u8>]) -> Reply + Send + Sync + 'static) -> Result<Self> {
        Self::reading(words_of_resp, Box::new(answer))
    }

    /// Starts one of memcached's text. `answer` gets the words of each line, and behind them the data of an `ms`.
    pub fn memcached(answer: impl Fn(&[Vec<u8>]) -> Reply + Send + Sync + 'static) -> Result<Self> {
        Self::reading(words_of_text, Box::new(answer))
    }

    fn reading(read: ReadWords, answer: Box<Answer>) -> Result<Self> {
        let shared = Arc::new(Shared { answer, read, heard: Mutex::default() });
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

    /// The URL of the server, for a client of Redis.
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
        while let Some(words) = (self.read)(&mut read) {
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

fn words_of_resp(from: &mut BufReader<TcpStream>) -> Option<Vec<Vec<u8>>> {
    let Ok(Value::Array(items)) = Value::read(from) else { return None };
    Some(items.into_iter().filter_map(|item| if let Value::Bulk(word) = item { Some(word) } else { None }).collect())
}

fn words_of_text(from: &mut BufReader<TcpStream>) -> Option<Vec<Vec<u8>>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line).ok()?;
    let mut words: Vec<Vec<u8>> = line.strip_suffix(b"\r\n")?.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect();
    if words[0] == b"ms" {
        let length: usize = std::str::from_utf8(words.get(2)?).ok()?.parse().ok()?;
        let mut data = vec![0; length + 2];
        from.read_exact(&mut data).ok()?;
        data.truncate(length);
        words.push(data);
    }
    Some(words)
}
