//! Builds a region.

use super::error::BuildError;
use super::kept::Kept;
use super::{Region, RegionKey};
use crate::backend::Backend;
use crate::codec::{Codec, MessagePack, Shape};
use crate::drive::{Closing, Core, Deadlines, NearValues, Pauses, Write};
use crate::envelope::{Compression, SizeLimits};
use crate::key::{KeyLimit, Namespace, StoredKey};
use crate::near::Near;
use crate::observer::{Observer, Seen};
use crate::round::{Faults, OnBackendFailure, OtherLife, Settings};
use crate::slot::{Rules, Value};
use crate::slots::Slots;
use crate::store::Store;
use crate::store::aging::Aging;
use crate::store::far::{Far, LastShown};
use crate::time::keeper::keeper;
use crate::time::{RegionClock, RegionTime, TokioClock};
use dogpile::{Backoff, Clock, OnError, Policy, PolicyBuilder, Spawner, Task};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::runtime::Handle;

/// The region to be built has no backend: it keeps its values in this process.
#[derive(Clone, Copy, Debug)]
pub struct NearAlone;

/// The region to be built has a backend, and a codec for it.
#[derive(Clone)]
pub struct OverFar<C> {
    backend: Arc<dyn Backend>,
    codec: C,
    schema: u32,
    beside: Vec<u32>,
    compression: Compression,
    largest_value: usize,
}

impl<C> fmt::Debug for OverFar<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverFar").field("schema", &self.schema).field("beside", &self.beside).finish_non_exhaustive()
    }
}

/// Builds a region: see [`Region::builder`](super::Region).
///
/// | setting | default | reason for the default |
/// |---|---|---|
/// | [`expires_after`](Self::expires_after) | none: it must be set | only the user knows for how long a value is right |
/// | [`max_stale`](Self::max_stale) | as long as `expires_after` | a key that is used once in a lifetime always has an old value to go on with, and no entry lives for ever |
/// | [`near`](Self::near) | with a backend: none; else 10,000 values | a copy in the process is late for what others change |
/// | [`refresh_at`](Self::refresh_at), [`refresh_early`](Self::refresh_early) | neither | a value is renewed when it has expired |
/// | [`jitter`](Self::jitter) | none | a value lives exactly for its lifetime |
/// | [`retry_after`](Self::retry_after) | 1 s, doubled to 30 s | a source that fails is called once in a pause by the whole fleet |
/// | [`on_error`](Self::on_error) | [`OnError::Propagate`] | the elected access learns that its creator has failed; all others get the old value |
/// | [`creation_timeout`](Self::creation_timeout) | 60 s | in a fleet each wait has a bound |
/// | [`absence_expires_after`](Self::absence_expires_after) | `expires_after`, 10 s at most | what is missing is often about to be inserted |
/// | [`lease`](Self::lease) | 10 s | what a holder that is killed costs; renewed every third of it |
/// | [`poll`](Self::poll) | 250 ms | what a waiter in another process is late at most |
/// | [`backend_timeout`](Self::backend_timeout) | 500 ms | long beside a round trip, short beside a request |
/// | [`on_backend_failure`](Self::on_backend_failure) | [`OnBackendFailure::Elect`] | the process goes on without its backend |
/// | [`backend_pause`](Self::backend_pause) | 1 s | a backend that is down costs one `backend_timeout` in that time, not one for each access |
/// | [`own_for`](Self::own_for) | 1 s | a hot key is not created back to back while the backend is down |
/// | [`other_life`](Self::other_life) | [`OtherLife::Revalidate`] | after a failover each key is renewed once |
/// | [`void_pause`](Self::void_pause) | 100 ms | a hundred invalidations a second are ten creations |
#[derive(Clone)]
#[must_use = "a region is made by `build`"]
pub struct RegionBuilder<F> {
    name: String,
    far: F,
    near: Option<Near>,
    expires_after: Option<Duration>,
    max_stale: Option<Duration>,
    absence_expires_after: Option<Duration>,
    policy: PolicyBuilder,
    retry_after: Option<Backoff>,
    creation_timeout: Duration,
    lease: Duration,
    poll: Duration,
    backend_timeout: Duration,
    on_backend_failure: OnBackendFailure,
    backend_pause: Duration,
    own_for: Duration,
    other_life: OtherLife,
    void_pause: Duration,
    most_idle: usize,
    observer: Option<Arc<dyn Observer>>,
    counts_hits: bool,
    clock: RegionClock,
    runtime: Option<Handle>,
    spawner: Arc<dyn Spawner + Send + Sync>,
}

