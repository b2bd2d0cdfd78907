//! One connection: what its server has said before anything was asked of it, and what is asked.

use super::address::Address;
use super::clock::{self, ServerClock};
use super::failure::{Failure, another_dialect};
use super::request::{Request, get, mget};
use super::server::{self, Said, Unfit};
use crate::backend::gather::{self, Keys, Looks, LooksAt};
use crate::backend::{BackendError, BackendErrorKind, Life};
use crate::time::unless;
use crossbeam_utils::CachePadded;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, Pipeline, PushInfo, PushKind, RedisError, Value};
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// How long a connection may take to be made, with all that is asked before it is used.
pub(super) const OPENING: Duration = Duration::from_secs(2);

/// How often a connection is asked whether it is there still: also the longest time for which a step of the server's
/// clock, or a failover that has left the connection open, is not known.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long the answer to a heartbeat may take, twice: a runtime whose only thread was blocked has not seen the answer
/// when the first one is over.
const ANSWER: Duration = Duration::from_secs(2);

/// What is done with the messages that nobody has asked for.
pub(super) type OnPush = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// One connection.
///
/// It is dead once the server, or the network, has closed it, once it has not answered a heartbeat, or once a heartbeat
/// has shown another life. Those who wait for a reply of a dead connection are told so at once.
pub(super) struct Link {
    connection: MultiplexedConnection,
    /// Where the server is.
    pub(super) at: ConnectionAddr,
    pub(super) said: Said,
    pub(super) clock: ServerClock,
    end: Arc<End>,
    looks: Looks<Link>,
    /// The user has no right to `MGET`.
    has_no_mget: AtomicBool,
}

/// What a look has found.
pub(super) struct Looked {
    pub(super) text: Value,
    /// The server's time when the reply came, in milliseconds since the Unix epoch. (One reading of the clock serves
    /// all looks of a batch.)
    pub(super) now: u64,
}

/// Whether a connection is dead.
struct End {
    is_dead: AtomicBool,
    /// Several, so that two threads that await replies rarely meet.
    died: [CachePadded<Notify>; 8],
    on_push: Option<OnPush>,
}

impl End {
    fn new(on_push: Option<OnPush>) -> Arc<End> {
        Arc::new(End { is_dead: AtomicBool::new(false), died: Default::default(), on_push })
    }

    /// The connection is dead. That is told once, as the message that there is no connection any more.
    fn die(&self) {
        // Release, with the acquire of `is_dead`. The notification alone would not reach those who ask later.
        if self.is_dead.swap(true, Ordering::Release) {
            return;
        }
        self.died.iter().for_each(|died| died.notify_waiters());
        if let Some(on_push) = &self.on_push {
            on_push(PushInfo { kind: PushKind::Disconnection, data: Vec::new() });
        }
    }

    fn pushed(&self, push: PushInfo) {
        match &self.on_push {
            _ if push.kind == PushKind::Disconnection => self.die(),
            Some(on_push) => on_push(push),
            None => {}
        }
    }

    fn is_dead(&self) -> bool {
        // Acquire, with the release of `die`: a connection that is made instead is made after that.
        self.is_dead.load(Ordering::Acquire)
    }
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(super) struct NotOpened {
    pub(super) why: String,
    /// Where the server is, once that is known.
    server: Option<String>,
    /// There is a server, and it will never do.
    pub(super) is_unfit: bool,
    /// There is a server, and it is a replica now.
    pub(super) is_replica: bool,
}

impl NotOpened {
    pub(super) fn new(why: impl fmt::Display) -> NotOpened {
        NotOpened { why: why.to_string(), server: None, is_unfit: false, is_replica: false }
    }

