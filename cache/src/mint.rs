//! Get and set, with one reader that renews: the form of `MintCache`.
//!
//! A region wants a creator, and calls it. A [`Mint`] is for programs that get and set instead. A late value is `None`
//! for one reader of the fleet, and that reader has the right to set the new value. All others get the old value for a
//! grace.
//!
//! ```
//! use dogpile_cache::mint::{Mint, Timeout};
//! use std::time::Duration;
//!
//! async fn render(path: &str) -> String {
//!     format!("the page {path}")
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // For a fleet: Mint::builder("page").far(Memcached::connect("memcached://127.0.0.1").await?)
//!     let mut pages = Mint::builder("page").build::<str, String>()?;
//!
//!     let page = match pages.get("/").await? {
//!         Some(page) => page, // fresh, or late while another reader renews it
//!         None => {
//!             let page = render("/").await;
//!             pages.set("/", page.clone(), Timeout::Default).await?;
//!             page
//!         }
//!     };
//!     assert_eq!(page, "the page /");
//!     assert_eq!(pages.get("/").await?.as_deref(), Some("the page /"));
//!     Ok(())
//! }
//! ```
//!
//! If the source has no value, the reader says so: [`give_up`](Mint::give_up) ends its right, and the next reader is
//! elected at once; [`fail`](Mint::fail) ends it, and no reader is elected for a pause. A `None` is no value of a
//! `Mint<K, V>`, but may be one of a `Mint<K, Option<V>>`. A right of which the reader says nothing costs the others
//! the time until the reader is dropped, or [`creation_timeout`](crate::RegionBuilder::creation_timeout).
//!
//! ```
//! use dogpile_cache::mint::Mint;
//! use std::time::Duration;
//!
//! async fn find(path: &str) -> Result<Option<String>, std::io::Error> {
//!     Ok((path == "/").then(|| "the page".to_owned()))
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut pages = Mint::builder("page").build::<str, String>()?;
//!
//!     if pages.get("/none").await?.is_none() && pages.is_elected("/none") {
//!         match find("/none").await {
//!             Ok(Some(page)) => drop(pages.set("/none", page, Duration::from_secs(60)).await?), // for a minute
//!             Ok(None) => drop(pages.give_up("/none")),
//!             Err(error) => pages.fail("/none", &error).await,
//!         }
//!     }
//!     assert!(!pages.is_elected("/none"));
//!     Ok(())
//! }
//! ```
//!
//! # A reader is a handle
//!
//! A `Mint` is one *reader*, and holds the rights that it was elected for. Its methods take `&mut self`, so two tasks
//! cannot be one reader: each of them has a clone. A clone shares the values, and has no right. So a handler of a
//! server clones the `Mint` of its program, and each right that the handler does not use ends with the clone.
//!
//! ```
//! use dogpile_cache::mint::{Mint, Timeout};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut one = Mint::builder("page").build::<str, String>()?;
//!     let mut other = one.clone();
//!
//!     assert!(one.get("/").await?.is_none() && one.is_elected("/")); // this reader is to set the value
//!     assert!(other.get("/").await?.is_none() && !other.is_elected("/")); // this one is not
//!
//!     drop(one); // it ends without a `set`
//!     assert!(other.get("/").await?.is_none() && other.is_elected("/"));
//!     other.set("/", "the page", Timeout::Default).await?;
//!     Ok(())
//! }
//! ```
//!
//! # What `get` answers
//!
//! | the key | one reader | the others |
//! |---|---|---|
//! | is cold: never set, deleted, evicted, or late for longer than the grace; or known to be absent | `None`, with the right | `None`, without the right |
//! | is fresh | the value | the value |
//! | is fresh, but due by [`refresh_at`](crate::RegionBuilder::refresh_at) or [`refresh_early`](crate::RegionBuilder::refresh_early), if the region has them | `None`, with the right | the value |
//! | is late, and nobody renews it | `None`, with the right | the old value |
//! | is late, and a reader has the right | that reader: `None`, with the right | the old value |
//! | is late, and the reader with the right has died | one lease after that as if nobody renewed it | the old value |
//! | has [failed](Mint::fail) a short time ago | the old value, or `None` without the right | the same |
//! | lies on a backend that is down | as [`on_backend_failure`](crate::RegionBuilder::on_backend_failure) says; by default `None`, with the right in this process | `None`, without the right, until this process has a value of its own |
//!
//! No `get` waits for another reader. A reader that gets `None` without the right has nothing to serve: it may come
//! again after a moment, answer with a [default](Mint::get_or), or make a value for itself, and not set it.
//! [`is_elected`](Mint::is_elected) tells both kinds of `None` apart, without a round trip.
//!
//! An absence that another access of the region has stored, by [`or_try_find`](crate::region::Get::or_try_find), is
//! cold for a `Mint`: it has no answer for it but `None`, so one reader is elected.
//!
//! # The right
//!
//! The right is a [`Creation`] of the region: a grant of the backend, whose lease is renewed while the reader lives. It
//! ends with the reader's [`set`](Mint::set), [`add`](Mint::add), [`delete`](Mint::delete), [`give_up`](Mint::give_up)
//! or [`fail`](Mint::fail) of the key; with the reader; or with
//! [`creation_timeout`](crate::RegionBuilder::creation_timeout), 60 s by default. After that, another reader is
//! elected. The right belongs to the reader's last `get` of the key: a `get` by a reader that has the right is `None`,
//! without a round trip, and one by a reader that had it begins anew.
//!
//! What a change does, by what the reader has of the key:
//!
//! | | the right | a right that has ended | nothing |
//! |---|---|---|---|
//! | [`set`](Mint::set) | publishes: stored, unless the right was lost meanwhile | is refused each time, and says so | stores, whatever is there: of two, the last to arrive wins |
//! | [`add`](Mint::add) | publishes | is refused each time | stores if nothing fresh is there |
//! | [`delete`](Mint::delete) | removes the value, and ends the right | removes the value | removes the value |
//!
//! So a reader that was elected, and took too long, does not overwrite what another has set since, however often it
//! tries. It remembers the keys of its rights that have ended unused, or whose value was refused. It forgets such a key
//! when a `get` has a value of it, when it is elected for it anew, and by `delete`, `give_up` and `fail`; it then has
//! nothing of the key. What the backend did not take though the right was not lost
//! ([`InDoubt`](NotPublished::InDoubt), [`CutOff`](NotPublished::CutOff), or too large), and a `set` that was dropped
//! while it had the right, leave nothing either: to try once more stores, whatever is there.
//!
//! This memory has a bound in time: ten times [`creation_timeout`](crate::RegionBuilder::creation_timeout) by the
//! region's clock, ten minutes by default. A reader that sets a value later than that has nothing of the key, and
//! *does* overwrite. And it has one in number: a reader with a thousand of these keys is elected no more, and gets what
//! others get, without an error while the backend is down. So it has a thousand of them, and as many as it had rights
//! at once. It is elected again when it has forgotten some of them. A clone begins anew.
//!
//! # Closing
//!
//! A right is an access that is under way. [`Region::close`] waits for it until the reader sets, gives up, reads the
//! key again or is dropped, or until the right has ended by `creation_timeout`; but for no longer than the `grace` of
//! the close. So a reader that has forgotten its right holds up no close for longer than `creation_timeout`.
//!
//! # Round trips
//!
//! | | round trips |
//! |---|---|
//! | `get`: a fresh value; kept near | 1; none |
//! | `get`: elected | a look and a claim: see [the page of the backend](crate::guide) |
//! | `get`: late, while another renews: the first time of a process, and then | 2, 1 |
//! | `get`: the reader has the right | none |
//! | `get`: the reader had the right, and a change of this process has ended it | 1 more |
//! | `get_many` | one look at each server, and claims of what is late or missing, all at once |
//! | `set`, `delete` | 1 |
//! | `add` with the right, without it | 1, 2 |
//!
//! # Cancel safety
//!
//! A `get` or `get_many` that is dropped gives its reader no new right: a grant that comes late is ended. A `set` or
//! `add` that is dropped may have taken effect, or may take effect later; with the right, what was sent is awaited by
//! another thread, and the right has ended. A `delete` that is dropped is told all the same.
//!
//! # Where it differs from the original
//!
//! `MintCache` is a snippet for Django. It packs a value with the time when it is to be refreshed. A reader that finds
//! the value late writes it back, with a later time, and returns `None`; then it is to set the new value.
//!
//! | | `MintCache` | here | because |
//! |---|---|---|---|
//! | two late readers | may both find the value late, before either has written it back: both renew | one has the right | the backend gives a grant in one step |
//! | the write-back | may arrive after the new value, and overwrite it | nothing writes the old value, but in exchange for exactly what was seen | the same |
//! | a renewer that took too long | overwrites the value of its successor | is refused, and is told | to publish depends on the grant |
//! | a cold key | each reader gets `None`, and creates | one has the right; [`is_elected`](Mint::is_elected) tells | a flush would be a thousand creations |
//! | an elected reader that dies | the others get the old value for the grace; then the key is cold | costs one lease, 10 s by default; then the next is elected, with the old value still there for the others | the lease is apart from the grace |
//! | the grace | begins anew when a late reader comes | begins when the value is late | an old value has one bound, whatever the readers do |
//! | a time-out of zero | is the default | is [late at once](Timeout) | a time-out means one thing |
//! | no time-out | is the default, and there is no way to say for ever | [`Timeout::Never`] | the same |
//! | `delete` during a renewal | the renewer sets what it has read before | the renewer's `set` is refused | what was deleted may have been wrong (G3) |
//! | text and bytes | pass through the client, and text may come back as bytes | have the type of the `Mint` | values are typed |
//!
//! A late value that nobody sets again is gone at the end of the grace, as in the original.

