//! Damaged and hostile bytes: no panic, and no value.
//!
//! The seed of the mutations is printed; to run with the same one, set `DOGPILE_ENVELOPE_SEED`.

use crate::{LIMITS, compression, encode, full, hashed_key, key, reseal, value};
use bytes::Bytes;
use dogpile_cache::envelope::{Content, Envelope, SizeLimits, Why};
use dogpile_cache::key::StoredKey;
use fastrand::Rng;
use std::collections::HashMap;
use std::env;

/// Small envelopes of all sorts, with their keys.
fn small() -> Vec<(Vec<u8>, StoredKey)> {
    let compressed = value(&[b'a'; 64]).encode(&key("a"), LIMITS, compression()).expect("small");
    vec![
        (encode(&value(b"abc"), &key("a")), key("a")),
        (encode(&Envelope::new(Content::Absence), &key("a")), key("a")),
        (encode(&full(), &key("a")), key("a")),
        (encode(&full(), &hashed_key()), hashed_key()),
        (compressed.to_vec(), key("a")),
    ]
}

fn decode(bytes: &[u8], key: &StoredKey) -> Result<Envelope, Why> {
    Envelope::decode(&Bytes::copy_from_slice(bytes), key, LIMITS)
}

#[test]
fn s79_every_truncation_is_no_value() {
    for (bytes, key) in small() {
        for length in 0..bytes.len() {
            let mut cut = bytes[..length].to_vec();
            decode(&cut, &key).expect_err("cut off");
            // With the right checksum only the lengths can tell.
            reseal(&mut cut);
            decode(&cut, &key).expect_err("cut off");
        }
    }
}

#[test]
fn s79_every_flipped_bit_is_no_value() {
    for (bytes, key) in small() {
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            decode(&flipped, &key).expect_err("damaged");
            reseal(&mut flipped);
            let _ = decode(&flipped, &key);
        }
    }
}

#[test]
fn s79_foreign_bytes_are_no_value() {
    let mut random = Rng::with_seed(7);
    for length in 0..2000 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        decode(&bytes, &key("a")).expect_err("foreign");
        decode(&vec![bytes.first().copied().unwrap_or(0); length], &key("a")).expect_err("foreign");
    }
}

const MUTATIONS: usize = 1_000_000;

#[test]
fn s79_s82_a_million_mutations() {
    let seed =
        env::var("DOGPILE_ENVELOPE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a seed"));
    println!("DOGPILE_ENVELOPE_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let small = small();
    let limits = SizeLimits { stored: 4096, value: 1024 };

    let mut met: HashMap<&str, usize> = HashMap::new();
    let mut bytes = Vec::new();
    for _ in 0..MUTATIONS {
        let (original, key) = &small[random.usize(..small.len())];
        bytes.clear();
        bytes.extend_from_slice(original);
        for _ in 0..random.usize(1..4) {
            mutate(&mut bytes, &mut random);
        }
        // Half of the envelopes get the right checksum, so that the decoder looks at the rest.
        if random.bool() {
            reseal(&mut bytes);
        }
        let name = match Envelope::decode(&Bytes::copy_from_slice(&bytes), key, limits) {
            Ok(envelope) => {
                if let Content::Value(value) = &envelope.content {
                    assert!(value.len() <= limits.value);
                }
                let _ = envelope.tags.iter().count();
                "value"
            }
            Err(why) => why.name(),
        };
        *met.entry(name).or_default() += 1;
    }
    println!("{met:?}");
    // The mutations reach every fault that they can.
    let mut expected = vec!["value", "truncated", "foreign", "checksum", "malformed", "other_version", "other_key"];
    expected.extend(["other_schema", "other_format", "too_large"]);
    #[cfg(feature = "lz4")]
    expected.push("bomb");
    for name in expected {
        assert!(met.contains_key(name), "no mutation was {name}: {met:?}");
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Rng) {
    let at = random.usize(..=bytes.len());
    let interesting = [0_u32, 1, 40, 127, 128, 255, 1024, 1025, 0xffff, 0x7fff_ffff, u32::MAX];
    match random.u8(..9) {
        // A field of the head, or bytes anywhere, become a number at the edge of something.
        0 | 1 => {
            let at = if random.bool() { [4, 6, 8, 24, 28, 32, 40, 41, 43][random.usize(..9)] } else { at };
            let number = interesting[random.usize(..interesting.len())].to_le_bytes();
            let width = [1, 2, 4][random.usize(..3)];
            if let Some(field) = bytes.get_mut(at..at + width) {
                field.copy_from_slice(&number[..width]);
            }
        }
        2 => bytes.truncate(at),
        3 => bytes.insert(at, random.u8(..)),
        4 => drop(bytes.drain(at..(at + random.usize(..8)).min(bytes.len()))),
        // A stretch, once more.
        5 => {
            let from = random.usize(..=at);
            bytes.extend_from_within(from.max(at.saturating_sub(40))..at);
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= if random.bool() { 1 << random.u8(..8) } else { random.u8(..) };
            }
        }
    }
}
