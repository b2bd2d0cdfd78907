//! One connection: what its server has said before anything was asked of it, and what is asked.

use super::address::Address;
use super::failure::{Answered, Failure, another_dialect, is_of_the_tables};
use super::reply::{self, Looked};
use super::sql::Call;
use super::tls::Secured;
use super::what::{IS_A_POOLER, Settings, What};
use crate::backend::gather::{self, Keys, Looks, LooksAt};
use crate::backend::{BackendError, BackendErrorKind, Life};
use crate::time::unless;
use crate::together::together;
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Connection, Error, Row, Socket, Statement};

/// How long a connection may take to be made, with all that is asked before it is used.
pub(super) const OPENING: Duration = Duration::from_secs(2);

/// How often a connection is asked whether it is there still.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long the answer to a heartbeat may take, twice: a runtime whose only thread was blocked has not seen the answer
/// when the first one is over.
const ANSWER: Duration = Duration::from_secs(2);

/// How long a statement may take. Counts alone wait for others.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Looks,
    /// Claims, and what holders ask. None of it waits.
    Claims,
    /// What is tried again where another has the place, the culling, and counts, which alone wait for their row.
    Changes,
    Signals,
}

impl Purpose {
    fn calls(self) -> &'static [Call] {
        match self {
            // (All others find another life by the first function that they call.)
            Purpose::Looks => &[Call::Look, Call::LookMany, Call::Get, Call::Alive],
            Purpose::Claims => &[Call::Claim, Call::Renew, Call::Publish, Call::End, Call::Bury, Call::BuryCounter],
            Purpose::Changes => &[
                Call::Set,
                Call::Touch,
                Call::Mark,
                Call::Invalidate,
                Call::Cull,
                Call::Holder,
                Call::Count,
                Call::Reset,
            ],
            Purpose::Signals => &[Call::Wait, Call::Probe, Call::Tell],
        }
    }

    fn settings(self) -> Settings {
        Settings::new(TIMEOUT, self == Purpose::Changes)
    }
}

/// What is done with what a connection for signals brings: the text of a signal, or `None` once the connection is dead.
pub(super) type OnNote = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// One connection.
///
/// It is dead once the server, or the network, has closed it, or once it has not answered a heartbeat. Those who wait
/// for a result of a dead connection are told so at once.
pub(super) struct Link {
    client: Client,
    pub(super) life: Life,
    statements: Vec<(Call, Statement)>,
    end: Arc<End>,
    looks: Looks<Link>,
    /// Whether the connection listens to the channel.
    pub(super) listens: AtomicBool,
}

/// Whether a connection is dead.
struct End {
    is_dead: AtomicBool,
    died: Notify,
    on_note: Option<OnNote>,
}

impl End {
    /// The connection is dead. That is told once.
    fn die(&self) {
        // Release, with the acquire of `is_dead`. The notification alone would not reach those who ask later.
        if self.is_dead.swap(true, Ordering::Release) {
            return;
        }
        self.died.notify_waiters();
        if let Some(on_note) = &self.on_note {
            on_note(None);
        }
    }

    fn is_dead(&self) -> bool {
        // Acquire, with the release of `die`: a connection that is made instead is made after that.
        self.is_dead.load(Ordering::Acquire)
    }

    /// Waits for the death of the connection.
    async fn death(&self) {
        // Made before the question: a death between the two is noticed by one of them.
        let mut died = pin!(self.died.notified());
        died.as_mut().enable();
        if !self.is_dead() {
            died.await;
        }
    }
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(super) struct NotOpened {
    pub(super) why: String,
    /// There is a server, and it will never do.
    pub(super) is_unfit: bool,
}

impl NotOpened {
    pub(super) fn new(why: impl fmt::Display) -> NotOpened {
        NotOpened { why: why.to_string(), is_unfit: false }
    }

    pub(super) fn unfit(why: impl fmt::Display) -> NotOpened {
        NotOpened { is_unfit: true, ..NotOpened::new(why) }
    }