mod blocking;
mod builder;
mod rights;
mod timeout;

pub use self::blocking::BlockingMint;
pub use self::builder::MintBuilder;
pub use self::timeout::Timeout;

use self::rights::{Rights, Taken};
use crate::OnBackendFailure;
use crate::backend::{BackendError, BackendErrorKind};
use crate::observer::{NotPublished, Published};
use crate::region::get::closed;
use crate::region::{Claim, Creation, GetError, Got, Made, NearAlone, Region, RegionKey};
use crate::together::Together;
use std::collections::HashMap;
use std::fmt;
use std::fmt::Display;
use std::time::Duration;

/// A reader of a cache by get and set, in which one late reader renews: see [the module](self).
///
/// A clone is another reader of the same values. It has none of the rights of this one. While it has rights, it holds
/// up a [close of the region](self#closing).
pub struct Mint<K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    region: Region<K, V>,
    rights: Rights<K, V>,
}

impl Mint<(), ()> {
    /// Begins to build a `Mint` of that name, which is the namespace of its keys: see [`MintBuilder`].
    ///
    /// (The types of keys and values are given to [`build`](MintBuilder::build).)
    pub fn builder(name: &str) -> MintBuilder<NearAlone> {
        MintBuilder::new(name)
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Mint<K, V> {
    /// Makes a reader of the values of a region. The region's `expires_after` is the default time-out, and its
    /// `max_stale` the grace. Others may access the same region by creators.
    #[must_use]
    pub fn new(region: Region<K, V>) -> Mint<K, V> {
        Mint { region, rights: Rights::new() }
    }

    /// Returns the region of the values.
    #[must_use]
    pub fn region(&self) -> &Region<K, V> {
        &self.region
    }

    /// Returns the value, fresh or old. `None`: there is none for this reader, and [`is_elected`](Mint::is_elected)
    /// tells whether the reader has the right to [`set`](Mint::set) it. See [the table](self#what-get-answers). Never
    /// waits for another reader.
    ///
    /// # Errors
    ///
    /// [`CreateError::Backend`](crate::CreateError::Backend) if the backend is down, and the region is not to
    /// [elect](crate::OnBackendFailure::Elect) then; [`CreateError::Closed`](crate::CreateError::Closed) if the region
    /// was closed. The reader has no new right then.
    pub async fn get(&mut self, key: &K) -> Result<Option<V>, GetError>
    where
        V: Clone,
    {
        if self.rights.is_held(key) {
            return Ok(None);
        }
        self.tidy();
        if self.rights.are_too_many_lapsed() {
            let found = self.region.get(key).value().await;
            return Ok(match self.unless_down(found)?.flatten() {
                Some(got) => self.take(key, Some(Claim::Value(got))),
                None => self.take(key, None),
            });
        }
        if let Some(lost) = self.rights.take_lost(key, self.now()) {
            // In this order: its tombstone would stand in the way of the claim.
            Box::pin(lost.give_up()).await;
        }
        let claim = self.region.get(key).claim_at_once().await?;
        Ok(self.take(key, claim))
    }

    /// Returns the value as [`get`](Mint::get) does, or this one in place of a `None`. Whether the reader has the right
    /// to [`set`](Mint::set) a value, [`is_elected`](Mint::is_elected) tells.
    ///
    /// # Errors
    ///
    /// As for [`get`](Mint::get).
    pub async fn get_or(&mut self, key: &K, default: impl Into<V>) -> Result<V, GetError>
    where
        V: Clone,
    {
        let default = default.into();
        Ok(self.get(key).await?.unwrap_or(default))
    }

    /// Returns the values of many keys, each key once, whatever duplicates are asked for. What would be `None` by
    /// [`get`](Mint::get) is left out; for which of these keys the reader has the right,
    /// [`is_elected`](Mint::is_elected) tells. Never waits for another reader.
    ///
    /// The keys are what iterates over `&K`: `&[u64]` for a `Mint<u64, V>`, but for a `Mint<str, V>` the `&str`s
    /// themselves, such as `["/", "/news"]`, or `names.iter().map(String::as_str)`.
    ///
    /// # Errors
    ///
    /// As for [`get`](Mint::get): the first error of any key. The reader has no new right then.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile_cache::mint::{Mint, Timeout};
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let mut squares = Mint::builder("square").build::<u64, u64>()?;
    ///     squares.set(&2, 4_u64, Timeout::Default).await?;
    ///
    ///     let keys = [1, 2, 3, 1];
    ///     let mut known = squares.get_many(&keys).await?;
    ///     assert_eq!((known.len(), known[&2]), (1, 4));
    ///     for key in keys {
    ///         if squares.is_elected(&key) {
    ///             squares.set(&key, key * key, Timeout::Default).await?;
    ///             known.insert(key, key * key);
    ///         }
    ///     }
    ///     assert_eq!((known[&1], known[&3]), (1, 9));
    ///
    ///     let mut pages = Mint::builder("page").build::<str, String>()?;
    ///     pages.set("/", "the page", Timeout::Default).await?;
    ///     let paths = vec!["/".to_owned(), "/news".to_owned()];
    ///     let known = pages.get_many(paths.iter().map(String::as_str)).await?;
    ///     assert_eq!((known.len(), known["/"].as_str()), (1, "the page"));
    ///     Ok(())
    /// }
    /// ```
    pub async fn get_many<'k>(
        &mut self,
        keys: impl IntoIterator<Item = &'k K>,
    ) -> Result<HashMap<K::Owned, V>, GetError>
    where
        V: Clone,
    {
        let keys: Vec<&K> = keys.into_iter().filter(|key| !self.rights.is_held(key)).collect();
        let mut values = HashMap::with_capacity(keys.len());
        self.tidy();
        if self.rights.are_too_many_lapsed() {
            let found = self.region.get_many(keys.iter().copied()).values().await;
            let found = match self.unless_down(found)? {
                Some(found) => found,
                None => self.one_by_one(&keys).await?,
            };
            for (key, got) in keys.into_iter().zip(found) {
                let value = self.take(key, got.map(Claim::Value));
                values.extend(value.map(|value| (key.to_owned(), value)));
            }
            return Ok(values);
        }
        let (now, mut lost) = (self.now(), Together::new());
        keys.iter().filter_map(|key| self.rights.take_lost(key, now)).for_each(|right| lost.push(right.give_up()));
        while lost.next().await.is_some() {}
        let region = self.region.clone();
        for (key, claim) in region.get_many(keys).claim_at_once().await? {
            let value = self.take(key, claim);
            values.extend(value.map(|value| (key.to_owned(), value)));
        }
        Ok(values)
    }

    /// Returns whether this reader has the right to set the value of a key, as far as this process knows by now. After
    /// a `None` of [`get`](Mint::get) it tells whether this reader was elected. Blocks for moments only, and makes no
    /// round trip.
    #[must_use]
    pub fn is_elected(&self, key: &K) -> bool {
        self.rights.is_held(key)
    }

    /// Stores a value, which is fresh for that [time](Timeout). If this reader was elected, the value is published by
    /// its right, which ends; else it is stored whatever is there, as by [`Region::set`]. See [the
    /// table](self#the-right). One round trip; the first change of a process is a look before that.
    ///
    /// Returns what has become of the value. [`Published::No`] with its reason: the right was lost or has ended, so
    /// that the value is not stored; or it could not be stored. A value that is set without the right is
    /// [`Fresh`](Published::Fresh).
    ///
    /// # Errors
    ///
    /// A value that is set without the right fails as by [`Region::set`]. (With the right, what the backend says is in
    /// the answer: an [`InDoubt`](NotPublished::InDoubt) says that the value may be stored or not.)
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile_cache::mint::{Mint, Timeout};
    /// use std::time::Duration;
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let mut pages = Mint::builder("page").build::<str, String>()?;
    ///     pages.set("/news", "fresh for a minute", Duration::from_secs(60)).await?;
    ///     pages.set("/imprint", "fresh for ever", Timeout::Never).await?;
    ///     assert_eq!(pages.get("/news").await?.as_deref(), Some("fresh for a minute"));
    ///     Ok(())
    /// }
    /// ```
    pub async fn set(
        &mut self,
        key: &K,
        value: impl Into<V>,
        timeout: impl Into<Timeout>,
    ) -> Result<Published, BackendError> {
        let made = timeout.into().of(value.into());
        match self.rights.take(key, self.now()) {
            Taken::Right(creation) => self.publish(creation, made).await,
            Taken::Lapsed => Ok(Published::No(NotPublished::Late)),
            Taken::Nothing => self.region.set(key, made).await.map(|()| Published::Fresh),
        }
    }

    /// Stores a value if nothing fresh is there. Returns whether it was stored. If this reader was elected, the value
    /// is published by its right, which ends, and `false` says that the right was lost or has ended. See [the
    /// table](self#the-right). Two round trips, or one with the right.
    ///
    /// # Errors
    ///
    /// As by [`Region::add`], with the right or without it.
    pub async fn add(
        &mut self,
        key: &K,
        value: impl Into<V>,
        timeout: impl Into<Timeout>,
    ) -> Result<bool, BackendError> {
        let made = timeout.into().of(value.into());
        match self.rights.take(key, self.now()) {
            Taken::Right(creation) => is_stored(self.publish(creation, made).await?),
            Taken::Lapsed => Ok(false),
            Taken::Nothing => self.region.add(key, made).await,
        }
    }

    /// Removes the value, for the whole fleet, and leaves no grace: the next reader is elected, and the others get
    /// `None`. A right to set the key ends, this reader's or another's: what is set by it is refused. One round trip.
    ///
    /// While a reader has the right to set the key, one thing is otherwise: after the `delete`, no reader is elected
    /// until that reader has ended its access, by a change, by a `get` of the key, or by its drop; but for
    /// [`void_pause`](crate::RegionBuilder::void_pause) at most, 100 ms by default. Meanwhile the others get `None`
    /// without the right. (So a hundred `delete`s a second of a key do not cause as many renewals.)
    ///
    /// The near stores of *other* processes serve the value for their [`at_most`](crate::Near::at_most).
    ///
    /// # Errors
    ///
    /// As by [`Region::invalidate`].
    pub async fn delete(&mut self, key: &K) -> Result<(), BackendError> {
        let taken = self.rights.end(key);
        let deleted = self.region.invalidate(key).await;
        drop(taken);
        deleted
    }

    /// Gives up the right to set a key, if this reader has it: the next reader is elected. Never blocks; the backend is
    /// told by another thread. Returns whether the reader had the right.
    pub fn give_up(&mut self, key: &K) -> bool {
        let was_elected = self.rights.is_held(key);
        self.rights.forget(key);
        was_elected
    }

    /// Gives up the right to set a key, if this reader has it, since its value could not be made. The region's
    /// [pause](crate::RegionBuilder::retry_after) begins, for the fleet: meanwhile no reader is elected, so that a
    /// source that fails is spared. Observers are told of the cause. One round trip, or none without the right.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped has ended the right, and what was sent is awaited by another thread.
    pub async fn fail(&mut self, key: &K, cause: &(dyn Display + Sync)) {
        if let Some(creation) = self.rights.end(key) {
            creation.fail(cause).await;
        }
    }

    /// Returns this reader as threads use it: see [`BlockingMint`].
    #[must_use]
    pub fn blocking(&mut self) -> BlockingMint<'_, K, V> {
        BlockingMint::new(self)
    }

