//! A stream to a server, in two halves.

use super::address::Place;
use bytes::{BufMut, BytesMut};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, tcp};
#[cfg(unix)]
use tokio::net::{UnixStream, unix};

/// The half that is read, by one task.
pub(super) enum Reading {
    Tcp(tcp::OwnedReadHalf),
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf),
}

/// The half that is written: by one task, and by callers that find the connection at rest.
pub(super) enum Writing {
    Tcp(tcp::OwnedWriteHalf),
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
}

/// Connects.
pub(super) async fn connect(to: &Place) -> io::Result<(Reading, Writing)> {
    match to {
        Place::Tcp(host, port) => {
            let stream = TcpStream::connect((&**host, *port)).await?;
            // A request is sent at once, though others are under way.
            stream.set_nodelay(true)?;
            let (read, write) = stream.into_split();
            Ok((Reading::Tcp(read), Writing::Tcp(write)))
        }
        #[cfg(unix)]
        Place::Unix(path) => {
            let (read, write) = UnixStream::connect(path).await?.into_split();
            Ok((Reading::Unix(read), Writing::Unix(write)))
        }
    }
}

impl Reading {
    /// Reads what is there, as far as `to` has room, and `most` bytes at most. 0: the server has closed the stream.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut BytesMut,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let mut to = to.limit(most);
        match self {
            Reading::Tcp(read) => pin!(read.read_buf(&mut to)).poll(cx),
            #[cfg(unix)]
            Reading::Unix(read) => pin!(read.read_buf(&mut to)).poll(cx),
        }
    }
}

impl Writing {
    /// Writes what the stream takes now. Never blocks.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Writing::Tcp(write) => write.try_write(bytes),
            #[cfg(unix)]
            Writing::Unix(write) => write.try_write(bytes),
        }
    }

    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Writing::Tcp(write) => write.as_ref().poll_write_ready(cx),
            #[cfg(unix)]
            Writing::Unix(write) => write.as_ref().poll_write_ready(cx),
        }
    }
}
