//! Where a reader has its keys from: the one `Cached` that all share, or a copy of its own.

use crate::client::{Client, FetchError};
use crate::key_set::KeySet;
use dogpile::{Cached, CachedGuard, CreateError, Made, Outcome, Policy, Renewal};
use std::error::Error;
use std::ops::Deref;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// What ends a run early; from a reader's thread, too.
pub type Trouble = Box<dyn Error + Send + Sync>;

/// How often one who has no keys asks a server that fails.
const TRIES: u32 = 100;
/// And how long it waits before it asks again.
const PAUSE: Duration = Duration::from_millis(10);

/// Keys for one reader.
pub trait Keys {
    /// Keys that were read.
    type Held: Deref<Target = KeySet>;

    /// Reads them. Blocks while they are fetched, if there are none to go on with or it falls to this reader.
    fn get(&mut self) -> Result<Self::Held, Trouble>;

    /// These were refused, and are to be fetched anew. Returns whether it was this reader who has fetched them, or will.
    fn refuse(&mut self, held: &Self::Held) -> Result<bool, Trouble>;
}

/// What readers are refused with comes from outside: no two renewals because of that begin within 5 milliseconds. (For a
/// real server, rather within some seconds.)
static BOUNDED: Policy = Policy::builder().renew_interval(Duration::from_millis(5)).build_const();

/// The keys of all readers. Each answer says itself how long it lives.
static KEYS: Cached<KeySet> = Cached::never_expires().with_policy(&BOUNDED);

/// Reads the keys of all.
pub struct Shared<'a>(pub &'a Client);

impl Shared<'_> {
    /// The creator.
    fn renew(&self, renewal: &Renewal<'_, KeySet>) -> Result<Made<KeySet>, FetchError> {
        let answer = self.0.fetch(renewal.old())?;
        let made = match answer.keys {
            Some(keys) => Made::new(keys),
            None => renewal.unchanged().expect("`fetch` was told of the old keys, as they are unchanged"),
        };
        // Also of the old ones, whose life begins anew.
        Ok(made.expires_after(lifetime(answer.max_age)))
    }
}

impl Keys for Shared<'_> {
    type Held = CachedGuard<KeySet>;

    fn get(&mut self) -> Result<Self::Held, Trouble> {
        patiently(|| match KEYS.access().or_try_create_with(|renewal| self.renew(renewal)) {
            // It fell to this reader, and failed. The others go on with the old keys, and so may this one.
            Err(CreateError::Failed(error)) if error.is_passing() => Ok(KEYS.peek()),
            got => got.map(Some).map_err(Trouble::from),
        })
    }

    fn refuse(&mut self, held: &Self::Held) -> Result<bool, Trouble> {
        // Not `invalidate_if`: that takes the keys from every reader, and a sender of bad tokens could drive it.
        let refused = CachedGuard::generation(held);
        let newer = patiently(|| {
            match KEYS.access().renew_if(refused).or_try_create_with(|renewal| self.renew(renewal)) {
                // It fell to this reader, and failed. The keys are still those that were refused.
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
    /// No copy yet.
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

/// Keys are renewed at half their age: while the server fails, the old ones are good for as long again.
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
