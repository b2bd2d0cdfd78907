//! The value as memcached keeps it, and the client.
//!
//! An item consists of the creation time (8 bytes, nanoseconds since 1970), the process that made it (4 bytes), a
//! checksum of all the rest (8 bytes) and the text. Numbers are little-endian.
//!
//! The client pools connections. All its waits are bounded: by [`CONNECT`] for a connection, and by [`ANSWER`] for a
//! read or a write. The pool tries each connection with a round trip before it lends the connection out. This must stay
//! so: otherwise the pool would not notice a broken connection, and would lend it for ever. Broken connections are
//! replaced in the background, with pauses that double from 0.2 s.

use dogpile::Stamped;
use memcache::{Client, ConnectionManager, MemcacheError, Pool, Url};
use std::error::Error;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long the client waits for a connection that works. While there is no server, each look-up takes this long to
/// fail.
pub const CONNECT: Duration = Duration::from_millis(400);

/// How long the client waits for an answer on a connection that works.
pub const ANSWER: Duration = Duration::from_secs(1);

/// The lifetime of an item in the server, in seconds, so that a run leaves nothing behind. No run lasts as long.
const FORGOTTEN_AFTER: u32 = 3600;

/// The number of items in a document: enough for several packets.
const ITEMS: u64 = 1000;

const STAMP: usize = 8;
const MAKER: usize = STAMP + 4;
const HEADER: usize = MAKER + 8;

/// The value, which is expensive to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The process that has made the document.
    pub maker: u32,
    /// The text of the document: some JSON.
    pub text: String,
}

impl Document {
    /// The document `number` of `maker`.
    pub fn new(maker: u32, number: u64) -> Self {
        let items: Vec<_> = (number..number + ITEMS).map(|item| item.to_string()).collect();
        Self { maker, text: format!(r#"{{"maker":{maker},"number":{number},"items":[{}]}}"#, items.join(",")) }
    }
}

/// Why the store gave no answer.
#[derive(Debug)]
pub enum StoreError {
    /// The client failed, or could not reach the server.
    Client(MemcacheError),
    /// There is an item, but it is not as it was stored.
    Damaged,
}

impl From<MemcacheError> for StoreError {
    fn from(error: MemcacheError) -> Self {
        Self::Client(error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client(_) => "no answer from the store",
            Self::Damaged => "the item is damaged",
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Client(error) => Some(error),
            Self::Damaged => None,
        }
    }
}

/// The result of a look-up.
pub type LookUp = Result<Option<Stamped<Document>>, StoreError>;

/// The client of a memcached server.
pub struct Memcached(Client);

impl Memcached {
    /// Makes a client, which connects when it is first used, by `connections` at most. Never blocks.
    pub fn new(server: SocketAddr, connections: u16) -> Result<Self, MemcacheError> {
        // Not `Client::builder()`: its time-outs would reach the first connection only, and it needs a server that runs
        // already.
        let url = format!("memcache://{server}?protocol=ascii&timeout={}", ANSWER.as_secs_f64());
        let pool = Pool::builder()
            .max_size(connections.into())
            .min_idle(Some(0))
            .connection_timeout(CONNECT)
            .build_unchecked(ConnectionManager::new(Url::parse(&url)?));
        Client::with_pool(pool).map(Self)
    }

    /// The version of the server.
    pub fn version(&self) -> Result<String, MemcacheError> {
        Ok(self.0.version()?.swap_remove(0).1)
    }

    /// Gets the value and its creation time, or `None` if the server has no value.
    pub fn get(&self, key: &str) -> LookUp {
        match self.0.get::<Vec<u8>>(key)? {
            Some(item) => decode(item).map(Some).ok_or(StoreError::Damaged),
            None => Ok(None),
        }
    }

    /// Stores the value. After an error the value may be stored or not.
    pub fn set(&self, key: &str, made: &Stamped<Document>) -> Result<(), MemcacheError> {
        self.0.set(key, &encode(made)[..], FORGOTTEN_AFTER)
    }

    /// Removes the value. The server itself may do so at any time.
    pub fn remove(&self, key: &str) -> Result<(), MemcacheError> {
        self.0.delete(key).map(drop)
    }
}

fn encode(made: &Stamped<Document>) -> Vec<u8> {
    let stamp = made.unix_nanos().to_le_bytes();
    let maker = made.value.maker.to_le_bytes();
    let text = made.value.text.as_bytes();
    let checksum = checksum(&stamp, &maker, text).to_le_bytes();
    [&stamp[..], &maker, &checksum, text].concat()
}

fn decode(mut item: Vec<u8>) -> Option<Stamped<Document>> {
    if item.len() < HEADER {
        return None;
    }
    let text = item.split_off(HEADER);
    let (stamp, maker, written) = (&item[..STAMP], &item[STAMP..MAKER], &item[MAKER..]);
    if written != checksum(stamp, maker, &text).to_le_bytes() {
        return None;
    }
    let value = Document { maker: u32::from_le_bytes(maker.try_into().ok()?), text: String::from_utf8(text).ok()? };
    Some(Stamped::from_unix_nanos(value, u64::from_le_bytes(stamp.try_into().ok()?)))
}

/// The hash of std. It may differ in another build, but both processes run the same build.
fn checksum(stamp: &[u8], maker: &[u8], text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in [stamp, maker, text] {
        hasher.write(part);
    }
    hasher.finish()
}

/// Makes the key of a run, which no other run has used or uses.
pub fn key() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("dogpile-example-{}-{}", std::process::id(), now.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_comes_back_as_it_was_stored_or_is_known_to_be_damaged() {
        let made = Stamped::from_unix_nanos(Document::new(7, 3), 1_700_000_000_123_456_789);
        let item = encode(&made);
        assert_eq!(decode(item.clone()), Some(made));
        assert_eq!(decode(item[..item.len() - 1].to_vec()), None);
        assert_eq!(decode(item[..HEADER - 1].to_vec()), None);
        for place in [0, STAMP, MAKER, HEADER, item.len() - 1] {
            let mut damaged = item.clone();
            damaged[place] ^= 1;
            assert_eq!(decode(damaged), None);
        }
    }
}