impl RegionBuilder<NearAlone> {
    pub(crate) fn new(name: &str) -> RegionBuilder<NearAlone> {
        let second = Duration::from_secs(1);
        RegionBuilder {
            name: name.to_owned(),
            far: NearAlone,
            near: None,
            expires_after: None,
            max_stale: None,
            absence_expires_after: None,
            policy: Policy::builder(),
            retry_after: Some(Backoff::new(second, second * 30)),
            creation_timeout: second * 60,
            lease: second * 10,
            poll: Duration::from_millis(250),
            backend_timeout: Duration::from_millis(500),
            on_backend_failure: OnBackendFailure::Elect,
            backend_pause: second,
            own_for: second,
            other_life: OtherLife::Revalidate,
            void_pause: Duration::from_millis(100),
            most_idle: 10_000,
            observer: None,
            counts_hits: false,
            clock: RegionClock::Monotonic,
            runtime: None,
            spawner: Arc::new(|task: Task| drop(tokio::spawn(task))),
        }
    }

    /// Puts the entries on a backend, which the fleet shares. The values are encoded by [`MessagePack`], unless another
    /// [codec](RegionBuilder::codec) is set.
    ///
    /// The backend of this version is [`Memory`](crate::backend::Memory), which lies in this process: for tests, and
    /// for programs of one process. An `Arc` of a backend is a backend, so that several regions share one.
    pub fn far(self, backend: impl Backend) -> RegionBuilder<OverFar<MessagePack>> {
        let far = OverFar {
            backend: Arc::new(backend),
            codec: MessagePack,
            schema: 0,
            beside: Vec::new(),
            compression: Compression::NONE,
            largest_value: 64 << 20,
        };
        self.with_far(|NearAlone| far)
    }

    /// Builds the region. Never blocks, but for the start of the keeper, a thread of this process that the first region
    /// starts: for timers, renewals, and for what nobody waits for.
    ///
    /// # Errors
    ///
    /// See [`BuildError`].
    pub fn build<K: RegionKey + ?Sized, V: Send + Sync + 'static>(self) -> Result<Region<K, V>, BuildError> {
        let parts = self.parts(Duration::ZERO)?;
        let near = self.near_store::<K, V>(Near::holding(10_000))?;
        let shape = Shape { schema: 0, format: crate::codec::Format::RAW };
        let write = writer::<K>(&parts.namespace, shape, KeyLimit::NONE);
        Ok(self.core(parts, Store::Near(Arc::clone(&near)), Some(near), write))
    }
}

impl<C> RegionBuilder<OverFar<C>> {
    /// Sets the codec of the values: [`MessagePack`] by default, or [`Raw`](crate::codec::Raw), `Json` (feature
    /// `json`), or one of the user's.
    pub fn codec<D>(self, codec: D) -> RegionBuilder<OverFar<D>> {
        self.with_far(|far| {
            let OverFar { backend, schema, beside, compression, largest_value, .. } = far;
            OverFar { backend, codec, schema, beside, compression, largest_value }
        })
    }

    /// Sets the number of the value's type: 0 by default. The number is part of each stored key, so that what another
    /// build wrote under another number is not read.
    pub fn schema(mut self, schema: u32) -> Self {
        self.far.schema = schema;
        self
    }

    /// Has invalidations and marks reach the entries of that schema, too. A build that is released before a new schema
    /// names it here; the build with the new schema names the old one. A [`set`](Region::set) reaches its own schema
    /// alone.
    pub fn beside(mut self, schema: u32) -> Self {
        self.far.beside.push(schema);
        self
    }