    /// What an operation returns that needed the connection.
    pub(super) fn error(&self) -> BackendError {
        BackendError::new(BackendErrorKind::Unreachable).caused_by(self.why.clone())
    }
}

/// What the client says, without what it was configured with.
impl From<Error> for NotOpened {
    fn from(error: Error) -> NotOpened {
        let Some(server) = error.as_db_error() else {
            // (What a handshake, or the operating system, says of it.)
            return match std::error::Error::source(&error) {
                Some(source) => NotOpened::new(format!("{error}: {source}")),
                None => NotOpened::new(error),
            };
        };
        let answered = Answered::of(server);
        match *server.code() {
            // The settings of the session come with its first message. A pooler does not take them, or a server does
            // not know them.
            SqlState::PROTOCOL_VIOLATION => NotOpened::unfit(format!("{answered}: {IS_A_POOLER}")),
            SqlState::UNDEFINED_OBJECT => NotOpened::unfit(format!("{answered}: the server is too old")),
            ref code => NotOpened { is_unfit: is_of_the_tables(code), ..NotOpened::new(answered) },
        }
    }
}

/// A connection to a server, with nothing prepared, and what drives it.
pub(super) struct Raw {
    pub(super) client: Client,
    pub(super) connection: Connection<Socket, Secured>,
}

impl Raw {
    /// Connects. To be called on the runtime that is to drive the connection. It has no time-out of its own: that would
    /// go by the timers of that runtime, which a test may have paused.
    pub(super) async fn open(at: &Address, settings: &Settings) -> Result<Raw, NotOpened> {
        let (tls, mode) = at.trust.connector()?;
        let (client, connection) = settings.of_session(&at.config).ssl_mode(mode).connect(tls).await?;
        Ok(Raw { client, connection })
    }
}

impl Link {
    /// Connects, asks the server what it is, and begins the heartbeat. To be called on the runtime that is to drive the
    /// connection. `keeper` has the timers: those of a caller's runtime may be paused by a test.
    pub(super) async fn open(
        at: &Address,
        purpose: Purpose,
        keeper: &Handle,
        on_note: Option<OnNote>,
    ) -> Result<Arc<Link>, NotOpened> {
        let opening = async {
            let settings = purpose.settings();
            let Raw { client, connection } = Raw::open(at, &settings).await?;
            let end = Arc::new(End { is_dead: AtomicBool::new(false), died: Notify::new(), on_note });
            tokio::spawn(drive(connection, Driving(Arc::clone(&end))));
            let link = async {
                let what = What::ask(&client, at, &settings).await?;
                let life = what.life(&client, at).await?;
                let prepared = purpose.calls().iter().map(|call| {
                    let (client, text) = (&client, call.text(&at.schema));
                    async move { Ok::<_, NotOpened>((*call, client.prepare(&text).await?)) }
                });
                let statements = together(prepared).await?;
                Ok::<_, NotOpened>((life, statements))
            };
            match link.await {
                Ok((life, statements)) => {
                    let (looks, listens) = (Looks::new(), AtomicBool::new(false));
                    Ok(Arc::new(Link { client, life, statements, end, looks, listens }))
                }
                Err(not) => {
                    end.die();
                    Err(not)
                }
            }
        };
        let link = match unless(Box::pin(opening), || sleep(keeper, OPENING)).await {
            Some(link) => link?,
            None => return Err(NotOpened::new("the server has not answered in time")),
        };
        keeper.spawn(beat(Arc::downgrade(&link)));
        Ok(link)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.end.is_dead()
    }

    /// Nothing more is to be asked of the connection.
    pub(super) fn die(&self) {
        self.end.die();
    }

    /// The same; its looks are told, whose runtime may stand still.
    pub(super) fn lose(&self) {
        self.die();
        self.looks.lose(|| self.lost());
    }

    /// Returns whether a call is of the connection's purpose.
    fn knows(&self, call: Call) -> bool {
        self.statements.iter().any(|(known, _)| *known == call)
    }

    /// Looks at the entry of a place in a shape. One round trip, perhaps by [one request](gather) with other looks.
    pub(super) async fn look(self: &Arc<Self>, place: &str, shape: (i64, i16)) -> Result<Looked, Failure> {
        gather::look(self, &[place], shape).await
    }

    /// Executes a statement. One round trip.
    pub(super) async fn ask(&self, call: Call, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
        let (_, statement) = self.statements.iter().find(|(known, _)| *known == call).expect("a call of its purpose");
        let asked = pin!(self.client.query(statement, parameters));
        self.unless_dead(asked).await
    }

