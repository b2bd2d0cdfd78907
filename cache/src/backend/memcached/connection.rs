//! One stream to a server, on which many ask at once.
//!
//! # Questions and replies
//!
//! A question is written behind those that were asked before, and takes a *place*. The replies come in the order of the
//! questions, so the reply that comes next is that of the first place that waits.
//!
//! | place | event | next |
//! |---|---|---|
//! | free | a question | waiting |
//! | waiting | its reply | done, with the reply |
//! | | the connection dies | done, with an error |
//! | | the question is dropped | abandoned: what was asked is on its way, and its reply is still to come |
//! | abandoned | its reply; the connection dies | free |
//! | done | the question is polled, or dropped | free |
//!
//! So a question that is dropped never shifts the replies of the others (S4). The opaque of each reply is compared with
//! that of its question all the same: another one, or a reply that is none to what was asked, ends the connection.
//!
//! # Writing
//!
//! A task, the *driver*, writes all that was asked since it wrote last, reads, and hands out the replies. But a
//! question that finds the connection at rest is written by its caller, unless it is large: that saves the caller a
//! wait for the driver.
//! (If several were under way when the connection came to rest, several will come now, and the driver writes them at
//! once.) The bytes lie in one queue, which is behind the same mutex as the places, so that their order is the order of
//! the places.
//!
//! # Death
//!
//! A connection is dead once the stream is closed, an answer is no reply to what was asked, the driver's runtime ends,
//! or its link says so. Each question that waits is told so at once. A question that the driver, or its caller, has
//! begun to write, or may have, is [`InDoubt`](BackendErrorKind::InDoubt). Any other was not sent, and is
//! [`Unreachable`](BackendErrorKind::Unreachable).
//!
//! A server that refuses a line may take the value behind it for commands, so the connection dies by that, too. The
//! refused question is told that it was refused.

mod driving;
mod queue;

pub(super) use self::driving::Driver;

use self::driving::SLICE;
use self::queue::Queue;

use super::command::Reply;
use super::parse::{Failed, Line};
use super::socket::{Reading, Writing};
use super::wire::{Asked, Expects};
use crate::backend::{BackendError, BackendErrorKind};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How many bytes may wait to be written. A question beyond that is not sent: its server has stood still for longer
/// than the heartbeat allows, or will soon have.
const LONGEST_QUEUE: usize = 64 << 20;

/// The longest value until the server has said what it takes. Only what a server says of itself comes before that, and
/// none of it has a value.
const LARGEST_AT_FIRST: usize = 0;

/// A connection, for those who ask.
pub(super) struct Connection {
    state: Mutex<State>,
    is_dead: AtomicBool,
    /// The longest value that the server may answer.
    largest: AtomicUsize,
}

/// Why a connection is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) why: &'static str,
    /// The server has answered what no memcached does.
    pub(super) is_dialect: bool,
}

impl Death {
    pub(super) const fn of(why: &'static str) -> Death {
        Death { why, is_dialect: false }
    }
}

const CLOSED: Death = Death::of("the connection was closed");
pub(super) const ANOTHER_DIALECT: Death =
    Death { why: "the server has answered in another dialect than memcached's", is_dialect: true };
const REFUSED: &str = "the server has refused the line of a request";

/// What a question is answered by.
#[derive(Debug)]
pub(super) enum Answer {
    Reply(Reply),
    Text(Bytes),
}

struct State {
    /// What is to be written next.
    queue: Queue,
    /// How many bytes were queued before those in `queue`: they are written, or the driver has them in hand.
    taken: u64,
    /// Whether the driver has bytes in hand.
    is_writing: bool,
    /// Whether the question that was answered last was the only one.
    was_alone: bool,
    /// The questions without a reply, in their order.
    waiting: VecDeque<Waiting>,
    places: Vec<Place>,
    free: Vec<usize>,
    next_opaque: u16,
    /// The half of the stream to write to; `None` once the connection is dead.
    writing: Option<Arc<Writing>>,
    /// The waker of the driver, unless it was woken since it was polled.
    driver: Option<Waker>,
    death: Option<Death>,
}

struct Waiting {
    place: usize,
    expects: Expects,
    opaque: u16,
    /// How many bytes were queued before the question.
    begins: u64,
}

enum Place {
    Free,
    Waiting(Waker),
    Abandoned,
    Done(Result<Answer, BackendError>),
}

