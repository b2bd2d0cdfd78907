//! What `Faulty` does to operations, and that the laws of a backend hold behind it.

use bytes::Bytes;
use dogpile::ManualClock;
use dogpile_cache::backend::{
    Backend, BackendError, BackendErrorKind, Change, Claim, Claimed, Count, Counted, Entry, Fault, Faulty, Grant,
    Limits, Memory, PauseFor, Published, Renewed, Signal, Token,
};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use fastrand::Rng;
use std::env;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(10);

type Shared = Arc<Memory<ManualClock>>;

fn memory() -> Shared {
    Arc::new(Memory::with_clock(ManualClock::new()))
}

fn key() -> StoredKey {
    let shape = Shape { schema: 1, format: Format::RAW };
    StoredKey::new(&Namespace::new("faulty").unwrap(), "key", shape, KeyLimit::NONE)
}

/// Polls a future until it is ready, and says how often that was.
fn polled<T>(future: impl Future<Output = T>) -> (T, u32) {
    let mut future = pin!(future);
    for number in 1..1000 {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return (answer, number);
        }
    }
    panic!("the future is never ready");
}

fn done<T>(future: impl Future<Output = T>) -> T {
    polled(future).0
}

fn entry() -> Entry {
    Entry { bytes: Bytes::from_static(b"value"), lifetime: None }
}

fn claim() -> Claim {
    Claim::new(Token::random(), LEASE)
}

fn add() -> Count {
    Count::Add { delta: 1, ceiling: u64::MAX, lifetime: None }
}

fn counted(backend: &impl Backend) -> u64 {
    match done(backend.count(&key(), Count::Get)).unwrap() {
        Counted::Now(value) | Counted::TooLarge(value) => value,
    }
}

/// What one addition that meets a fault returns, and what it has done by then, and after late requests have come.
fn meet(fault: Fault) -> (Result<Counted, BackendErrorKind>, u64, u64) {
    let faulty = Faulty::new(memory(), 7).with(fault, 1.0);
    let answer = done(faulty.count(&key(), add())).map_err(|error| error.kind());
    assert_eq!((faulty.count_of(fault), faulty.operations()), (1, 1));
    let at_once = counted(faulty.backend());
    done(faulty.deliver());
    (answer, at_once, counted(faulty.backend()))
}

#[test]
fn each_fault_does_what_it_says() {
    use BackendErrorKind::{InDoubt, Refused, Unreachable};
    assert_eq!(meet(Fault::Unreachable), (Err(Unreachable), 0, 0));
    assert_eq!(meet(Fault::Refused), (Err(Refused), 0, 0));
    assert_eq!(meet(Fault::RequestLost), (Err(InDoubt), 0, 0));
    assert_eq!(meet(Fault::RequestLate), (Err(InDoubt), 0, 1));
    assert_eq!(meet(Fault::ReplyLost), (Err(InDoubt), 1, 1));
    assert_eq!(meet(Fault::RequestDoubled), (Ok(Counted::Now(1)), 2, 2));
    assert_eq!(meet(Fault::Delayed), (Ok(Counted::Now(1)), 1, 1));
}

/// Each operation, by each fault.
#[test]
fn each_operation_meets_faults() {
    let (key, keys) = (key(), [key()]);
    for (fault, kind) in [
        (Fault::Unreachable, BackendErrorKind::Unreachable),
        (Fault::Refused, BackendErrorKind::Refused),
        (Fault::RequestLost, BackendErrorKind::InDoubt),
        (Fault::RequestLate, BackendErrorKind::InDoubt),
        (Fault::ReplyLost, BackendErrorKind::InDoubt),
    ] {
        let faulty = Faulty::new(memory(), 3).with(fault, 1.0);
        let life = faulty.backend().life();
        let grant = Grant { token: Token::random(), life, cas: 0 };
        let change = Change::MarkStale { beside: Vec::new() };
        let errors: [BackendError; 8] = [
            done(faulty.look(&keys, None)).unwrap_err(),
            done(faulty.claim(&key, claim())).unwrap_err(),
            done(faulty.renew(&key, &grant, LEASE)).unwrap_err(),
            done(faulty.publish(&key, &grant, entry())).unwrap_err(),
            done(faulty.end(&key, &grant, None)).unwrap_err(),
            done(faulty.change(&key, change)).unwrap_err(),
            done(faulty.count(&key, add())).unwrap_err(),
            done(faulty.ping()).unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind(), error.is_in_doubt()), (kind, kind == BackendErrorKind::InDoubt));
            assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "by the seed 3");
        }
        assert_eq!((faulty.count_of(fault), faulty.operations()), (8, 8));
        assert_eq!(faulty.limits(), faulty.backend().limits());
    }
}