    /// Sets which values are compressed: none by default.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.far.compression = compression;
        self
    }

    /// Sets the size of the largest value, in bytes before compression: 64 MB by default. A larger one is not
    /// published, and hostile bytes make this process allocate no more than that.
    pub fn largest_value(mut self, bytes: usize) -> Self {
        self.far.largest_value = bytes;
        self
    }

    /// Builds the region. Never blocks, but for the start of the keeper: see
    /// [`build`](RegionBuilder::<NearAlone>::build) without a backend. Asks the backend for nothing but its limits.
    ///
    /// # Errors
    ///
    /// See [`BuildError`].
    pub fn build<K: RegionKey + ?Sized, V: Send + Sync + 'static>(self) -> Result<Region<K, V>, BuildError>
    where
        C: Codec<V> + Clone + Send + Sync + 'static,
    {
        let limits = self.far.backend.limits();
        // (A grain of zero says that there is no backend.)
        let mut parts = self.parts(limits.grain.max(Duration::from_nanos(1)))?;
        parts.settings.has_signals = limits.has_signals;
        let near = if self.near.is_some() { Some(self.near_store::<K, V>(Near::holding(0))?) } else { None };
        let limit = match limits.longest_key {
            usize::MAX => KeyLimit::NONE,
            longest if longest >= KeyLimit::SMALLEST => KeyLimit::bytes(longest),
            longest => return Err(BuildError::KeysTooShort { longest }),
        };
        let format = self.far.codec.format();
        let shape = Shape { schema: self.far.schema, format };
        let beside = self.far.beside.iter().map(|schema| Shape { schema: *schema, format });
        let far = Far {
            backend: Arc::clone(&self.far.backend),
            codec: Arc::new(self.far.codec.clone()),
            sizes: SizeLimits { stored: limits.largest_entry, value: self.far.largest_value },
            compression: self.far.compression,
            beside: beside.filter(|beside| *beside != shape).collect(),
            aging: Arc::clone(&parts.aging),
            seen: Arc::clone(&parts.seen),
            time: parts.time.clone(),
            shown: LastShown::default(),
        };
        let write = writer::<K>(&parts.namespace, shape, limit);
        Ok(self.core(parts, Store::Far(Arc::new(far)), near, write))
    }
}

/// # Lifetimes
impl<F> RegionBuilder<F> {
    /// Sets for how long a value is fresh from its creation on. It must be set. `Duration::MAX` is for ever. With a
    /// backend the unit is the millisecond, rounded down; a lifetime below two grains of the backend is refused.
    pub fn expires_after(mut self, lifetime: Duration) -> Self {
        self.expires_after = Some(lifetime);
        self
    }

    /// Sets for how long a value can be used once it has expired. `Duration::ZERO`: not at all, so that accesses wait
    /// for a new one. `Duration::MAX`: for ever.
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.max_stale = Some(max_stale);
        self
    }

    /// Sets for how long it is remembered that there is no value: see [`or_try_find`](crate::region::Get::or_try_find).
    pub fn absence_expires_after(mut self, lifetime: Duration) -> Self {
        self.absence_expires_after = Some(lifetime);
        self
    }

    /// Has values renewed early, once that part of their lifetime is over: see
    /// [`PolicyBuilder::refresh_at`](dogpile::PolicyBuilder::refresh_at).
    pub fn refresh_at(mut self, part: f64) -> Self {
        self.policy = self.policy.refresh_at(part);
        self
    }

    /// Has values renewed early with a probability that grows with the cost of their creation, which the entry tells
    /// the whole fleet: see [`PolicyBuilder::refresh_early`](dogpile::PolicyBuilder::refresh_early).
    pub fn refresh_early(mut self, beta: f64) -> Self {
        self.policy = self.policy.refresh_early(beta);
        self
    }

    /// Shortens each lifetime by a random part, up to this one, so that values that were created together do not expire
    /// together.
    pub fn jitter(mut self, part: f64) -> Self {
        self.policy = self.policy.jitter(part);
        self
    }

    /// Keeps values in this process, decoded. With a backend they serve for [`at_most`](Near::at_most), or for a second
    /// if that is not set.
    pub fn near(mut self, near: Near) -> Self {
        self.near = Some(near);
        self
    }
}

