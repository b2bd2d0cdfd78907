use super::super::address::Place as At;
use super::super::command::{Command, Only, Request, Slot, Ttl};
use super::super::socket;
use super::*;
use crate::codec::{Format, Shape};
use crate::key::{KeyLimit, Namespace, StoredKey};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::task::Wake;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A bound for what hangs only if it is wrong.
const WATCHDOG: Duration = Duration::from_secs(30);

/// Blocks until something is so.
#[track_caller]
fn until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < WATCHDOG, "it does not come to be so");
        std::thread::yield_now();
    }
}

/// A server that the test plays, line by line.
struct Played {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Played {
    /// Reads until there are so many lines.
    fn hear(&mut self, lines: usize) -> String {
        while self.heard.split(|byte| *byte == b'\n').count() <= lines {
            let mut bytes = [0; 4096];
            let read = self.stream.read(&mut bytes).unwrap();
            assert!(read > 0, "the connection ends");
            self.heard.extend_from_slice(&bytes[..read]);
        }
        String::from_utf8(std::mem::take(&mut self.heard)).unwrap()
    }

    fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }
}

/// A connection, its server, and the runtime of its driver.
struct Ground {
    connection: Arc<Connection>,
    server: Played,
    runtime: Runtime,
}

impl Ground {
    /// Awaits what hangs only if it is wrong.
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(async { tokio::time::timeout(WATCHDOG, future).await.expect("it hangs") })
    }
}

fn ground() -> Ground {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = At::Tcp("127.0.0.1".to_owned(), listener.local_addr().unwrap().port());
    let connection = runtime.block_on(async {
        let (reading, writing) = socket::connect(&at).await.unwrap();
        let (connection, driver) = Connection::new(reading, writing);
        tokio::spawn(driver);
        connection
    });
    connection.takes(1000);
    let server = Played { stream: listener.accept().unwrap().0, heard: Vec::new() };
    server.stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    Ground { connection, server, runtime }
}

fn key(name: &str) -> StoredKey {
    let shape = Shape { schema: 1, format: Format::RAW };
    StoredKey::new(&Namespace::new("ask").unwrap(), name, shape, KeyLimit::NONE)
}

const GET: Request = Request { slot: Slot::Entry, command: Command::Get { win: None } };

/// Stores a value of this length.
fn store(length: usize) -> Request {
    let (head, body, ttl, only) = (Bytes::from(vec![b'x'; length]), Bytes::new(), Ttl::ForEver, Only::Always);
    Request { slot: Slot::Entry, command: Command::Store { head, body, note: 0, ttl, only } }
}

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

fn poll(asking: &mut Asking<'_>) -> Poll<Result<Answer, BackendError>> {
    Pin::new(asking).poll(&mut Context::from_waker(&Waker::from(Arc::new(Nobody))))
}

/// The opaque of a line that was heard.
fn opaque(line: &str) -> &str {
    line.trim_end().rsplit_once(" O").unwrap().1
}