/// A request that is late takes effect before one of the next few operations, for each kind of operation.
#[test]
fn late_requests_arrive() {
    let key = key();
    let waits = |faulty: &Faulty<Shared>| {
        faulty.set_rate(Fault::RequestLate, 0.0);
        let there = || done(faulty.backend().look(std::slice::from_ref(&key), None)).unwrap().remove(0);
        let before = (there().rest, there().seen);
        (1..=4).find(|_| {
            done(faulty.ping()).unwrap();
            (there().rest, there().seen) != before
        })
    };
    let late = |seed| Faulty::new(memory(), seed).with(Fault::RequestLate, 1.0);
    let mut latenesses = Vec::new();
    for seed in 0..20 {
        let faulty = late(seed);
        done(faulty.claim(&key, claim())).unwrap_err();
        latenesses.push(waits(&faulty).expect("the claim has not arrived"));

        let faulty = late(seed);
        let Claimed::Granted { grant, .. } = done(faulty.backend().claim(&key, claim())).unwrap() else { panic!() };
        done(faulty.publish(&key, &grant, entry())).unwrap_err();
        waits(&faulty).expect("the publication has not arrived");

        let faulty = late(seed);
        let Claimed::Granted { grant, .. } = done(faulty.backend().claim(&key, claim())).unwrap() else { panic!() };
        done(faulty.renew(&key, &grant, LEASE)).unwrap_err();
        waits(&faulty).expect("the renewal has not arrived");
        faulty.set_rate(Fault::RequestLate, 1.0);
        done(faulty.end(&key, &grant, Some(PauseFor { failures: 1, pause: LEASE }))).unwrap_err();
        waits(&faulty).expect("the end has not arrived");

        let faulty = late(seed);
        done(faulty.change(&key, Change::Set { entry: entry(), void_pause: LEASE })).unwrap_err();
        waits(&faulty).expect("the change has not arrived");
    }
    latenesses.sort_unstable();
    latenesses.dedup();
    assert_eq!(latenesses, [1, 2, 3, 4]);
}

#[test]
fn a_delay_is_polls_or_what_it_is_set_to() {
    let faulty = Faulty::new(memory(), 5).with(Fault::Delayed, 1.0);
    let (mut counts, mut before) = (Vec::new(), 0);
    for number in 0..200 {
        let key = key();
        let mut pending = faulty.count(&key, add());
        let mut context = Context::from_waker(Waker::noop());
        assert!(pending.as_mut().poll(&mut context).is_pending(), "no delay");
        // Either the request is delayed, or the reply.
        before += u32::from(counted(faulty.backend()) == number);
        counts.push(polled(pending).1);
        assert_eq!(counted(faulty.backend()), number + 1);
    }
    assert_eq!((counts.iter().min(), counts.iter().max()), (Some(&1), Some(&7)));
    assert!((50..150).contains(&before), "{before} requests of 200 were delayed");

    let delays = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&delays);
    let faulty = Faulty::new(memory(), 5).with(Fault::Delayed, 1.0).delayed_by(move |part| {
        assert!((0.0..1.0).contains(&part));
        seen.fetch_add(1, Ordering::Relaxed);
        std::future::ready(())
    });
    for _ in 0..10 {
        assert_eq!(polled(faulty.ping()).1, 1);
    }
    assert_eq!((delays.load(Ordering::Relaxed), faulty.count_of(Fault::Delayed)), (10, 10));
    // Beside another fault.
    faulty.set_rate(Fault::Unreachable, 1.0);
    done(faulty.ping()).unwrap_err();
    assert_eq!((faulty.count_of(Fault::Delayed), faulty.count_of(Fault::Unreachable)), (11, 1));
}

