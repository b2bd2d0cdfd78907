//! The keys of a reader. They come from the one `Cached` that all readers share, or from a copy of the reader's own.

use crate::client::{Client, FetchError};
use crate::key_set::KeySet;
use dogpile::{Cached, CachedGuard, CreateError, Made, Outcome, Policy, Renewal};
use std::error::Error;
use std::ops::Deref;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The error that ends a run early. It may come from a reader's thread.
pub type Trouble = Box<dyn Error + Send + Sync>;

/// How often a reader without keys tries again while the server fails.
const TRIES: u32 = 100;
/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// Keys for one reader.
pub trait Keys {
    /// Keys that were read.
    type Held: Deref<Target = KeySet>;

    /// Reads the keys. Blocks while this reader fetches them, or while there are none to go on with.
    fn get(&mut self) -> Result<Self::Held, Trouble>;

    /// Has keys that were refused fetched anew. Returns whether this reader has fetched them, or will.
    fn refuse(&mut self, held: &Self::Held) -> Result<bool, Trouble>;
}

/// Renewals after a refusal are bounded, since refusals can be provoked from outside: two such renewals begin at least
/// 5 milliseconds apart. (With a real server, some seconds would be better.)
static BOUNDED: Policy = Policy::builder().renew_interval(Duration::from_millis(5)).build_const();

/// The keys of all readers. Each answer of the server says how long its keys live.
static KEYS: Cached<KeySet> = Cached::never_expires().with_policy(&BOUNDED);

/// Reads the shared keys.
pub struct Shared<'a>(pub &'a Client);

impl Shared<'_> {
    /// The creator.
    fn renew(&self, renewal: &Renewal<'_, KeySet>) -> Result<Made<KeySet>, FetchError> {
        let answer = self.0.fetch(renewal.old())?;
        let made = match answer.keys {
            Some(keys) => Made::new(keys),
            None => renewal.unchanged().expect("`fetch` was told of the old keys, as they are unchanged"),
        };
        // The lifetime is set on unchanged keys as well: their life begins anew.
        Ok(made.expires_after(lifetime(answer.max_age)))
    }
}

impl Keys for Shared<'_> {
    type Held = CachedGuard<KeySet>;

    fn get(&mut self) -> Result<Self::Held, Trouble> {
        patiently(|| match KEYS.access().or_try_create_with(|renewal| self.renew(renewal)) {
            // This reader was elected, and its request has failed. The other readers go on with the old keys, and so
            // does this one.
            Err(CreateError::Failed(error)) if error.is_passing() => Ok(KEYS.peek()),
            got => got.map(Some).map_err(Trouble::from),
        })
    }

    fn refuse(&mut self, held: &Self::Held) -> Result<bool, Trouble> {
        // `invalidate_if` would take the keys from every reader. A sender of bad tokens could bring that about again
        // and again.
        let refused = CachedGuard::generation(held);
        let newer = patiently(|| {
            match KEYS.access().renew_if(refused).or_try_create_with(|renewal| self.renew(renewal)) {
                // This reader was elected, and its request has failed. The keys are still the refused ones.
                Err(CreateError::Failed(error)) if error.is_passing() => Ok(None),
                Ok(old) if CachedGuard::outcome(&old) == Outcome::TooSoon => Ok(None),
                got => got.map(Some).map_err(Trouble::from),
            }
        })?;
        Ok(CachedGuard::outcome(&newer) == Outcome::Created)
    }
}

/// A reader's own copy, without a lock.
pub struct Own<'a> {
    client: &'a Client,
    copy: Option<Arc<KeySet>>,
    expires: Instant,
}

impl<'a> Own<'a> {
    /// Makes a reader's part without a copy of the keys.
    pub fn new(client: &'a Client) -> Self {
        Self { client, copy: None, expires: Instant::now() }
    }

    fn renew(&mut self) -> Result<(), FetchError> {
        let answer = self.client.fetch(self.copy.as_deref())?;
        if let Some(keys) = answer.keys {
            self.copy = Some(Arc::new(keys));
        }
        self.expires = Instant::now() + lifetime(answer.max_age);
        Ok(())
    }
}

impl Keys for Own<'_> {
    type Held = Arc<KeySet>;

    fn get(&mut self) -> Result<Self::Held, Trouble> {
        patiently(|| {
            if self.copy.is_none() || self.expires <= Instant::now() {
                match self.renew() {
                    Err(error) if !error.is_passing() => return Err(error.into()),
                    Ok(()) | Err(_) => {}
                }
            }
            Ok(self.copy.clone())
        })
    }

    fn refuse(&mut self, _: &Self::Held) -> Result<bool, Trouble> {
        Ok(self.copy.take().is_some())
    }
}

/// The lifetime of keys: half of their permitted age. If the server fails then, the old keys are good for as long
/// again.
pub fn lifetime(max_age: Duration) -> Duration {
    max_age / 2
}

fn patiently<T>(mut get: impl FnMut() -> Result<Option<T>, Trouble>) -> Result<T, Trouble> {
    for _ in 0..TRIES {
        if let Some(got) = get()? {
            return Ok(got);
        }
        thread::sleep(PAUSE);
    }
    Err(format!("the server has failed {TRIES} times in a row").into())
}