impl Connection {
    /// Makes a connection of a stream. Its driver is to be spawned on the runtime of the stream.
    pub(super) fn new(reading: Reading, writing: Writing) -> (Arc<Connection>, Driver) {
        let writing = Arc::new(writing);
        let state = State {
            queue: Queue::default(),
            taken: 0,
            is_writing: false,
            was_alone: true,
            waiting: VecDeque::new(),
            places: Vec::new(),
            free: Vec::new(),
            next_opaque: 0,
            writing: Some(Arc::clone(&writing)),
            driver: None,
            death: None,
        };
        let connection = Arc::new(Connection {
            state: Mutex::new(state),
            is_dead: AtomicBool::new(false),
            largest: AtomicUsize::new(LARGEST_AT_FIRST),
        });
        let driver = Driver::new(Arc::clone(&connection), reading, writing);
        (connection, driver)
    }

    /// Asks. The question is sent when the future is polled first.
    pub(super) fn ask<'a>(&'a self, asked: Asked<'a>) -> Asking<'a> {
        Asking { connection: self, stage: Stage::New(asked) }
    }

    /// No value of the server is longer than this, in bytes.
    pub(super) fn takes(&self, largest: usize) {
        // Relaxed: no value is asked for before.
        self.largest.store(largest, Ordering::Relaxed);
    }

    pub(super) fn is_dead(&self) -> bool {
        // Acquire, with the release of `die`: a connection that is made instead is made after that.
        self.is_dead.load(Ordering::Acquire)
    }

    /// Returns why the connection is dead.
    pub(super) fn death(&self) -> Option<Death> {
        self.lock().death
    }