    /// The same, of this server, unless it is of another one.
    pub(super) fn at(mut self, server: &Address) -> NotOpened {
        self.server.get_or_insert_with(|| format!("{server:?}"));
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
        let is_unfit = matches!(unfit, Unfit::TooOld(_) | Unfit::AnotherDialect);
        NotOpened { is_unfit, is_replica: unfit == Unfit::Replica, ..NotOpened::new(unfit) }
    }
}

/// What the client says, without what it was configured with.
impl From<RedisError> for NotOpened {
    fn from(error: RedisError) -> NotOpened {
        // Each server that is new enough has the protocol.
        let is_unfit = matches!(error.kind(), redis::ErrorKind::RESP3NotSupported);
        let why = match error.code() {
            _ if is_unfit => "the server is older than Redis 6".to_owned(),
            Some(code) => format!("the server has answered {code}"),
            None => error.category().to_owned(),
        };
        NotOpened { is_unfit, ..NotOpened::new(why) }
    }
}

impl Link {
    /// Connects, asks the server what it is, and begins the heartbeat. To be called on the runtime that is to drive the
    /// connection. `keeper` has the timers: those of a caller's runtime may be paused by a test.
    pub(super) async fn open(at: &Address, keeper: &Handle, on_push: Option<OnPush>) -> Result<Arc<Link>, NotOpened> {
        let opening = async {
            let end = End::new(on_push);
            let config = config(Arc::clone(&end));
            let to = at.find(keeper).await?;
            let at = to.addr().clone();
            let mut connection = Client::open(to)?.get_multiplexed_async_connection_with_config(&config).await?;
            let sent = clock::now();
            let questions = server::questions();
            let replies = connection.send_packed_commands(&questions, 0, questions.len()).await?;
            let said = server::answers(&replies)?;
            let clock = ServerClock::new(said.time, sent);
            let (looks, has_no_mget) = (Looks::new(), AtomicBool::new(false));
            Ok::<_, NotOpened>(Arc::new(Link { connection, at, said, clock, end, looks, has_no_mget }))
        };
        let link = match unless(opening, || sleep(keeper, OPENING)).await {
            Some(link) => link?,
            None => return Err(NotOpened::new("the server has not answered in time")),
        };
        tokio::spawn(beat(Beating(Arc::downgrade(&link)), keeper.clone()));
        Ok(link)
    }

    pub(super) fn life(&self) -> Life {
        self.said.life
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

    /// Asks, and awaits the reply. One round trip; two, once, for a script that the server does not know yet.
    pub(super) async fn ask(self: &Arc<Self>, request: &Request, is_asking: bool) -> Result<Value, Failure> {
        if let Request::Look(key) = request
            && !is_asking
        {
            return Ok(self.look(&[key]).await?.text);
        }
        let reply = self.send(&request.command(&self.said), is_asking).await;
        let reply = match reply {
            Err(Failure::NoScript) => match request.in_full(&self.said) {
                Some(in_full) => Box::pin(self.send(&in_full, is_asking)).await,
                None => reply,
            },
            reply => reply,
        };
        // A script that signals makes several changes before.
        if request.signals() { reply.map_err(Failure::of_changes) } else { reply }
    }

    /// Asks for the text of the key that has these parts, and awaits the reply. One round trip, perhaps by
    /// [one request](gather) with other looks.
    pub(super) async fn look(self: &Arc<Self>, key: &[&str]) -> Result<Looked, Failure> {
        let Looked { text, now } = gather::look(self, key, ()).await?;
        Ok(Looked { text: self.value(text)?, now })
    }

    /// `is_asking`: the server may have the key already, while another one has its slot still.
    pub(super) async fn send(&self, command: &Cmd, is_asking: bool) -> Result<Value, Failure> {
        if !is_asking {
            let mut connection = self.connection.clone();
            // (Pinned here, or each future that it is handed to would have room for it.)
            let sending = pin!(connection.send_packed_command(command));
            let reply = self.unless_dead(sending).await?;
            return self.value(reply);
        }
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command.clone());
        let reply = Box::pin(self.send_all(&both)).await?.pop().expect("there is a reply to each command");
        self.value(reply)
    }

    /// Sends several commands, and awaits their replies, each of which may be an error. One round trip.
    pub(super) async fn send_all(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        let mut connection = self.connection.clone();
        let sending = pin!(connection.send_packed_commands(commands, 0, commands.len()));
        let replies = self.unless_dead(sending).await?;
        if replies.len() == commands.len() { Ok(replies) } else { Err(self.broken(another_dialect())) }
    }

    /// Asks for the texts of some keys, and awaits the replies, each of which may be an error. One round trip; two,
    /// once, on a connection whose user may not use `MGET`.
    ///
    /// A server alone is asked by one `MGET`, which costs the server and the client a fraction of so many `GET`s. The
    /// keys of a Cluster lie in many slots, which one command must not name.
    pub(super) async fn texts<'a>(
        &self,
        keys: impl ExactSizeIterator<Item = &'a str> + Clone,
    ) -> Result<Vec<Value>, Failure> {
        // Relaxed: it decides what is cheaper, and nothing else.
        if !self.said.is_cluster && !self.has_no_mget.load(Ordering::Relaxed) {
            let command = mget(keys.clone());
            match self.send(&command, false).await {
                Ok(Value::Array(texts)) if texts.len() == keys.len() => return Ok(texts),
                Ok(_) => return Err(Failure::Broken(another_dialect())),
                // The server may still answer for each key.
                Err(failure) if failure.is_of_the_request() => self.has_no_mget.store(true, Ordering::Relaxed),
                Err(failure) => return Err(failure),
            }
        }
        let mut commands = Pipeline::with_capacity(keys.len());
        keys.for_each(|key| {
            commands.add_command(get(&[key]));
        });
        Box::pin(self.send_all(&commands)).await
    }

