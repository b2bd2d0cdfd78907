//! An open connection: what its server has said before anything was asked of it, and its heartbeat.

use super::address::Place;
use super::clock::{self, ServerClock};
use super::command::{Reply, Request};
use super::connection::{ANOTHER_DIALECT, Answer, Asking, Connection, Death};
use super::server::{self, Beat, Said, Unfit};
use super::socket;
use super::steps::Moment;
use super::wire::Asked;
use crate::backend::{BackendError, BackendErrorKind, Life};
use crate::key::StoredKey;
use crate::time::{RegionClock, unless};
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a connection may take to be made, with all that is asked before it is used.
pub(super) const OPENING: Duration = Duration::from_secs(2);

/// How often a connection is asked whether it is there still. Each wait is a little longer than this, by another
/// fraction, so that the questions come at all fractions of the server's seconds: see [`clock`].
const HEARTBEAT: Duration = Duration::from_millis(950);

/// By how much a wait is longer, at most, in milliseconds.
const JITTER: u64 = 100;

/// How long the answer to a heartbeat may take, twice: a runtime whose only thread was blocked has not seen the answer
/// when the first one is over.
const ANSWER: Duration = Duration::from_secs(2);

/// An open connection. It dies when it is dropped, when its [`Connection`] dies, when a heartbeat is not answered, or
/// when a heartbeat shows another life.
pub(super) struct Link {
    connection: Arc<Connection>,
    said: Said,
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(super) struct NotOpened {
    why: String,
    /// Where the server is, once that is known.
    server: Option<String>,
    /// There is a server, and it will never do.
    pub(super) is_unfit: bool,
}

impl NotOpened {
    pub(super) fn new(why: impl fmt::Display) -> NotOpened {
        NotOpened { why: why.to_string(), server: None, is_unfit: false }
    }

    /// The server will never do.
    pub(super) fn unfit(why: impl fmt::Display) -> NotOpened {
        NotOpened { is_unfit: true, ..NotOpened::new(why) }
    }

    /// The same, of this server.
    pub(super) fn at(mut self, server: &Place) -> NotOpened {
        self.server = Some(server.to_string());
        self
    }

    /// What an operation returns that needed the connection.
    pub(super) fn error(&self) -> BackendError {
        let error = BackendError::new(BackendErrorKind::Unreachable).caused_by(self.why.clone());
        error.at_if_known(self.server.clone())
    }
}

/// Which server, and why.
impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.as_ref().map_or(Ok(()), |server| write!(f, "{server}: "))?;
        f.write_str(&self.why)
    }
}

impl From<Unfit> for NotOpened {
    fn from(unfit: Unfit) -> NotOpened {
        NotOpened::unfit(unfit)
    }
}

impl Link {
    /// Connects, asks the server what it is, and begins the heartbeat. To be called on the runtime that is to drive the
    /// connection. `keeper` has the timers: those of a caller's runtime may be paused by a test. `here` is the clock by
    /// which the server's time is estimated.
    pub(super) async fn open(to: &Place, keeper: &Handle, here: &RegionClock) -> Result<Arc<Link>, NotOpened> {
        let opening = async {
            let (reading, writing) = socket::connect(to).await.map_err(NotOpened::new)?;
            let (connection, driver) = Connection::new(reading, writing);
            tokio::spawn(driver);
            let said = asked(&connection, here).await.inspect_err(|_| connection.die(Death::of("it was not used")))?;
            connection.takes(said.largest_item);
            Ok::<_, NotOpened>(Arc::new(Link { connection, said }))
        };
        let link = match unless(opening, || sleep(keeper, OPENING)).await {
            Some(link) => link?,
            None => return Err(NotOpened::new("the server has not answered in time")),
        };
        tokio::spawn(beat(Arc::downgrade(&link), keeper.clone()));
        Ok(link)
    }

    pub(super) fn life(&self) -> Life {
        self.said.life
    }

    /// Now and here, for a step of the protocol.
    pub(super) fn moment(&self) -> Moment {
        Moment { now: self.said.clock.millis(), life: self.said.life }
    }

    /// The server has answered what the command cannot be answered: the connection is of no use any more.
    pub(super) fn odd(&self) -> BackendError {
        self.connection.die(ANOTHER_DIALECT);
        BackendError::new(BackendErrorKind::InDoubt).caused_by(ANOTHER_DIALECT.why)
    }

    /// The largest item that the server takes, in bytes, with its key and what the server keeps beside it.
    pub(super) fn largest_item(&self) -> usize {
        self.said.largest_item
    }

    pub(super) fn is_dead(&self) -> bool {
        self.connection.is_dead()
    }

    /// Asks, and awaits the reply. One round trip.
    pub(super) async fn ask(&self, key: &StoredKey, request: &Request) -> Result<Reply, BackendError> {
        reply(self.question(key, request).await?)
    }