/// # Failures
impl<F> RegionBuilder<F> {
    /// Sets the pause after a failed creation, in which no creator of the fleet is called for that key. At most the
    /// longest of these pauses is believed of other processes.
    pub fn retry_after(mut self, backoff: Backoff) -> Self {
        self.retry_after = Some(backoff);
        self
    }

    /// Begins no pause after a failure: each access that finds no fresh value may be elected.
    pub fn without_pauses(mut self) -> Self {
        self.retry_after = None;
        self
    }

    /// Sets what the access returns whose creator has failed, if there is an old value.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.policy = self.policy.on_error(on_error);
        self
    }

    /// Sets the longest time for which a creation has its grant. After that another access is elected, and the value of
    /// the creation goes to its caller alone. It must be finite, and not zero.
    pub fn creation_timeout(mut self, timeout: Duration) -> Self {
        self.creation_timeout = timeout;
        self
    }

    /// Sets what an access does when the backend is down.
    pub fn on_backend_failure(mut self, then: OnBackendFailure) -> Self {
        self.on_backend_failure = then;
        self
    }
}

/// # The backend
impl<F> RegionBuilder<F> {
    /// Sets the lease of a grant: for how long a holder that was killed keeps others from creating. It is renewed each
    /// third of it, by a thread of this crate. It must be at least four grains of the backend. One that is longer than
    /// twice the [`creation_timeout`](Self::creation_timeout) is as long as that: no creation has its grant for longer.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets the longest time between two looks of an access that waits for another process. Not zero.
    ///
    /// On a backend with [signals](crate::backend::Limits::has_signals) an access listens. It looks upon a signal, and
    /// otherwise after this time, less a quarter at most. An access that does not listen polls: first after what the
    /// last creation took (2 ms if that is not known), then after one and a half times as long each time, up to this.
    /// To begin to listen takes no longer than this, either.
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Sets the bound of the *sum* of what the backend may take in one access. Not zero.
    pub fn backend_timeout(mut self, timeout: Duration) -> Self {
        self.backend_timeout = timeout;
        self
    }

    /// Sets for how long the backend is asked for nothing once it has not answered.
    pub fn backend_pause(mut self, pause: Duration) -> Self {
        self.backend_pause = pause;
        self
    }

    /// Sets for how long a value that was created without the backend serves this process, while the backend is down.
    pub fn own_for(mut self, time: Duration) -> Self {
        self.own_for = time;
        self
    }

    /// Sets what an entry is worth that was stored before the server has lost data: see [`OtherLife`].
    pub fn other_life(mut self, other: OtherLife) -> Self {
        self.other_life = other;
        self
    }

    /// Sets for how long, at most, an invalidation or a `set` in mid-creation keeps the next creation from beginning,
    /// while that creation has not ended. `Duration::ZERO`: not at all.
    pub fn void_pause(mut self, pause: Duration) -> Self {
        self.void_pause = pause;
        self
    }
}

/// # The process
impl<F> RegionBuilder<F> {
    /// Sets of how many keys without an access this process remembers what it has met: a holder, a pause. 10,000 by
    /// default; invalidations that the backend was not told of do not count.
    pub fn at_most_idle(mut self, keys: usize) -> Self {
        self.most_idle = keys;
        self
    }

    /// Has an observer told of what happens. A pair of observers is one.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Counts the hits of the near store, too, which costs a hit some nanoseconds. They are not counted by default.
    pub fn count_hits(mut self) -> Self {
        self.counts_hits = true;
        self
    }