fn value(answer: Answer) -> String {
    match answer {
        Answer::Reply(Reply::Value { value, .. }) => String::from_utf8(value.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn said(line: &str) -> String {
    let name = line.split(' ').nth(1).unwrap();
    format!("VA {} c1 t-1 O{}\r\n{name}\r\n", name.len(), opaque(line))
}

type Answered = Result<Answer, BackendError>;

/// What became of two questions, both of which were sent before the server said something, and of the connection.
fn after(says: impl FnOnce(&mut Played, &str)) -> (Answered, Answered, Option<Death>) {
    let mut ground = ground();
    let (first, second) = (key("first"), key("second"));
    let mut asking = [&first, &second].map(|key| ground.connection.ask(Asked::Of(key, &GET)));
    assert!(asking.iter_mut().all(|asking| poll(asking).is_pending()));
    let heard = ground.server.hear(2);
    says(&mut ground.server, &heard);
    let [first, second] = asking;
    let (first, second) = ground.block_on(async { (first.await, second.await) });
    let death = ground.connection.death();
    assert_eq!(ground.connection.is_dead(), death.is_some());
    (first, second, death)
}

#[test]
fn replies_go_to_their_questions_whatever_was_dropped() {
    let mut ground = ground();
    let keys: Vec<StoredKey> = (0..100).map(|at| key(&format!("{at}"))).collect();
    for round in 0..20 {
        let mut asking: Vec<_> = keys.iter().map(|key| Some(ground.connection.ask(Asked::Of(key, &GET)))).collect();
        // Some are dropped before they are sent, some before their reply, some after it.
        asking.iter_mut().step_by(7).for_each(|asking| *asking = None);
        let mut sent = 0;
        for asking in asking.iter_mut().flatten() {
            assert!(poll(asking).is_pending());
            sent += 1;
        }
        asking.iter_mut().skip(round % 3).step_by(3).for_each(|asking| *asking = None);
        let heard = ground.server.hear(sent);
        let replies: Vec<String> = heard.lines().map(said).collect();
        ground.server.say(&replies.concat());
        for (asking, key) in asking.into_iter().zip(&keys) {
            let Some(asking) = asking else { continue };
            let answer = ground.block_on(asking).unwrap();
            assert_eq!(value(answer), key.full());
        }
    }
    let state = ground.connection.lock();
    assert!(state.places.len() <= 200, "places are used again: {}", state.places.len());
}

#[test]
fn a_question_that_is_dropped_gives_its_place_back() {
    let mut ground = ground();
    let key = key("a");
    for _ in 0..10 {
        let mut asking = [(); 3].map(|()| ground.connection.ask(Asked::Of(&key, &GET)));
        assert!(asking.iter_mut().all(|asking| poll(asking).is_pending()));
        let [first, second, third] = asking;
        drop(first);
        let replies: Vec<String> = ground.server.hear(3).lines().map(said).collect();
        ground.server.say(&replies.concat());
        ground.block_on(third).unwrap();
        drop(second);
        let state = ground.connection.lock();
        assert_eq!((state.places.len(), state.free.len(), state.waiting.len()), (3, 3, 0));
    }
}

#[test]
fn a_reply_to_another_question_ends_the_connection() {
    for (says, is_dialect) in [
        ("EN O7\r\n", true),
        ("EN\r\n", true),
        ("HD O0\r\n", true),
        ("NS O0\r\n", true),
        ("STAT pid 1\r\nEND\r\n", true),
        ("VERSION 1.6.18\r\n", true),
        ("VA 1001 c1 t1 O0\r\n", true),
        ("VA 4294967296 c1 t1 O0\r\n", true),
        ("VALUE a 0 1\r\nx\r\nEND\r\n", true),
        ("SERVER_ERROR busy\r\n", false),
    ] {
        let (first, second, death) = after(|server, _| server.say(says));
        assert_eq!(first.unwrap_err().kind(), BackendErrorKind::InDoubt, "{says:?}");
        assert_eq!(second.unwrap_err().kind(), BackendErrorKind::InDoubt, "{says:?}");
        assert_eq!(death.unwrap().is_dialect, is_dialect, "{says:?}");
    }
}

#[test]
fn a_line_that_is_refused_ends_the_connection() {
    for says in ["CLIENT_ERROR bad command line format\r\n", "ERROR\r\n"] {
        let (first, second, death) = after(|server, _| server.say(says));
        assert_eq!(first.unwrap_err().kind(), BackendErrorKind::Refused);
        assert_eq!(second.unwrap_err().kind(), BackendErrorKind::InDoubt);
        assert!(!death.unwrap().is_dialect);
    }
}

#[test]
fn errors_of_one_request_leave_the_others() {
    for (says, kind) in [
        ("SERVER_ERROR object too large for cache\r\n", BackendErrorKind::TooLarge),
        ("SERVER_ERROR out of memory storing object\r\n", BackendErrorKind::Refused),
    ] {
        let (first, second, death) = after(|server, heard| {
            server.say(says);
            server.say(&format!("EN O{}\r\n", opaque(heard.lines().nth(1).unwrap())));
        });
        assert_eq!(first.unwrap_err().kind(), kind);
        assert!(matches!(second, Ok(Answer::Reply(Reply::Missing))), "{second:?}");
        assert_eq!(death, None);
    }
}

#[test]
fn what_was_never_written_is_unreachable() {
    let mut ground = ground();
    let (key, large) = (key("a"), store(8 << 20));
    let mut asking: Vec<_> = (0..3).map(|_| ground.connection.ask(Asked::Of(&key, &large))).collect();
    // The first one is in the driver's hand, as the server reads nothing; those behind it wait in the queue.
    assert!(poll(&mut asking[0]).is_pending());
    until(|| ground.connection.lock().is_writing);
    assert!(asking[1..].iter_mut().all(|asking| poll(asking).is_pending()));
    ground.connection.die(Death::of("the test says so"));
    let kinds: Vec<_> = asking.into_iter().map(|asking| ground.block_on(asking).unwrap_err().kind()).collect();
    assert_eq!(kinds, [BackendErrorKind::InDoubt, BackendErrorKind::Unreachable, BackendErrorKind::Unreachable]);
    let late = ground.block_on(ground.connection.ask(Asked::Of(&key, &GET))).unwrap_err();
    assert_eq!(late.kind(), BackendErrorKind::Unreachable);
    assert_eq!(late.source().unwrap().to_string(), "the test says so");
    // The stream is closed.
    while ground.server.stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
}

#[test]
fn a_queue_has_a_bound() {
    let ground = ground();
    let (key, large) = (key("a"), store(16 << 20));
    let mut asking: Vec<_> = (0..12).map(|_| ground.connection.ask(Asked::Of(&key, &large))).collect();
    let refused = asking.iter_mut().filter_map(|asking| match poll(asking) {
        Poll::Ready(Err(error)) => Some(error.kind()),
        _ => None,
    });
    let refused: Vec<_> = refused.collect();
    assert!(refused.len() >= 2 && refused.iter().all(|kind| *kind == BackendErrorKind::Unreachable), "{refused:?}");
}

#[test]
fn the_end_of_a_runtime_ends_its_connection() {
    let mut ground = ground();
    let key = key("a");
    let mut asking = ground.connection.ask(Asked::Of(&key, &GET));
    assert!(poll(&mut asking).is_pending());
    ground.server.hear(1);
    ground.runtime.shutdown_background();
    until(|| ground.connection.is_dead());
    match poll(&mut asking) {
        Poll::Ready(Err(error)) => assert_eq!(error.kind(), BackendErrorKind::InDoubt),
        other => panic!("{other:?}"),
    }
}

/// Each reply, however it is cut into pieces.
#[test]
fn replies_may_come_in_any_pieces() {
    let mut ground = ground();
    let key = key("a");
    for cut in 0..60 {
        let mut asking = [(); 2].map(|()| ground.connection.ask(Asked::Of(&key, &GET)));
        assert!(asking.iter_mut().all(|asking| poll(asking).is_pending()));
        let replies: String = ground.server.hear(2).lines().map(said).collect();
        let (one, other) = replies.split_at(cut.min(replies.len()));
        ground.server.say(one);
        ground.server.say(other);
        let [first, second] = asking;
        let both = ground.block_on(async { (first.await, second.await) });
        assert_eq!((value(both.0.unwrap()), value(both.1.unwrap())), (key.full().to_owned(), key.full().to_owned()));
    }
}
