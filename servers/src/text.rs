//! The text of memcached, as much as a test needs: a blocking client.

use crate::error::{Error, PATIENCE, Result, wait_for};
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How a line begins that says that the crawler is under way already.
const BUSY: &str = "BUSY";

/// A reply: its line, and the value that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextReply {
    /// The line, without its end: `"HD"`, `"VA 5 c1"`, `"VALUE key 0 5"`.
    pub line: String,
    /// The value behind `VA` or `VALUE`.
    pub value: Option<Vec<u8>>,
}

impl TextReply {
    /// The word of a flag in the line, without the flag's letter: that of `c` in `"VA 5 c1 t-1"` is `"1"`.
    #[must_use]
    pub fn flag(&self, letter: char) -> Option<&str> {
        self.line.split(' ').skip(1).find_map(|word| word.strip_prefix(letter))
    }
}

/// A stream to a server.
trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// A connection to a memcached. One command at a time; blocks until the reply has come.
pub struct TextClient {
    stream: BufReader<Box<dyn Stream>>,
}

impl TextClient {
    /// Connects. `patience` bounds the connect and, later, each wait for bytes of a reply.
    pub fn connect(address: SocketAddr, patience: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(Box::new(stream)) })
    }

    /// Connects to a unix socket. `patience` bounds each wait for bytes of a reply.
    pub fn connect_to_path(path: &Path, patience: Duration) -> Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { stream: BufReader::new(Box::new(stream)) })
    }

    /// Sends a line, and blocks until its reply.
    pub fn command(&mut self, line: impl AsRef<[u8]>) -> Result<TextReply> {
        self.send(&[line.as_ref(), b"\r\n"].concat())?;
        self.receive()
    }

    /// Sends a line and a value, and blocks until the reply.
    pub fn store(&mut self, line: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<TextReply> {
        self.send(&[line.as_ref(), b"\r\n", value.as_ref(), b"\r\n"].concat())?;
        self.receive()
    }

    /// Sends bytes, and does not wait.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.get_mut().write_all(bytes)?)
    }

    /// Blocks until the next reply. That of a `get` is its first value, or `END`.
    pub fn receive(&mut self) -> Result<TextReply> {
        let line = self.line()?;
        let mut words = line.split(' ');
        let length = match words.next() {
            Some("VA") => words.next(),
            Some("VALUE") => words.nth(2),
            _ => return Ok(TextReply { line, value: None }),
        };
        let is_plain = line.starts_with("VALUE");
        let length: usize = length
            .and_then(|length| length.parse().ok())
            .ok_or_else(|| Error::new(format!("a value without a length: {line:?}")))?;
        let mut value = vec![0; length + 2];
        self.stream.read_exact(&mut value)?;
        value.truncate(length);
        if is_plain {
            self.line()?;
        }
        Ok(TextReply { line, value: Some(value) })
    }

    /// What `stats` says; with a word behind it, such as `"settings"`, what that says.
    pub fn stats(&mut self, of: &str) -> Result<Vec<(String, String)>> {
        self.send(format!("stats {of}").trim_end().as_bytes())?;
        self.send(b"\r\n")?;
        let lines = self.lines_to_end()?.into_iter();
        let stats = lines.map(|line| {
            let words = line.strip_prefix("STAT ").and_then(|stat| stat.split_once(' '));
            words.map(|(name, value)| (name.to_owned(), value.to_owned()))
        });
        stats.collect::<Option<_>>().ok_or_else(|| Error::new("no lines of stats"))
    }

    /// The keys of all items that are not over. Blocks until the server's crawler is free, 10 s at most. The connection
    /// is of no use afterwards.
    pub fn keys(mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        wait_for("the crawler is free", PATIENCE, || {
            // (By the table of keys: the crawler's other way misses items that are on their way from list to list.)
            self.send(b"lru_crawler metadump hash\r\n")?;
            lines = self.lines_to_end()?;
            Ok(!lines.last().is_some_and(|line| line.starts_with(BUSY)))
        })?;
        let keys = lines.iter().map(|line| decoded(line.strip_prefix("key=")?.split(' ').next()?));
        keys.collect::<Option<_>>().ok_or_else(|| Error::new(format!("no keys: {lines:?}")))
    }

    /// The lines before `END`, or up to one that says that the server is busy. (Those of a dump end by a line feed
    /// alone.)
    fn lines_to_end(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(Error::new("the connection ends before END"));
            }
            match line.trim_end() {
                "END" => return Ok(lines),
                line => lines.push(line.to_owned()),
            }
            if line.starts_with(BUSY) {
                return Ok(lines);
            }
        }
    }

    /// All bytes until the server closes the connection.
    pub fn rest(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        let whole = line.strip_suffix(b"\r\n").map(<[u8]>::to_vec);
        let text = whole.and_then(|line| String::from_utf8(line).ok());
        text.ok_or_else(|| Error::new(format!("no line of text: {:?}", String::from_utf8_lossy(&line))))
    }
}

impl fmt::Debug for TextClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextClient").finish_non_exhaustive()
    }
}

/// A key of a dump, which has other bytes than letters and digits as `%` and two digits.
fn decoded(key: &str) -> Option<String> {
    let mut parts = key.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (byte, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(byte, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