    /// Sets the clock of the region: [`MonotonicClock`](dogpile::MonotonicClock) by default. A test sets a
    /// [`ManualClock`](dogpile::ManualClock), and gives the same clock to each region and to the
    /// [`Memory`](crate::backend::Memory) behind them: freshness goes by the backend's clock, so otherwise nothing ever
    /// expires, and nothing tells of that.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = RegionClock::Other(Arc::new(clock));
        self
    }

    /// Has the region go by the time of the tokio runtime that this thread is in, which a test may pause. Timers and
    /// renewals are that runtime's, too: a creator that blocks its thread is not for this setting. A
    /// [`Memory`](crate::backend::Memory) behind the region must go by a [`TokioClock`], or nothing ever expires.
    ///
    /// # Panics
    ///
    /// Panics if this thread is not in a runtime of tokio.
    pub fn tokio_time(mut self) -> Self {
        let clock = TokioClock::current();
        self.runtime = Some(clock.runtime().clone());
        self.clock(clock)
    }

    /// Sets the spawner of creations [in the background](crate::region::Get::in_background): `tokio::spawn` by default.
    pub fn spawner(mut self, spawner: impl Spawner + Send + Sync + 'static) -> Self {
        self.spawner = Arc::new(spawner);
        self
    }
}

/// What a region has with and without a backend.
struct Parts {
    namespace: Namespace,
    time: RegionTime,
    aging: Arc<Aging>,
    seen: Arc<Seen>,
    policy: Policy,
    settings: Settings,
}

impl<F> RegionBuilder<F> {
    fn with_far<G>(self, change: impl FnOnce(F) -> G) -> RegionBuilder<G> {
        let RegionBuilder { name, far, near, expires_after, max_stale, absence_expires_after, policy, .. } = self;
        let RegionBuilder { retry_after, creation_timeout, lease, poll, backend_timeout, on_backend_failure, .. } =
            self;
        let RegionBuilder { backend_pause, own_for, other_life, void_pause, most_idle, observer, counts_hits, .. } =
            self;
        let RegionBuilder { clock, runtime, spawner, .. } = self;
        RegionBuilder {
            far: change(far),
            name,
            near,
            expires_after,
            max_stale,
            absence_expires_after,
            policy,
            retry_after,
            creation_timeout,
            lease,
            poll,
            backend_timeout,
            on_backend_failure,
            backend_pause,
            own_for,
            other_life,
            void_pause,
            most_idle,
            observer,
            counts_hits,
            clock,
            runtime,
            spawner,
        }
    }

    /// Checks the settings. A grain of zero: there is no backend.
    fn parts(&self, grain: Duration) -> Result<Parts, BuildError> {
        let namespace = Namespace::new(&self.name).map_err(BuildError::Name)?;
        let expires_after = self.expires_after.ok_or(BuildError::NoLifetime)?;
        let (has_backend, instant) = (!grain.is_zero(), Duration::from_nanos(1));
        let absence = self.absence_expires_after.unwrap_or(expires_after.min(Duration::from_secs(10)));
        at_least("expires_after", expires_after, (grain * 2).max(instant))?;
        at_least("absence_expires_after", absence, (grain * 2).max(instant))?;
        at_least("creation_timeout", self.creation_timeout, instant)?;
        at_least("poll", self.poll, instant)?;
        at_least("backend_timeout", self.backend_timeout, instant)?;
        at_least("lease", self.lease, (grain * 4).max(instant))?;
        if let Some(at_most) = self.near.as_ref().and_then(Near::longest) {
            at_least("at_most", at_most, instant)?;
        }
        if self.creation_timeout == Duration::MAX {
            return Err(BuildError::Endless);
        }
        let mut policy = self.policy.creation_timeout(self.creation_timeout);
        if let Some(backoff) = self.retry_after {
            policy = policy.retry_after(backoff);
        }
        let policy = policy.build().map_err(BuildError::Policy)?;
        let keeper = self.runtime.clone().map_or_else(keeper, Ok).map_err(BuildError::Keeper)?;
        let time = RegionTime { clock: self.clock.clone(), keeper };
        let near_at_most = self.near.as_ref().map(|near| near.longest().unwrap_or(Duration::from_secs(1)));
        let aging = Arc::new(Aging {
            policy,
            expires_after: finite(expires_after),
            max_stale: finite(self.max_stale.unwrap_or(expires_after)),
            absence_expires_after: finite(absence),
            near_at_most: near_at_most.filter(|_| has_backend).and_then(finite),
            other_life: self.other_life,
        });
        let longest_lease = self.creation_timeout.saturating_mul(2);
        let settings = Settings {
            // Without a backend nobody need renew a lease: no holder can be killed apart from its region.
            // With one, a holder that is killed costs a bounded time whatever was set (G5).
            lease: if has_backend { self.lease.min(longest_lease.max(grain * 4)) } else { longest_lease },
            grain: grain.max(instant),
            poll: self.poll,
            creation_timeout: self.creation_timeout,
            has_signals: false,
            on_backend_failure: self.on_backend_failure,
            longest_pause: self.retry_after.map_or(Duration::ZERO, |backoff| backoff.longest()),
            backend_pause: self.backend_pause,
            own_for: self.own_for.min(expires_after),
            faults: Faults::default(),
        };
        let seen = Arc::new(Seen::new(namespace.clone(), self.observer.clone(), self.counts_hits));
        Ok(Parts { namespace, time, aging, seen, policy, settings })
    }

