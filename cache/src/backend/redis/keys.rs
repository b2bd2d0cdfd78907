//! The keys of a place.
//!
//! | key | what lies there |
//! |---|---|
//! | `{place}@3.2` | the entry of schema 3 and format 2 |
//! | `{place}@grant` | the grant that is under way, or its tombstone |
//! | `{place}@pause` | the pause after a failure, and its mark |
//! | `{place}@count` | the counter |
//! | `{place}@signal` | no key: the channel of the signals |
//!
//! On a Cluster the slot of a key is that of the text between its first `{` and the first `}` behind it, unless there
//! is nothing between them. The first byte of each key is `{`, and a place begins with the letters of a name. So all
//! keys of a place lie in one slot, whatever braces the place has (S88): its first `}`, or the one behind it, ends the
//! text for all of them.

use crate::key::StoredKey;

/// Returns the parts of the key of the entry: a hit writes them where they are sent from.
pub(super) fn parts(key: &StoredKey) -> [&str; 4] {
    let (place, suffix) = key.full().split_at(key.place().len());
    ["{", place, "}", suffix]
}

/// Returns the key of the entry.
pub(super) fn entry(key: &StoredKey) -> String {
    parts(key).concat()
}

/// Returns the key of the grant.
pub(super) fn grant(key: &StoredKey) -> String {
    with(key, "@grant")
}

/// Returns the key of the pause.
pub(super) fn pause(key: &StoredKey) -> String {
    with(key, "@pause")
}

/// Returns the key of the counter.
pub(super) fn count(key: &StoredKey) -> String {
    with(key, "@count")
}

/// Returns the channel of the signals.
pub(super) fn signal(key: &StoredKey) -> String {
    channel(key.place())
}

/// Returns the channel of the signals of a place.
pub(super) fn channel(place: &str) -> String {
    format!("{{{place}}}@signal")
}

/// Returns the place of a channel.
pub(super) fn place(channel: &str) -> Option<&str> {
    channel.strip_prefix('{')?.strip_suffix("}@signal")
}

fn with(key: &StoredKey, suffix: &str) -> String {
    format!("{{{}}}{suffix}", key.place())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Format, Shape};
    use crate::key::{KeyLimit, Namespace};

    /// The text that a Cluster hashes.
    fn hashed(key: &str) -> &str {
        let Some(open) = key.find('{') else { return key };
        match key[open + 1..].find('}') {
            Some(length @ 1..) => &key[open + 1..][..length],
            _ => key,
        }
    }

    #[test]
    fn s88_all_keys_of_a_place_share_a_slot_whatever_braces_it_has() {
        let names = Namespace::new("order").unwrap();
        for text in ["7", "", "{7}", "}{", "{}", "a}b", "}}", "{{a", "{", "}"] {
            let shape = |schema| Shape { schema, format: Format::RAW };
            let key = StoredKey::new(&names, text, shape(1), KeyLimit::NONE);
            let keys =
                [entry(&key), entry(&key.in_shape(shape(2))), grant(&key), pause(&key), count(&key), signal(&key)];
            assert_eq!(place(&keys[5]), Some(key.place()));
            for other in &keys {
                assert_eq!(hashed(other), hashed(&keys[0]), "{text:?}");
                assert!(hashed(other).starts_with("order:"), "{other}");
            }
        }
        let key = StoredKey::new(&names, "7", Shape { schema: 3, format: Format::JSON }, KeyLimit::NONE);
        assert_eq!(entry(&key), format!("{{order:7}}@3.{}", Format::JSON.number()));
        assert_eq!(grant(&key), "{order:7}@grant");
    }
}
