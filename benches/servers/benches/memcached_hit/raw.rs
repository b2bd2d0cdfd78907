//! A raw `mg`: a connection that many tasks ask at once, with as little work as that takes.
//!
//! A caller hands its line to a task and awaits its answer. The task writes all lines that are there, reads, and gives
//! each answer to the caller that comes next. There is neither a time-out, nor a reconnection, nor a check of what is
//! answered beyond its length, and a caller that is dropped is no matter here.

use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

type Asked = (Vec<u8>, oneshot::Sender<Bytes>);

/// The most lines that are taken at once.
const LINES: usize = 256;

/// The connection.
#[derive(Clone)]
pub struct Mux(mpsc::UnboundedSender<Asked>);

impl Mux {
    pub async fn connect(address: &str) -> io::Result<Mux> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (ask, asked) = mpsc::unbounded_channel();
        tokio::spawn(drive(stream, asked));
        Ok(Mux(ask))
    }

    /// Returns the value of an `mg … v`, or nothing for any other answer.
    pub async fn call(&self, line: Vec<u8>) -> Bytes {
        let (tell, told) = oneshot::channel();
        self.0.send((line, tell)).expect("the connection is there");
        told.await.expect("the connection is there")
    }
}

async fn drive(mut stream: TcpStream, mut asked: mpsc::UnboundedReceiver<Asked>) {
    let (mut lines, mut waiting) = (Vec::with_capacity(LINES), VecDeque::new());
    let (mut output, mut input) = (Vec::new(), BytesMut::with_capacity(1 << 16));
    loop {
        tokio::select! {
            biased;
            count = asked.recv_many(&mut lines, LINES) => {
                if count == 0 {
                    return;
                }
                output.clear();
                for (line, tell) in lines.drain(..) {
                    output.extend_from_slice(&line);
                    waiting.push_back(tell);
                }
                stream.write_all(&output).await.expect("the server reads");
            }
            count = stream.read_buf(&mut input) => {
                assert_ne!(count.expect("the server answers"), 0, "the server has closed the connection");
                while let Some(answer) = answer(&mut input) {
                    let caller: oneshot::Sender<Bytes> = waiting.pop_front().expect("each answer was asked for");
                    // An error means that the caller was dropped.
                    let _gone = caller.send(answer);
                }
                input.reserve(1 << 14);
            }
        }
    }
}

/// Takes the next answer, if it is there as a whole.
fn answer(input: &mut BytesMut) -> Option<Bytes> {
    let end = input.windows(2).position(|two| two == b"\r\n")?;
    let Some(rest) = input[..end].strip_prefix(b"VA ") else {
        input.advance(end + 2);
        return Some(Bytes::new());
    };
    let digits = rest.split(|byte| *byte == b' ').next().expect("there is a first part");
    let long = digits.iter().fold(0, |long, digit| long * 10 + usize::from(digit - b'0'));
    if input.len() < end + 2 + long + 2 {
        return None;
    }
    input.advance(end + 2);
    let value = input.split_to(long).freeze();
    input.advance(2);
    Some(value)
}
