//! RESP2, as much as a test needs: a blocking client, and what a server has to read and write.

use crate::error::{Error, Result};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A reply of RESP2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A simple string, such as `OK`.
    Simple(String),
    /// An error, such as `ERR unknown command`.
    Error(String),
    /// A number.
    Int(i64),
    /// A string of bytes.
    Bulk(Vec<u8>),
    /// Nothing: a null string or a null array.
    Nil,
    /// Several replies.
    Array(Vec<Value>),
}

impl Value {
    /// A [`Value::Bulk`] of these bytes.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().to_vec())
    }

    /// The number, or the string as a number.
    #[must_use]
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => self.text()?.parse().ok(),
        }
    }

    /// The string, simple or of bytes, if it is UTF-8. An error has none.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Simple(text) => Some(text),
            Self::Bulk(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The replies of an array; none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        if let Self::Array(items) = self { items } else { &[] }
    }

    /// The value, unless it is an error: an [`Error`] then.
    pub fn no_error(self) -> Result<Self> {
        match self {
            Self::Error(error) => Err(Error::new(error)),
            value => Ok(value),
        }
    }

    /// Writes the value in RESP2.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Simple(text) => line(to, '+', text),
            Self::Error(text) => line(to, '-', text),
            Self::Int(number) => line(to, ':', &number.to_string()),
            Self::Nil => line(to, '$', "-1"),
            Self::Bulk(bytes) => bulk(to, bytes),
            Self::Array(items) => {
                line(to, '*', &items.len().to_string());
                for item in items {
                    item.write(to);
                }
            }
        }
    }

    /// Reads a value. An end of the stream is an error.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let mut head = String::new();
        if from.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bad = || io::Error::new(io::ErrorKind::InvalidData, format!("no RESP2: {head:?}"));
        let whole = head.strip_suffix("\r\n").ok_or_else(bad)?;
        let (kind, rest) = whole.split_at_checked(1).ok_or_else(bad)?;
        let number = || rest.parse::<i64>().map_err(|_| bad());
        Ok(match kind {
            "+" => Self::Simple(rest.into()),
            "-" => Self::Error(rest.into()),
            ":" => Self::Int(number()?),
            "$" => match usize::try_from(number()?) {
                Err(_) => Self::Nil,
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    from.read_exact(&mut bytes)?;
                    bytes.truncate(length);
                    Self::Bulk(bytes)
                }
            },
            "*" => match usize::try_from(number()?) {
                Err(_) => Self::Nil,
                Ok(count) => Self::Array((0..count).map(|_| Self::read(from)).collect::<io::Result<_>>()?),
            },
            _ => return Err(bad()),
        })
    }
}

fn line(to: &mut Vec<u8>, kind: char, text: &str) {
    to.extend_from_slice(format!("{kind}{text}\r\n").as_bytes());
}

fn bulk(to: &mut Vec<u8>, bytes: &[u8]) {
    line(to, '$', &bytes.len().to_string());
    to.extend_from_slice(bytes);
    to.extend_from_slice(b"\r\n");
}

/// A connection to a server of RESP2. One command at a time; blocks until the reply has come.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects. `patience` bounds the connect and, later, each wait for bytes of a reply.
    pub fn connect(address: SocketAddr, patience: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a command and blocks until its reply. A reply that is an error is `Ok(Value::Error(…))`.
    pub fn command<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Value> {
        self.send(words)?;
        self.receive()
    }

    /// Sends a command and does not wait.
    pub fn send<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<()> {
        let mut bytes = Vec::new();
        line(&mut bytes, '*', &words.len().to_string());
        for word in words {
            bulk(&mut bytes, word.as_ref());
        }
        Ok(self.stream.get_mut().write_all(&bytes)?)
    }

    /// Blocks until the next reply, or the next message of a subscription.
    pub fn receive(&mut self) -> Result<Value> {
        Ok(Value::read(&mut self.stream)?)
    }

    /// All bytes until the server closes the connection.
    pub fn rest(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
