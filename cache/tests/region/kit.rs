//! What the tests of regions share.

use crate::wire::WATCHDOG;
use dogpile::{Clock, ManualClock};
use dogpile_cache::backend::{Backend, Memory, Rest};
use dogpile_cache::codec::{Codec, Format, MessagePack, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use dogpile_cache::region::{NearAlone, RegionBuilder};
use dogpile_cache::{Got, Near, Outcome, Region};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

pub use crate::probe::{Ears, Fate, Probe};

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);

/// The key under which the regions of [`Ground`] keep an entry.
pub fn stored(key: u64) -> StoredKey {
    let shape = Shape { schema: 0, format: Codec::<String>::format(&MessagePack) };
    StoredKey::new(&Namespace::new("test").unwrap(), &key, shape, KeyLimit::NONE)
}

/// Waits until nobody has the grant of a key. Other threads bring that about.
pub async fn is_free<C: Clock + 'static>(memory: &Memory<C>, key: u64) {
    let began = Instant::now();
    loop {
        let looks = memory.look(&[stored(key)], None).await.unwrap();
        match &looks[0].rest {
            Some(Rest::Held(_)) => assert!(began.elapsed() < WATCHDOG, "a grant is left behind: {looks:?}"),
            _ => return,
        }
        tokio::task::yield_now().await;
    }
}

/// A clock that a test moves, and a backend that goes by it.
pub struct Ground {
    pub clock: Arc<ManualClock>,
    pub memory: Arc<Memory<Arc<ManualClock>>>,
}

/// Where the entries of a region lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Near,
    Far,
    NearOverFar,
}

pub const PLACES: [Place; 3] = [Place::Near, Place::Far, Place::NearOverFar];

impl Ground {
    pub fn new() -> Ground {
        let clock = Arc::new(ManualClock::new());
        Ground { memory: Arc::new(Memory::with_clock(Arc::clone(&clock))), clock }
    }

    /// The builder of a region whose values live for a minute, and can be used for another one.
    pub fn builder(&self) -> RegionBuilder<NearAlone> {
        Region::builder("test").expires_after(MINUTE).clock(Arc::clone(&self.clock))
    }

    /// A region of a process of its own.
    pub fn region(&self, place: Place) -> Region<u64, String> {
        self.region_by(place, |builder| builder)
    }

    pub fn region_by(
        &self,
        place: Place,
        with: impl FnOnce(RegionBuilder<NearAlone>) -> RegionBuilder<NearAlone>,
    ) -> Region<u64, String> {
        self.process_by(place, with).region
    }

    pub fn process(&self, place: Place) -> Process {
        self.process_by(place, |builder| builder)
    }

    /// A process of its own, whose operations the test sees and decides.
    pub fn process_by(
        &self,
        place: Place,
        with: impl FnOnce(RegionBuilder<NearAlone>) -> RegionBuilder<NearAlone>,
    ) -> Process {
        let builder = with(self.builder());
        let probe = Arc::new(Probe::new(Arc::clone(&self.memory)));
        let region = match place {
            Place::Near => builder.near(Near::holding(1000)).build(),
            Place::Far => builder.far(Arc::clone(&probe)).build(),
            Place::NearOverFar => builder.near(Near::holding(1000).at_most(SECOND)).far(Arc::clone(&probe)).build(),
        };
        Process { region: region.unwrap(), probe }
    }

    /// A process of its own, that hears signals, and has its values on the backend alone.
    pub fn process_that_hears(
        &self,
        ears: Ears,
        with: impl FnOnce(RegionBuilder<NearAlone>) -> RegionBuilder<NearAlone>,
    ) -> Process {
        let probe = Arc::new(Probe::with_ears(Arc::clone(&self.memory), ears));
        let region = with(self.builder()).far(Arc::clone(&probe)).build().unwrap();
        Process { region, probe }
    }

    /// Two processes; without a backend, one region twice.
    pub fn pair(
        &self,
        place: Place,
        with: impl Fn(RegionBuilder<NearAlone>) -> RegionBuilder<NearAlone>,
    ) -> (Process, Process) {
        let one = self.process_by(place, &with);
        let other = if place == Place::Near { one.clone() } else { self.process_by(place, with) };
        (one, other)
    }

    /// The stored key of a number, as the regions of these tests have it.
    pub fn key(key: u64) -> StoredKey {
        let shape = Shape { schema: 0, format: Format::MESSAGE_PACK };
        StoredKey::new(&Namespace::new("test").unwrap(), &key, shape, KeyLimit::NONE)
    }
}