    /// Executes a statement that has no results. One round trip.
    pub(super) async fn execute(&self, text: &str) -> Result<(), Failure> {
        self.unless_dead(Box::pin(self.client.batch_execute(text))).await
    }

    /// Makes a round trip that does nothing.
    pub(super) async fn check(&self) -> Result<(), Failure> {
        self.unless_dead(Box::pin(self.client.check_connection())).await
    }

    async fn unless_dead<T>(&self, asked: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        if self.is_dead() {
            let error = BackendError::new(BackendErrorKind::Unreachable).caused_by("the connection is closed");
            return Err(Failure::Broken(error));
        }
        let result = match unless(asked, || self.end.death()).await {
            Some(result) => result.map_err(|error| Failure::of(&error)),
            None => {
                Err(Failure::Broken(BackendError::new(BackendErrorKind::InDoubt).caused_by("the connection was lost")))
            }
        };
        if let Err(Failure::Broken(_)) = result {
            self.die();
        }
        result
    }
}

/// A batch is one statement, which fails as one, and has one [time-out](TIMEOUT): after that looks go by themselves.
impl LooksAt for Link {
    type Of = (i64, i16);
    type Reply = Looked;
    type Failure = Failure;

    fn looks(&self) -> &Looks<Link> {
        &self.looks
    }

    async fn look_at_one(&self, place: &[&str], (schema, format): (i64, i16)) -> Result<Looked, Failure> {
        let place = place.concat();
        let rows = self.ask(Call::Look, &[&place.as_bytes(), &schema, &format]).await?;
        let [row] = &rows[..] else { return Err(Failure::Backend(another_dialect())) };
        reply::look(row, self.life).map_err(Failure::Backend)
    }

    async fn look_at_all(&self, keys: Keys<(i64, i16)>) -> Result<Vec<Looked>, Failure> {
        let places: Vec<_> = keys.all().map(|(place, _)| place.as_bytes()).collect();
        let (schemas, formats): (Vec<_>, Vec<_>) = keys.all().map(|(_, shape)| shape).unzip();
        let rows = self.ask(Call::LookMany, &[&places, &schemas, &formats]).await?;
        if rows.len() != places.len() {
            return Err(Failure::Backend(another_dialect()));
        }
        // (Each row goes once its value is copied.)
        rows.into_iter().map(|row| reply::look(&row, self.life).map_err(Failure::Backend)).collect()
    }

    fn long((look, _): &Looked) -> usize {
        look.entry.as_ref().map_or(0, Bytes::len)
    }

    fn lost(&self) -> Failure {
        Failure::Broken(BackendError::new(BackendErrorKind::InDoubt).caused_by("the connection was lost"))
    }
}

/// Kills the connection when what drives it goes away, with its runtime.
struct Driving(Arc<End>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.die();
    }
}

/// Drives a connection until it is closed, or nothing more is to be asked of it.
async fn drive(mut connection: Connection<Socket, Secured>, driving: Driving) {
    let end = Arc::clone(&driving.0);
    let driven = async {
        loop {
            match poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notification(note))) => {
                    if let Some(on_note) = &end.on_note {
                        on_note(Some(note.payload()));
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    };
    unless(Box::pin(driven), || end.death()).await;
    drop(driving);
}

/// Asks a connection for signs of life, and that of looks whether it is the life that the connection has shown, until
/// it is dead or nobody has it.
async fn beat(link: Weak<Link>) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let Some(link) = link.upgrade().filter(|link| !link.is_dead()) else { return };
        let twice = || async {
            tokio::time::sleep(ANSWER).await;
            tokio::time::sleep(ANSWER).await;
        };
        let asked = async {
            if link.knows(Call::Alive) { link.ask(Call::Alive, &[]).await.map(drop) } else { link.check().await }
        };
        match unless(Box::pin(asked), || Box::pin(twice())).await {
            // (An error of the statement alone is an answer, too.)
            Some(Ok(()) | Err(Failure::Backend(_))) => {}
            // What has broken it is another life, or its end.
            Some(Err(Failure::Broken(_))) | None => return link.lose(),
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
        f.debug_struct("Link").field("life", &self.life).field("is_dead", &self.is_dead()).finish_non_exhaustive()
    }
}
