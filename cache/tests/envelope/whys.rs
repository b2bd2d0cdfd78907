//! Each fault of bytes that are no value, by its name.

use crate::{LIMITS, SHAPE, encode, full, hashed_key, key, reseal, value};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::envelope::{Content, Envelope, SizeLimits, Why};
use dogpile_cache::key::StoredKey;

fn decode(bytes: &[u8], key: &StoredKey) -> Result<Envelope, Why> {
    Envelope::decode(&bytes.to_vec().into(), key, LIMITS)
}

/// Decodes an envelope that was changed on purpose and given the right checksum.
fn changed(envelope: &Envelope, change: impl FnOnce(&mut Vec<u8>)) -> Result<Envelope, Why> {
    let mut bytes = encode(envelope, &key("a"));
    change(&mut bytes);
    reseal(&mut bytes);
    decode(&bytes, &key("a"))
}

/// Puts a part behind the head, as the only one.
fn with_part(number: u8, content: &[u8]) -> Result<Envelope, Why> {
    changed(&value(b"abc"), |bytes| {
        let part = [&[number], &u16::try_from(content.len()).expect("short").to_le_bytes()[..], content].concat();
        bytes[6..8].copy_from_slice(&u16::try_from(40 + part.len()).expect("short").to_le_bytes());
        bytes.splice(40..40, part);
    })
}

#[test]
fn s79_truncated() {
    let bytes = encode(&value(b"abc"), &key("a"));
    assert_eq!(decode(b"", &key("a")), Err(Why::Truncated));
    for length in 0..bytes.len() {
        assert_eq!(decode(&bytes[..length], &key("a")), Err(Why::Truncated), "{length} bytes");
    }
}

#[test]
fn s79_foreign() {
    for bytes in ["0", "hello", "\0", "{\"a\":1}", "\u{dc}dp\u{1}", &"x".repeat(100)] {
        assert_eq!(decode(bytes.as_bytes(), &key("a")), Err(Why::Foreign), "{bytes:?}");
    }
}

#[test]
fn s80_other_version() {
    assert_eq!(changed(&value(b"abc"), |bytes| bytes[3] = 2), Err(Why::OtherVersion));
    for flag in [32, 64, 128] {
        assert_eq!(changed(&value(b"abc"), |bytes| bytes[4] |= flag), Err(Why::OtherVersion));
    }
    assert_eq!(with_part(8, b"what a later build writes"), Err(Why::OtherVersion));
    assert_eq!(with_part(127, b""), Err(Why::OtherVersion));
    // A hint may be skipped.
    assert_eq!(with_part(128, b"what a later build writes"), Ok(value(b"abc")));
    assert_eq!(with_part(255, b""), Ok(value(b"abc")));
}

#[test]
fn s80_other_schema_and_format() {
    let bytes = encode(&full(), &key("a"));
    let read_as = |shape| decode(&bytes, &key("a").in_shape(shape));
    assert_eq!(read_as(SHAPE), Ok(full()));
    assert_eq!(read_as(Shape { schema: 1, ..SHAPE }), Err(Why::OtherSchema));
    assert_eq!(read_as(Shape { format: Format::JSON, ..SHAPE }), Err(Why::OtherFormat));
}

#[test]
fn checksum() {
    let mut bytes = encode(&value(b"abc"), &key("a"));
    *bytes.last_mut().expect("bytes") ^= 1;
    assert_eq!(decode(&bytes, &key("a")), Err(Why::Checksum));
    bytes.push(0);
    assert_eq!(decode(&bytes, &key("a")), Err(Why::Checksum));
}

#[test]
fn malformed() {
    let set = |flags| changed(&value(b""), |bytes| bytes[4] = flags);
    // Both absence and nothing; held, or a pause, without the part.
    for flags in [2 | 16, 4, 8] {
        assert_eq!(set(flags), Err(Why::Malformed), "flags {flags}");
    }
    // The part, without the flag.
    assert_eq!(changed(&full(), |bytes| bytes[4] &= !4), Err(Why::Malformed));
    assert_eq!(changed(&full(), |bytes| bytes[4] &= !8), Err(Why::Malformed));
    // Absence with a payload, with a length, compressed.
    let absence = Envelope::new(Content::Absence);
    assert_eq!(changed(&absence, |bytes| bytes.push(0)), Err(Why::Malformed));
    assert_eq!(changed(&absence, |bytes| bytes[32] = 1), Err(Why::Malformed));
    assert_eq!(changed(&absence, |bytes| bytes[4] |= 1), Err(Why::Malformed));
    // A value that is shorter or longer than its length; a header that is shorter than the head, or longer than all.
    assert_eq!(changed(&value(b"abc"), |bytes| bytes[32] = 4), Err(Why::Malformed));
    assert_eq!(changed(&value(b"abc"), |bytes| bytes[32] = 2), Err(Why::Malformed));
    assert_eq!(changed(&value(b"abc"), |bytes| bytes[6] = 39), Err(Why::Malformed));
    assert_eq!(changed(&value(b"abc"), |bytes| bytes[7] = 255), Err(Why::Malformed));
    // Parts that are cut off, of another length, out of order, or there twice.
    assert_eq!(changed(&value(b"\x03"), |bytes| bytes[6] = 41), Err(Why::Malformed));
    assert_eq!(changed(&value(b"\x03\x08\x00"), |bytes| bytes[6] = 43), Err(Why::Malformed));
    for (number, length) in [(1, 15), (2, 13), (3, 7), (4, 0), (5, 9), (6, 1), (6, 9), (7, 3), (7, 5)] {
        assert_eq!(with_part(number, &vec![0; length]), Err(Why::Malformed), "part {number} with {length} bytes");
    }
    assert_eq!(with_part(0, b""), Err(Why::Malformed));
    assert_eq!(with_part(4, &[b"12345678\x03\x08\x00".as_slice(), b"12345678"].concat()), Err(Why::Malformed));
    // A tag that is longer than the tags.
    assert_eq!(with_part(6, b"\x05\x00abcd12345678"), Err(Why::Malformed));
    // A place that is longer than what follows.
    assert_eq!(with_part(7, &100_u32.to_le_bytes()), Err(Why::Malformed));
    assert_eq!(with_part(7, &u32::MAX.to_le_bytes()), Err(Why::Malformed));
}