    /// A question of a key.
    fn question<'a>(&'a self, key: &'a StoredKey, request: &'a Request) -> Asking<'a> {
        self.connection.ask(Asked::Of(key, request))
    }

    /// Asks several questions at once, and awaits the replies. One round trip.
    pub(super) async fn ask_all<'a>(
        &'a self,
        questions: impl Iterator<Item = (&'a StoredKey, &'a Request)>,
    ) -> Result<Vec<Reply>, BackendError> {
        let questions = questions.map(|(key, request)| self.question(key, request)).collect();
        all(questions).await?.into_iter().map(reply).collect()
    }

    /// Asks for the server's time and life. Another life: the connection is dead. One round trip.
    pub(super) async fn check(&self) -> Result<(), BackendError> {
        let sent = self.said.clock.here();
        let stats = text(self.connection.ask(Asked::Stats).await?)?;
        let death = match server::beat(&stats) {
            Ok(Beat { life, time }) if life == self.said.life => {
                self.said.clock.told(time, sent);
                return Ok(());
            }
            Ok(_) => Death::of("the server has another life"),
            Err(_) => ANOTHER_DIALECT,
        };
        self.connection.die(death);
        Err(BackendError::new(BackendErrorKind::Unreachable).caused_by(death.why))
    }
}

/// A connection that nobody has any more is closed.
impl Drop for Link {
    fn drop(&mut self) {
        self.connection.die(Death::of("the connection is not used any more"));
    }
}

/// Asks a server what it is.
async fn asked(connection: &Connection, here: &RegionClock) -> Result<Said, NotOpened> {
    let sent = clock::now(here);
    let questions = [Asked::Version, Asked::Stats, Asked::Settings].map(|asked| connection.ask(asked));
    let answers = all(questions.into()).await.and_then(|answers| answers.into_iter().map(text).collect());
    let answers: Vec<Bytes> = answers.map_err(|error| match connection.death() {
        Some(Death { is_dialect: true, .. }) => Unfit::AnotherDialect.into(),
        Some(death) => NotOpened::new(death.why),
        None => error.into(),
    })?;
    let [version, stats, settings] = &answers[..] else { return Err(Unfit::AnotherDialect.into()) };
    server::version(version)?;
    let Beat { life, time } = server::beat(stats)?;
    Ok(Said { life, clock: ServerClock::new(here.clone(), time, sent), largest_item: server::largest_item(settings)? })
}

impl From<BackendError> for NotOpened {
    fn from(error: BackendError) -> NotOpened {
        NotOpened::new(std::error::Error::source(&error).unwrap_or(&error))
    }
}

/// Sends all questions, and awaits the answers: that to the last one comes last.
///
/// If some have failed, the error is in doubt if any of the questions was answered, or may have been.
async fn all(mut questions: Vec<Asking<'_>>) -> Result<Vec<Answer>, BackendError> {
    poll_fn(|cx| {
        // One that is not sent fails when it is awaited.
        for question in &mut questions {
            question.send(cx.waker());
        }
        Poll::Ready(())
    })
    .await;
    let mut answers = Vec::with_capacity(questions.len());
    while let Some(question) = questions.pop() {
        answers.push(question.await);
    }
    answers.reverse();
    let is_sent = |answer: &Result<Answer, BackendError>| {
        answer.as_ref().map_or_else(|error| error.kind() != BackendErrorKind::Unreachable, |_| true)
    };
    let is_any_sent = answers.iter().any(is_sent);
    answers.into_iter().collect::<Result<_, _>>().map_err(|error: BackendError| match error.kind() {
        BackendErrorKind::Unreachable if is_any_sent => error.in_doubt(),
        _ => error,
    })
}

fn reply(answer: Answer) -> Result<Reply, BackendError> {
    match answer {
        Answer::Reply(reply) => Ok(reply),
        Answer::Text(_) => Err(BackendError::new(BackendErrorKind::InDoubt).caused_by(ANOTHER_DIALECT.why)),
    }
}

fn text(answer: Answer) -> Result<Bytes, BackendError> {
    match answer {
        Answer::Text(text) => Ok(text),
        Answer::Reply(_) => Err(BackendError::new(BackendErrorKind::InDoubt).caused_by(ANOTHER_DIALECT.why)),
    }
}

/// Asks a connection for signs of life, until it is dead or nobody has it.
async fn beat(link: Weak<Link>, keeper: Handle) {
    loop {
        sleep(&keeper, HEARTBEAT + Duration::from_millis(fastrand::u64(..=JITTER))).await;
        let Some(link) = link.upgrade().filter(|link| !link.is_dead()) else { return };
        let twice = || async {
            sleep(&keeper, ANSWER).await;
            sleep(&keeper, ANSWER).await;
        };
        if !matches!(unless(link.check(), twice).await, Some(Ok(()))) {
            return link.connection.die(Death::of("the server has not answered a heartbeat"));
        }
    }
}

/// Waits by the timers of the keeper.
pub(super) fn sleep(keeper: &Handle, time: Duration) -> impl Future<Output = ()> + Send + use<> {
    let _entered = keeper.enter();
    Box::pin(tokio::time::sleep(time))
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("life", &self.life()).field("is_dead", &self.is_dead()).finish_non_exhaustive()
    }
}