    /// Returns a reply, unless it is an error.
    pub(super) fn value(&self, reply: Value) -> Result<Value, Failure> {
        reply.extract_error().map_err(|error| self.failed(&error))
    }

    async fn unless_dead<T>(&self, sending: impl Future<Output = Result<T, RedisError>>) -> Result<T, Failure> {
        // Made before the question: a death between the two is noticed by one of them.
        let died = self.end.died[fastrand::usize(..self.end.died.len())].notified();
        if self.is_dead() {
            let error = BackendError::new(BackendErrorKind::Unreachable).caused_by("the connection is closed");
            return Err(self.broken(error));
        }
        match unless(sending, || died).await {
            Some(reply) => reply.map_err(|error| self.failed(&error)),
            None => Err(self.broken(BackendError::new(BackendErrorKind::InDoubt).caused_by("the connection was lost"))),
        }
    }

    /// The failure of an operation, by which the connection is of no use any more.
    fn broken(&self, error: BackendError) -> Failure {
        Failure::Broken(error.at(&self.at))
    }

    /// What an operation returns that has failed.
    pub(super) fn error(&self, failure: Failure) -> BackendError {
        failure.error().at(&self.at)
    }

    fn failed(&self, error: &RedisError) -> Failure {
        let failure = Failure::of(error).at(&self.at);
        if let Failure::Broken(_) = failure {
            self.die();
        }
        failure
    }

    /// Asks for the server's time and history. Another history is another life: the connection is dead. One round trip.
    pub(super) async fn check(&self) -> Result<(), Failure> {
        let sent = clock::now();
        let replies = self.send_all(&server::heartbeat()).await?;
        match server::beats(&replies) {
            Ok((history, time)) if history == self.said.history => {
                self.clock.told(time, sent);
                Ok(())
            }
            other => {
                self.die();
                let why =
                    other.err().map_or("the server's data have another history".to_owned(), |why| why.to_string());
                Err(self.broken(BackendError::new(BackendErrorKind::Unreachable).caused_by(why)))
            }
        }
    }
}

/// A server alone answers a batch by one `MGET`, which has no error for one key: it gives nothing for a key that has no
/// text. An error that is answered to one of several `GET`s is the reply to that look alone.
impl LooksAt for Link {
    type Of = ();
    type Reply = Looked;
    type Failure = Failure;

    fn looks(&self) -> &Looks<Link> {
        &self.looks
    }

    async fn look_at_one(&self, key: &[&str], (): ()) -> Result<Looked, Failure> {
        let text = self.send(&get(key), false).await?;
        Ok(Looked { text, now: self.clock.millis() })
    }

    async fn look_at_all(&self, keys: Keys<()>) -> Result<Vec<Looked>, Failure> {
        let texts = self.texts(keys.all().map(|(key, ())| key)).await?;
        let now = self.clock.millis();
        Ok(texts.into_iter().map(|text| Looked { text, now }).collect())
    }

    fn long(reply: &Looked) -> usize {
        if let Value::BulkString(text) = &reply.text { text.len() } else { 0 }
    }

    fn lost(&self) -> Failure {
        self.broken(BackendError::new(BackendErrorKind::InDoubt).caused_by("the connection was lost"))
    }
}

fn config(end: Arc<End>) -> AsyncConnectionConfig {
    let pushed = move |push: PushInfo| {
        end.pushed(push);
        Ok::<(), ()>(())
    };
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None).set_push_sender(pushed)
}

/// Kills the connection if its runtime goes away, and drops the heartbeat.
struct Beating(Weak<Link>);

impl Drop for Beating {
    fn drop(&mut self) {
        if let Some(link) = self.0.upgrade() {
            link.die();
        }
    }
}

/// Asks a connection for signs of life, until it is dead or nobody has it.
async fn beat(beating: Beating, keeper: Handle) {
    loop {
        sleep(&keeper, HEARTBEAT).await;
        let Some(link) = beating.0.upgrade().filter(|link| !link.is_dead()) else { return };
        let twice = || async {
            sleep(&keeper, ANSWER).await;
            sleep(&keeper, ANSWER).await;
        };
        if !matches!(unless(link.check(), twice).await, Some(Ok(()))) {
            return link.lose();
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
        f.debug_struct("Link").field("life", &self.said.life).field("is_dead", &self.is_dead()).finish_non_exhaustive()
    }
}