    fn now(&self) -> Duration {
        self.region.core.time.now()
    }

    fn tidy(&mut self) {
        let now = self.now();
        self.rights.tidy(now, self.region.core.settings.creation_timeout);
    }

    /// Takes a value, or a right, or nothing, in place of what the reader had of the key.
    fn take(&mut self, key: &K, claim: Option<Claim<K, V>>) -> Option<V>
    where
        V: Clone,
    {
        let now = self.now();
        match claim {
            Some(Claim::Value(got)) => {
                self.rights.forget(key);
                Some(Got::into_value(got))
            }
            Some(Claim::Create(creation)) => {
                self.rights.hold(creation, now, self.region.core.settings.creation_timeout);
                None
            }
            None => {
                self.rights.lose(key, now);
                None
            }
        }
    }

    /// Publishes a value by a right. If it is refused, its key stays lapsed.
    async fn publish(&mut self, creation: Creation<K, V>, made: Made<V>) -> Result<Published, BackendError> {
        let key = creation.key().clone();
        match creation.publish(made).await {
            Ok(got) => {
                // (What was published by a creation always says so.)
                let published = Got::published(&got).unwrap_or(Published::Fresh);
                if matches!(is_stored(published), Ok(false)) {
                    self.rights.lapse(key, self.now());
                }
                Ok(published)
            }
            Err(error) => Err(BackendError::new(BackendErrorKind::Refused).caused_by(error)),
        }
    }