    fn near_store<K: RegionKey + ?Sized, V: Send + Sync + 'static>(
        &self,
        unless_set: Near,
    ) -> Result<Arc<NearValues<K::Owned, V>>, BuildError> {
        let near = self.near.clone().unwrap_or(unless_set);
        let store = near
            .store(|kept: &Value<V>| Kept::value(kept))
            .map_err(|error| BuildError::WeighsAnother { weighs: error.weighs, region: error.region })?;
        Ok(Arc::new(store))
    }

    fn core<K: RegionKey + ?Sized, V: Send + Sync + 'static>(
        self,
        parts: Parts,
        store: Store<K::Owned, V>,
        near: Option<Arc<NearValues<K::Owned, V>>>,
        write: Write<K::Owned>,
    ) -> Region<K, V> {
        let Parts { namespace, time, aging, seen, policy, settings } = parts;
        let longest = settings.creation_timeout.saturating_add(settings.lease.saturating_mul(2));
        let second = Duration::from_secs(1);
        let shortest = aging.expires_after.into_iter().chain(aging.near_at_most).min();
        // See `drive::first`.
        let begins_light = store.has_leases() && near.is_none();
        Region::new(Core {
            namespace,
            store,
            near,
            slots: Arc::new(Slots::new(self.most_idle, begins_light)),
            rules: Rules::new(time.clock.clone(), longest, settings.longest_pause),
            deadlines: Deadlines::new(&time),
            time,
            settings,
            aging,
            policy,
            backend_timeout: self.backend_timeout,
            void_pause: self.void_pause,
            servers: Pauses::default(),
            seen,
            write,
            closing: Arc::new(Closing::default()),
            is_coarse: shortest.is_none_or(|shortest| shortest >= second),
            is_closed: AtomicBool::new(false),
            spawner: self.spawner,
        })
    }
}

impl<F: fmt::Debug> fmt::Debug for RegionBuilder<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegionBuilder")
            .field("name", &self.name)
            .field("far", &self.far)
            .field("near", &self.near)
            .field("expires_after", &self.expires_after)
            .finish_non_exhaustive()
    }
}

fn at_least(what: &'static str, duration: Duration, least: Duration) -> Result<(), BuildError> {
    if duration < least { Err(BuildError::TooShort { what, duration, least }) } else { Ok(()) }
}

/// Returns a duration, or `None` if it is for ever.
fn finite(duration: Duration) -> Option<Duration> {
    (duration != Duration::MAX).then_some(duration)
}

fn writer<K: RegionKey + ?Sized>(namespace: &Namespace, shape: Shape, limit: KeyLimit) -> Write<K::Owned> {
    let namespace = namespace.clone();
    Box::new(move |key| StoredKey::new(&namespace, Borrow::<K>::borrow(key), shape, limit))
}
