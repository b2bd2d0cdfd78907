//! The key set that the server serves and the readers read: a JWK Set, as RFC 7517 defines it.
//!
//! The keys of an edition are made from its number. So anyone with the number can tell whether a key belongs to the
//! edition.

use crate::random::mix;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fmt;

/// The number of keys in a set. Each call is signed with one of them.
pub const KEYS: usize = 4;

/// The characters that stand for six bits in base64url.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A key set that was parsed.
#[derive(Debug)]
pub struct KeySet {
    edition: u64,
    etag: String,
    keys: Vec<Key>,
}

/// A key set as it is sent.
#[derive(Deserialize, Serialize)]
struct Sent {
    keys: Vec<Key>,
}

/// A symmetric key. The same key signs and verifies.
#[derive(Debug, Deserialize, Serialize)]
struct Key {
    kty: String,
    kid: String,
    #[serde(rename = "k")]
    secret: String,
}

impl KeySet {
    /// Parses the text that was sent.
    pub fn parse(json: &str, etag: &str) -> Result<Self, Malformed> {
        let sent: Sent = serde_json::from_str(json).map_err(Malformed::Json)?;
        let edition = sent.keys.first().and_then(|key| key.kid.split_once('-')?.0.parse().ok());
        let edition = edition.ok_or(Malformed::Keys)?;
        let belongs = |(number, key): (usize, &Key)| key.kty == "oct" && key.kid == kid(edition, number);
        if sent.keys.len() != KEYS || !sent.keys.iter().enumerate().all(belongs) {
            return Err(Malformed::Keys);
        }
        Ok(Self { edition, etag: etag.to_owned(), keys: sent.keys })
    }

    /// The number of its edition. Editions are numbered from 1 on.
    pub fn edition(&self) -> u64 {
        self.edition
    }

    /// The entity tag that the server gave it.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// Whether the key at this place is the key that the given edition has there.
    pub fn is_valid(&self, number: usize, edition: u64) -> bool {
        self.keys[number].secret.bytes().eq(secret(edition, number))
    }
}

/// Writes an edition as it is sent.
pub fn json(edition: u64) -> String {
    let key = |number| Key {
        kty: "oct".into(),
        kid: kid(edition, number),
        secret: secret(edition, number).map(char::from).collect(),
    };
    serde_json::to_string(&Sent { keys: (0..KEYS).map(key).collect() }).expect("strings can be written")
}

/// The entity tag of an edition.
pub fn etag(edition: u64) -> String {
    format!("\"{edition}\"")
}

fn kid(edition: u64, number: usize) -> String {
    format!("{edition}-{number}")
}

/// Makes 192 bits, in base64url.
fn secret(edition: u64, number: usize) -> impl Iterator<Item = u8> {
    let words = (0..4).map(move |word| mix(mix(edition) ^ (number as u64 * 4 + word)));
    words.flat_map(u64::to_le_bytes).map(|byte| LETTERS[usize::from(byte) % LETTERS.len()])
}

/// Why an answer is not a key set.
#[derive(Debug)]
pub enum Malformed {
    /// The answer is not JSON of this form.
    Json(serde_json::Error),
    /// The keys are not the keys of one edition.
    Keys,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json(_) => "it is not a JSON key set",
            Self::Keys => "its keys are not those of one edition",
        })
    }
}

impl Error for Malformed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            Self::Keys => None,
        }
    }
}