/// A region of a process of its own, and the probe between that process and the backend.
#[derive(Clone)]
pub struct Process {
    pub region: Region<u64, String>,
    pub probe: Arc<Probe>,
}

/// A future that the test polls by hand. The backend in memory answers at once, so one poll brings an access to its
/// creator, to its wait, or to its end.
pub struct Going<'a, T>(Option<Pin<Box<dyn Future<Output = T> + 'a>>>);

/// Makes a future that the test polls.
pub fn start<'a, T>(future: impl Future<Output = T> + 'a) -> Going<'a, T> {
    Going(Some(Box::pin(future)))
}

/// Begins an access: up to its creator's first wait, to a wait of its own, or to its end.
#[track_caller]
pub fn begin<'a, T: 'a>(future: impl Future<Output = T> + 'a) -> Going<'a, T> {
    let mut going = Going(Some(Box::pin(future)));
    assert!(going.poll().is_none(), "this access was to wait");
    going
}

/// Performs an access that has nothing to wait for.
#[track_caller]
pub fn now<'a, T: 'a>(future: impl Future<Output = T> + 'a) -> T {
    Going(Some(Box::pin(future))).poll().expect("this access has nothing to wait for")
}

/// Performs an access that waits for the keeper alone.
#[track_caller]
pub fn soon<'a, T: 'a>(future: impl Future<Output = T> + 'a) -> T {
    Going(Some(Box::pin(future))).end()
}

impl<T> Going<'_, T> {
    pub fn poll(&mut self) -> Option<T> {
        let future = self.0.as_mut().expect("it goes on");
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => {
                self.0 = None;
                Some(done)
            }
            Poll::Pending => None,
        }
    }

    #[track_caller]
    pub fn waits(&mut self) {
        assert!(self.poll().is_none(), "this access was to wait");
    }

    /// Polls it to its end. It may wait for the keeper, which is a thread of its own.
    #[track_caller]
    pub fn end(mut self) -> T {
        let mut done = None;
        eventually("an access ends", || {
            done = self.poll();
            done.is_some()
        });
        done.unwrap()
    }
}

/// Waits until something is so that another thread does. (The half minute tells a test that hangs from one that fails.)
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
        thread::yield_now();
    }
}

/// A gate that creators wait at.
pub struct Gate(Semaphore);

impl Gate {
    pub fn new() -> Arc<Gate> {
        Arc::new(Gate(Semaphore::new(0)))
    }

    pub fn open(&self) {
        self.0.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    pub async fn pass(&self) {
        drop(self.0.acquire().await);
    }
}

/// Makes a value behind a gate.
pub async fn gated(gate: &Gate, value: &str) -> String {
    gate.pass().await;
    value.to_owned()
}

/// Returns the time a millisecond before.
pub fn just_before(time: Duration) -> Duration {
    time.checked_sub(MS).unwrap()
}

/// Creates a value that takes no time. There must be none that is fresh.
#[track_caller]
pub fn create(region: &Region<u64, String>, key: u64, value: &str) -> Got<String> {
    let got = soon(region.get(&key).or_create(async || value.to_owned())).unwrap();
    assert_eq!((&**got, Got::outcome(&got)), (value, Outcome::Created));
    got
}

/// Creates a value that takes some time of the clock.
#[track_caller]
pub fn create_slowly(ground: &Ground, region: &Region<u64, String>, key: u64, took: Duration) -> Got<String> {
    let creator = async || {
        ground.clock.advance(took);
        "slow".to_owned()
    };
    let got = soon(region.get(&key).or_create(creator)).unwrap();
    assert_eq!(Got::outcome(&got), Outcome::Created);
    got
}

/// Accesses a key, with a creator that must not be called.
#[track_caller]
pub fn take(region: &Region<u64, String>, key: u64) -> Got<String> {
    now(region.get(&key).or_create(async || panic!("no creator is to be called"))).unwrap()
}

/// Returns the value that is there, and what it is.
#[track_caller]
pub fn there(region: &Region<u64, String>, key: u64) -> Option<(String, Outcome)> {
    let got = now(region.get(&key).value()).unwrap();
    got.map(|got| ((*got).clone(), Got::outcome(&got)))
}

/// Returns the value that is there, if it is fresh.
#[track_caller]
pub fn fresh(region: &Region<u64, String>, key: u64) -> Option<String> {
    there(region, key).filter(|(_, outcome)| *outcome != Outcome::Stale).map(|(value, _)| value)
}