/// A request that is delayed has no effect once it is dropped; one whose reply is delayed has.
#[test]
fn a_dropped_operation_is_before_or_after_its_effect() {
    let faulty = Faulty::new(memory(), 11).with(Fault::Delayed, 1.0);
    let mut had_effect = [0, 0];
    for _ in 0..50 {
        let before = counted(faulty.backend());
        let key = key();
        let mut pending = faulty.count(&key, add());
        assert!(pending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let at_drop = counted(faulty.backend());
        drop(pending);
        assert_eq!(counted(faulty.backend()), at_drop);
        had_effect[usize::from(at_drop > before)] += 1;
    }
    assert!(had_effect.iter().all(|number| *number > 0), "{had_effect:?}");
}

/// The answers of 300 operations.
fn history(seed: u64) -> (Vec<Result<Counted, BackendErrorKind>>, String) {
    let faulty = Faulty::new(memory(), seed);
    for fault in [
        Fault::Unreachable,
        Fault::Refused,
        Fault::RequestLost,
        Fault::RequestLate,
        Fault::ReplyLost,
        Fault::RequestDoubled,
        Fault::Delayed,
    ] {
        faulty.set_rate(fault, 0.1);
    }
    let answers = (0..300).map(|_| done(faulty.count(&key(), add())).map_err(|error| error.kind())).collect();
    let shown = format!("{faulty:?}");
    (answers, shown[shown.find("seed").unwrap()..].to_owned())
}

#[test]
fn the_seed_decides() {
    let (answers, shown) = history(42);
    assert_eq!(history(42), (answers.clone(), shown.clone()));
    assert_ne!(history(43).0, answers);
    assert!(shown.starts_with("seed: 42, operations: 300, Unreachable: "), "{shown}");
    assert!(shown.contains("Delayed: ") && shown.contains(" at 0.1"), "{shown}");
    // A rate that changes leaves the fate of the others: the dice are rolled as often.
    let faulty = Faulty::new(memory(), 42).with(Fault::Unreachable, 0.1);
    let unreachable = (0..300).filter(|_| done(faulty.ping()).is_err()).count();
    let all = answers.iter().filter(|answer| **answer == Err(BackendErrorKind::Unreachable)).count();
    assert_eq!(unreachable, all);
    assert!((10..60).contains(&all), "{all} of 300 at 0.1");
}

#[test]
#[should_panic(expected = "a rate is from 0 to 1")]
fn a_rate_is_from_0_to_1() {
    let _ = Faulty::new(memory(), 1).with(Fault::Delayed, f64::NAN);
}

/// What a process knows of its creation.
#[derive(Clone, Copy)]
struct Creation {
    grant: Grant,
    /// The end of the lease, counted from the request.
    until: Duration,
    /// What the process has read of its source, after the grant.
    read: u64,
    /// Whether the value is made: the process tries to publish it.
    is_made: bool,
}

/// Processes that create behind faults, as regions do: they ask again by the same token where they are in doubt.
struct Fleet {
    faulty: Faulty<Shared>,
    processes: Vec<(Token, Option<Creation>)>,
    rng: Rng,
    source: u64,
    /// What the source was at the last invalidation that was confirmed.
    invalidated: u64,
    published: u32,
}

impl Fleet {
    fn new(seed: u64) -> Fleet {
        let mut rng = Rng::with_seed(seed);
        let faulty = Faulty::new(memory(), seed);
        for fault in [Fault::RequestLost, Fault::RequestLate, Fault::ReplyLost, Fault::RequestDoubled, Fault::Delayed] {
            faulty.set_rate(fault, f64::from(rng.u32(0..30)) / 100.0);
        }
        let processes = (0..3).map(|_| (Token::random(), None)).collect();
        Fleet { faulty, processes, rng, source: 0, invalidated: 0, published: 0 }
    }

    fn now(&self) -> Duration {
        self.faulty.backend().clock().elapsed()
    }

    fn creating(&self) -> usize {
        let now = self.now();
        let creates = |creation: Creation| !creation.is_made && now < creation.until;
        self.processes.iter().filter(|(_, creation)| creation.is_some_and(creates)).count()
    }

    fn write_and_invalidate(&mut self) {
        self.source += 1;
        let invalidate = Change::Invalidate { beside: Vec::new(), void_pause: LEASE / 10 };
        if done(self.faulty.change(&key(), invalidate)).is_ok() {
            self.invalidated = self.source;
        }
    }

    fn step(&mut self) {
        let process = self.rng.usize(..self.processes.len());
        let (token, creation) = self.processes[process];
        let until = self.now() + LEASE;
        let next = match creation {
            None => match done(self.faulty.claim(&key(), Claim::new(token, LEASE))) {
                Ok(Claimed::Granted { grant, .. }) => {
                    (token, Some(Creation { grant, until, read: self.source, is_made: false }))
                }
                // In doubt: again by the same token, or the claim is released.
                Err(_) if self.rng.bool() => {
                    let life = self.faulty.backend().life();
                    let _ = done(self.faulty.end(&key(), &Grant { token, life, cas: 0 }, None));
                    (Token::random(), None)
                }
                _ => (token, None),
            },
            Some(creation) => match self.rng.u32(..4) {
                0 => match done(self.faulty.renew(&key(), &creation.grant, LEASE)) {
                    Ok(Renewed::Yes(grant)) => (token, Some(Creation { grant, until, ..creation })),
                    Ok(Renewed::Lost(_)) => (Token::random(), None),
                    Err(_) => (token, Some(creation)),
                },
                1 => {
                    let _ = done(self.faulty.end(&key(), &creation.grant, None));
                    (Token::random(), None)
                }
                _ => {
                    let bytes = Bytes::from(creation.read.to_string());
                    match done(self.faulty.publish(&key(), &creation.grant, Entry { bytes, lifetime: None })) {
                        // In doubt: again, or not.
                        Err(_) if self.rng.bool() => (token, Some(Creation { is_made: true, ..creation })),
                        answer => {
                            self.published += u32::from(matches!(answer, Ok(Published::Fresh)));
                            (Token::random(), None)
                        }
                    }
                }
            },
        };
        self.processes[process] = next;
    }

    /// G3: what was read before an invalidation that was confirmed is not there after it.
    fn assert_fenced(&self, at: &str) {
        if let Some(bytes) = done(self.faulty.backend().look(&[key()], None)).unwrap().remove(0).entry {
            let read: u64 = std::str::from_utf8(&bytes).unwrap().parse().unwrap();
            assert!(read >= self.invalidated, "{at}: {read} is there, of before the invalidation {}", self.invalidated);
        }
    }
}

/// G1, G2, G3 behind requests and replies that are lost, late, doubled and delayed.
/// Returns how often a publication was confirmed.
fn a_fleet_behind_faults(seed: u64, invalidates: bool) -> u32 {
    let mut fleet = Fleet::new(seed);
    for step in 0..300 {
        match fleet.rng.u32(..10) {
            0 => fleet.faulty.backend().clock().advance(LEASE / 3),
            1 if invalidates => fleet.write_and_invalidate(),
            _ => fleet.step(),
        }
        let at = format!("FLEET_SEED={seed}, step {step}");
        fleet.assert_fenced(&at);
        // An invalidation voids a grant before its holder knows.
        assert!(invalidates || fleet.creating() <= 1, "{at}: {} holders", fleet.creating());
    }
    fleet.published
}

#[test]
fn g1_g2_g3_a_fleet_behind_faults() {
    let seeds = match env::var("FLEET_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..60).map(|_| fastrand::u64(..)).collect(),
    };
    let of = |invalidates| seeds.iter().map(|seed| a_fleet_behind_faults(*seed, invalidates)).sum::<u32>();
    let published = [of(false), of(true)];
    assert!(published.iter().all(|number| *number > 0), "{published:?} of {} fleets", seeds.len());
}

#[test]
fn g16_to_listen_meets_faults_and_what_nobody_was_told_of_is_not_listened_to() {
    let all = [
        (Fault::Unreachable, Some(BackendErrorKind::Unreachable)),
        (Fault::Refused, Some(BackendErrorKind::Refused)),
        (Fault::RequestLost, Some(BackendErrorKind::InDoubt)),
        (Fault::RequestLate, Some(BackendErrorKind::InDoubt)),
        (Fault::ReplyLost, Some(BackendErrorKind::InDoubt)),
        (Fault::RequestDoubled, None),
        (Fault::Delayed, None),
    ];
    for (fault, fails) in all {
        let (faulty, key) = (Faulty::new(memory(), 7).with(fault, 1.0), key());
        let listening = done(faulty.listen(&key).expect("the memory has signals"));
        assert_eq!(faulty.count_of(fault), 1);
        assert_eq!(listening.as_ref().err().map(BackendError::kind), fails, "{fault:?}");
        done(faulty.deliver());
        assert_eq!(faulty.backend().listened(), usize::from(fails.is_none()), "{fault:?}");
        if let Ok(mut signals) = listening {
            let set = Change::Set { entry: entry(), void_pause: Duration::ZERO };
            done(faulty.backend().change(&key, set)).unwrap();
            assert_eq!(done(signals.heard()), Signal::Changed, "{fault:?}");
        }
        assert_eq!(faulty.backend().listened(), 0, "{fault:?}");
    }
    let deaf = Faulty::new(Memory::with_limits(ManualClock::new(), Limits::none()), 7);
    assert!(deaf.listen(&key()).is_none());
}