    /// Nothing more is to be asked of the connection, and each question that waits is told so.
    pub(super) fn die(&self, death: Death) {
        let mut wakers = Vec::new();
        self.lock().die(death, &self.is_dead, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Queues a question. Returns its place, and the driver, if it is to be woken.
    fn send(&mut self, asked: Asked<'_>, waker: &Waker) -> Result<(usize, Option<Waker>), BackendError> {
        let Some(writing) = &self.writing else {
            let why = self.death.unwrap_or(CLOSED).why;
            return Err(BackendError::new(BackendErrorKind::Unreachable).caused_by(why));
        };
        if self.queue.len() > LONGEST_QUEUE {
            return Err(BackendError::new(BackendErrorKind::Unreachable).caused_by("the server does not keep up"));
        }
        let begins = self.taken + self.queue.len() as u64;
        let opaque = self.next_opaque;
        self.queue.append(|to| asked.write(opaque, to))?;
        self.next_opaque = opaque.wrapping_add(1);
        let is_at_rest = self.was_alone && self.waiting.is_empty() && !self.is_writing && begins == self.taken;
        let at = self.free.pop().unwrap_or(self.places.len());
        let place = Place::Waiting(waker.clone());
        if at == self.places.len() {
            self.places.push(place);
        } else {
            self.places[at] = place;
        }
        self.waiting.push_back(Waiting { place: at, expects: asked.expects(), opaque, begins });
        if is_at_rest && self.queue.is_one_piece() && self.queue.len() <= SLICE {
            // An error is the driver's to find.
            let written = writing.try_write(self.queue.next()).unwrap_or(0);
            self.taken += written as u64;
            self.queue.wrote(written);
            if self.queue.is_empty() {
                return Ok((at, None));
            }
        }
        Ok((at, self.driver.take()))
    }

    /// Takes what a place was answered.
    fn take(&mut self, at: usize, waker: &Waker) -> Poll<Result<Answer, BackendError>> {
        if let Place::Waiting(known) = &mut self.places[at] {
            known.clone_from(waker);
            return Poll::Pending;
        }
        match self.vacate(at) {
            Place::Done(answer) => Poll::Ready(answer),
            _ => unreachable!("a question has its place until it is answered"),
        }
    }

    /// The place is free.
    fn vacate(&mut self, at: usize) -> Place {
        self.free.push(at);
        std::mem::replace(&mut self.places[at], Place::Free)
    }

    /// The question of a place is not awaited any more. Returns what is to be dropped outside the mutex.
    fn leave(&mut self, at: usize) -> Place {
        if let Place::Waiting(_) = self.places[at] {
            return std::mem::replace(&mut self.places[at], Place::Abandoned);
        }
        self.vacate(at)
    }

    /// Hands a reply, or an error, to a place.
    fn tell(&mut self, at: usize, answer: Result<Answer, BackendError>, wakers: &mut Vec<Waker>) {
        match std::mem::replace(&mut self.places[at], Place::Free) {
            Place::Waiting(waker) => {
                self.places[at] = Place::Done(answer);
                wakers.push(waker);
            }
            _ => self.free.push(at),
        }
    }

    /// Hands a reply to the first question that waits.
    fn came(&mut self, line: Line, wakers: &mut Vec<Waker>) -> Result<(), Death> {
        let Some(Waiting { place, expects, opaque, .. }) = self.waiting.pop_front() else {
            return Err(ANOTHER_DIALECT);
        };
        let error = |kind, why: &'static str| Err(BackendError::new(kind).caused_by(why));
        // Whether the question was done nobody knows.
        let doubted = |death: Death| (error(BackendErrorKind::InDoubt, death.why), Some(death));
        let (answer, dead) = match line {
            Line::Meta(meta) if meta.opaque == Some(opaque) => match meta.reply(expects) {
                Ok(reply) => (Ok(Answer::Reply(reply)), None),
                Err(_) => doubted(ANOTHER_DIALECT),
            },
            Line::Text(of, text) if of == expects => (Ok(Answer::Text(text)), None),
            // It is the reply to another question, or none to this one.
            Line::Meta(_) | Line::Text(..) => doubted(ANOTHER_DIALECT),
            Line::Failed(Failed::TooLarge) => (Err(BackendError::new(BackendErrorKind::TooLarge)), None),
            Line::Failed(Failed::OutOfMemory) => {
                (error(BackendErrorKind::Refused, "the server is out of memory"), None)
            }
            Line::Failed(Failed::Otherwise) => doubted(Death::of("the server has failed")),
            Line::Refused => {
                let is_dialect = matches!(expects, Expects::Version | Expects::Stats);
                (error(BackendErrorKind::Refused, REFUSED), Some(Death { why: REFUSED, is_dialect }))
            }
        };
        self.tell(place, answer, wakers);
        dead.map_or(Ok(()), Err)
    }

    fn die(&mut self, death: Death, is_dead: &AtomicBool, wakers: &mut Vec<Waker>) {
        if self.death.is_some() {
            return;
        }
        self.death = Some(death);
        // Release, with the acquire of `is_dead`.
        is_dead.store(true, Ordering::Release);
        self.writing = None;
        for Waiting { place, begins, .. } in std::mem::take(&mut self.waiting) {
            let kind = if begins < self.taken { BackendErrorKind::InDoubt } else { BackendErrorKind::Unreachable };
            self.tell(place, Err(BackendError::new(kind).caused_by(death.why)), wakers);
        }
        self.queue = Queue::default();
        wakers.extend(self.driver.take());
    }
}

/// A question, until its answer.
///
/// # Cancel safety
///
/// A question that is dropped before it is polled is not sent. Later it may be on its way, and its answer is thrown
/// away.
pub(super) struct Asking<'a> {
    connection: &'a Connection,
    stage: Stage<'a>,
}

enum Stage<'a> {
    New(Asked<'a>),
    /// It has this place.
    Sent(usize),
    NotSent(BackendError),
    Over,
}

impl Asking<'_> {
    /// Sends the question, if it was not sent yet. `waker` is told of the answer.
    pub(super) fn send(&mut self, waker: &Waker) {
        let Stage::New(asked) = self.stage else { return };
        let sent = self.connection.lock().send(asked, waker);
        match sent {
            Ok((at, driver)) => {
                self.stage = Stage::Sent(at);
                if let Some(driver) = driver {
                    driver.wake();
                }
            }
            Err(error) => self.stage = Stage::NotSent(error),
        }
    }
}

impl Future for Asking<'_> {
    type Output = Result<Answer, BackendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Stage::New(_) = self.stage {
            self.send(cx.waker());
            if let Stage::Sent(_) = self.stage {
                return Poll::Pending;
            }
        }
        let answer = match &self.stage {
            Stage::Sent(at) => self.connection.lock().take(*at, cx.waker()),
            Stage::NotSent(error) => Poll::Ready(Err(error.clone())),
            Stage::New(_) | Stage::Over => panic!("a question was polled after its answer"),
        };
        if answer.is_ready() {
            self.stage = Stage::Over;
        }
        answer
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let Stage::Sent(at) = self.stage {
            let left = self.connection.lock().leave(at);
            drop(left);
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("is_dead", &self.is_dead()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
