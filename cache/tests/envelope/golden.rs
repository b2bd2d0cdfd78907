//! The layout, byte by byte: two builds of a deploy agree on the layout. A change of a line here is a new version of
//! it.

use crate::{LIMITS, encode, full, hashed_key, key, value};
#[cfg(feature = "lz4")]
use dogpile_cache::envelope::Compression;
use dogpile_cache::envelope::{Content, Envelope};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[test]
fn s80_the_layout_of_all_parts() {
    let key = hashed_key();
    let parts = [
        // Magic and version, flags (held, pause), format, length of the header.
        "dc647001",
        "0c",
        "02",
        "9000",
        // Created, fresh until.
        "0807060504030201",
        "1817161514131211",
        // Creation took, schema, length of the value, checksum (as zlib computes it).
        "24232221",
        "01020304",
        "07000000",
        "bf467fd8",
        // The grant: token, beat, lease.
        "011000",
        "3837363534333231",
        "44434241",
        "10270000",
        // The pause: failures, until.
        "020c00",
        "03000000",
        "5857565554535251",
        // Version, life, lifetime.
        "030800",
        "6867666564636261",
        "040800",
        "7877767574737271",
        "050800",
        "8786858483828100",
        // The tags.
        "061b00",
        "0700",
        "636174616c6f67",
        "0100000000000000",
        "0000",
        "ffffffffffffffff",
        // The whole place, which stands behind the header; the payload.
        "070400",
        "9b000000",
        &hex(b"page:"),
        &"6b".repeat(150),
        &hex(b"payload"),
    ];
    let bytes = encode(&full(), &key);
    assert_eq!(hex(&bytes), parts.concat());
    assert_eq!(Envelope::decode(&bytes.into(), &key, LIMITS), Ok(full()));
}

#[test]
fn s80_the_layout_without_parts() {
    for (envelope, bytes) in [
        (value(b"abc"), "dc6470010002280000000000000000000000000000000000000000000102030403000000aee4ab3d616263"),
        (value(b""), "dc64700100022800000000000000000000000000000000000000000001020304000000009bd56946"),
        (
            Envelope::new(Content::Absence),
            "dc64700102022800000000000000000000000000000000000000000001020304000000008ed8ac7e",
        ),
        (
            Envelope::new(Content::Nothing),
            "dc647001100228000000000000000000000000000000000000000000010203040000000072bb305b",
        ),
    ] {
        assert_eq!(hex(&encode(&envelope, &key("a"))), bytes);
    }
}

/// The flag and the length say that the payload is compressed; how well lz4 does it is not settled.
#[cfg(feature = "lz4")]
#[test]
fn s80_the_layout_of_a_compressed_value() {
    let bytes = value(&[b'a'; 300]).encode(&key("a"), LIMITS, Compression::lz4_above(299)).expect("small");
    assert_eq!(hex(&bytes[..36]), "dc647001010228000000000000000000000000000000000000000000010203042c010000");
    assert!(bytes.len() < 60);
    // One literal, a match of 1 byte back over 294 bytes, 5 literals: written by hand after the format's description.
    let mut by_hand = bytes[..40].to_vec();
    by_hand.extend_from_slice(b"\x1fa\x01\x00\xff\x14\x50aaaaa");
    crate::reseal(&mut by_hand);
    assert_eq!(Envelope::decode(&by_hand.into(), &key("a"), LIMITS), Ok(value(&[b'a'; 300])));
    // At the threshold, or where it would gain nothing, a value is stored as it is.
    for (envelope, above) in [(value(&[b'a'; 300]), 300), (value(b"abcdefghijklmnopqrstuvwxyz"), 0), (value(b""), 0)] {
        let bytes = envelope.encode(&key("a"), LIMITS, Compression::lz4_above(above)).expect("small");
        assert_eq!(bytes, encode(&envelope, &key("a")));
    }
}