#[test]
fn s89_too_large() {
    let bytes = encode(&value(&[7; 100]), &key("a")).into();
    let decode = |stored, value| Envelope::decode(&bytes, &key("a"), SizeLimits { stored, value });
    assert!(decode(140, 100).is_ok());
    assert_eq!(decode(139, 100), Err(Why::TooLarge));
    assert_eq!(decode(140, 99), Err(Why::TooLarge));
}

#[test]
fn g13_other_key() {
    let (long, other) = (hashed_key(), key(&"k".repeat(151)));
    let bytes = encode(&value(b"abc"), &long);
    assert_eq!(decode(&bytes, &long), Ok(value(b"abc")));
    // As if both had the same hash.
    assert_eq!(decode(&bytes, &other), Err(Why::OtherKey));
    assert_eq!(decode(&bytes, &key("a")), Err(Why::OtherKey));
    // The entry of a hashed key says whose it is.
    assert_eq!(decode(&encode(&value(b"abc"), &key("a")), &long), Err(Why::OtherKey));
    // A key that is not hashed does not say whose it is, and need not; if it does, it is compared as well.
    let mut named = encode(&value(b"abc"), &key("a"));
    named[6] = 47;
    named.splice(40..40, *b"\x07\x04\x00\x06\x00\x00\x00page:a");
    reseal(&mut named);
    assert_eq!(decode(&named, &key("a")), Ok(value(b"abc")));
    assert_eq!(decode(&named, &key("b")), Err(Why::OtherKey));
}

/// An envelope that says that its payload is compressed, and how long it is decompressed.
fn compressed(payload: &[u8], length: u32) -> Result<Envelope, Why> {
    changed(&value(payload), |bytes| {
        bytes[4] |= 1;
        bytes[32..36].copy_from_slice(&length.to_le_bytes());
    })
}

#[cfg(feature = "lz4")]
#[test]
fn s82_a_bomb() {
    // 1 KB that claims all that the layout can express, and just more than 1 KB can be.
    assert_eq!(compressed(&[0; 1024], u32::MAX), Err(Why::Bomb));
    assert_eq!(compressed(&[0; 1024], 255 * 1024 + 1), Err(Why::Bomb));
    // Not impossible, but not so.
    assert_eq!(compressed(&[0; 1024], 255 * 1024), Err(Why::Malformed));
    // A true one: 3 bytes, then a match of one byte back that 10,000 bytes of length make 2.5 million bytes long.
    let bomb = [b"\x1fa\x01\x00".as_slice(), &[255; 10_000], b"\x00\x50aaaaa"].concat();
    let length = 1 + 4 + 15 + 255 * 10_000 + 5;
    assert_eq!(compressed(&bomb, length), Err(Why::TooLarge));
    assert_eq!(compressed(&bomb, 1 << 20), Err(Why::Malformed));
    let limits = SizeLimits { value: length as usize, ..LIMITS };
    let mut bytes = encode(&value(&bomb), &key("a"));
    bytes[4] |= 1;
    bytes[32..36].copy_from_slice(&length.to_le_bytes());
    reseal(&mut bytes);
    assert_eq!(Envelope::decode(&bytes.into(), &key("a"), limits), Ok(value(&vec![b'a'; length as usize])));
    // Damaged, empty, too short for its length.
    assert_eq!(compressed(b"\xff\xff\xff", 3), Err(Why::Malformed));
    assert_eq!(compressed(b"", 1), Err(Why::Bomb));
    assert_eq!(compressed(b"\x10a", 2), Err(Why::Malformed));
    assert_eq!(compressed(b"\x10a", 1), Ok(value(b"a")));
}

#[cfg(not(feature = "lz4"))]
#[test]
fn compressed_by_a_build_with_lz4() {
    assert_eq!(compressed(b"\x10a", 1), Err(Why::Compressed));
}

#[test]
fn each_why_has_a_name_and_a_message() {
    let all = [
        Why::Truncated,
        Why::Foreign,
        Why::OtherVersion,
        Why::OtherSchema,
        Why::OtherFormat,
        Why::Checksum,
        Why::Malformed,
        Why::TooLarge,
        Why::Bomb,
        Why::OtherKey,
        Why::Compressed,
        Why::Undecodable,
    ];
    let mut names: Vec<_> = all.iter().map(|why| why.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len());
    assert!(all.iter().all(|why| why.to_string().starts_with("the ") || why.to_string().starts_with("another ")));
}