    /// Returns what a reader was told that is not to be elected: `None` if the backend is down, and those who may be
    /// elected would be.
    fn unless_down<T>(&self, told: Result<T, BackendError>) -> Result<Option<T>, GetError> {
        let core = &self.region.core;
        match told {
            Ok(told) => Ok(Some(told)),
            Err(_) if core.closing.is_closed() => Err(GetError::Closed),
            Err(_) if core.settings.on_backend_failure == OnBackendFailure::Elect => Ok(None),
            Err(error) => Err(GetError::Backend(error)),
        }
    }

    /// Returns what there is of each key, if a server of theirs is down. (That one is in its pause by now.)
    async fn one_by_one(&self, keys: &[&K]) -> Result<Vec<Option<Got<V>>>, GetError> {
        let mut all = Vec::with_capacity(keys.len());
        for key in keys {
            let found = self.region.get(*key).value().await;
            all.push(self.unless_down(found)?.flatten());
        }
        Ok(all)
    }
}

/// Returns whether a value was stored that was published by a right.
fn is_stored(published: Published) -> Result<bool, BackendError> {
    let Published::No(why) = published else { return Ok(true) };
    let kind = match why {
        NotPublished::Closed => return Err(closed()),
        NotPublished::InDoubt => BackendErrorKind::InDoubt,
        NotPublished::CutOff => BackendErrorKind::Unreachable,
        NotPublished::TooLarge => BackendErrorKind::TooLarge,
        NotPublished::NotEncodable => BackendErrorKind::Refused,
        _ => return Ok(false),
    };
    Err(BackendError::new(kind).caused_by(why.to_string()))
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Clone for Mint<K, V> {
    fn clone(&self) -> Mint<K, V> {
        Mint::new(self.region.clone())
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> fmt::Debug for Mint<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (region, rights) = (self.region.name(), self.rights.len());
        f.debug_struct("Mint").field("region", &region).field("rights", &rights).finish_non_exhaustive()
    }
}
