//! Codecs: they read back the values that they wrote, and nothing else (S79, S81, S91, G7).

use bytes::Bytes;
#[cfg(feature = "json")]
use dogpile_cache::codec::Json;
use dogpile_cache::codec::{Codec, CodecError, Format, MessagePack, Raw};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Text(String),
    Pair(u8, i64),
    Fields { on: bool, at: Option<char> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Product {
    id: u64,
    name: String,
    price: f64,
    kinds: Vec<Kind>,
    stock: BTreeMap<String, Option<i32>>,
}

fn any_product() -> impl Strategy<Value = Product> {
    let kind = prop_oneof![
        Just(Kind::Plain),
        any::<String>().prop_map(Kind::Text),
        any::<(u8, i64)>().prop_map(|(a, b)| Kind::Pair(a, b)),
        (any::<bool>(), any::<Option<char>>()).prop_map(|(on, at)| Kind::Fields { on, at }),
    ];
    let stock = btree_map(any::<String>(), option::of(any::<i32>()), 0..4);
    (any::<u64>(), any::<String>(), -1e9..1e9, vec(kind, 0..5), stock)
        .prop_map(|(id, name, price, kinds, stock)| Product { id, name, price, kinds, stock })
}

fn encoded<V, C: Codec<V>>(codec: &C, value: &V) -> Bytes {
    // Bytes that are there already stay.
    let mut out = b"before".to_vec();
    codec.encode(value, &mut out).expect("the value can be encoded");
    assert!(out.starts_with(b"before"));
    Bytes::from(out).slice(6..)
}

fn round_trips<V: PartialEq + Debug, C: Codec<V>>(codec: &C, value: &V) {
    assert_eq!(codec.decode(&encoded(codec, value)).expect("the bytes can be decoded"), *value);
}

/// Each codec that takes any type.
fn round_trips_everywhere<V: PartialEq + Debug + Serialize + DeserializeOwned>(value: &V) {
    round_trips(&MessagePack, value);
    #[cfg(feature = "json")]
    round_trips(&Json, value);
}

/// A failure is shown, and leaves no file behind.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_value_is_read_back(product in any_product()) {
        round_trips_everywhere(&product);
        round_trips_everywhere(&Some(product));
    }

    #[test]
    fn bytes_are_read_back(bytes in vec(any::<u8>(), 0..100)) {
        round_trips(&Raw, &bytes);
        round_trips(&Raw, &Bytes::from(bytes.clone()));
        round_trips_everywhere(&bytes);
        prop_assert_eq!(encoded(&Raw, &bytes), bytes);
    }
}

#[test]
fn s91_none_and_the_empty_value_are_values() {
    round_trips_everywhere(&None::<Product>);
    round_trips_everywhere(&Some(String::new()));
    round_trips_everywhere(&vec![None, Some(0), None]);
    round_trips_everywhere(&String::new());
    round_trips_everywhere(&());
    round_trips_everywhere(&Vec::<u8>::new());
    round_trips(&Raw, &Vec::new());
    round_trips(&Raw, &Bytes::new());
}

/// The documentation of `Codec` says so of this format.
#[test]
fn some_none_is_read_as_none() {
    let value = Some(None::<u8>);
    let read: Option<Option<u8>> = MessagePack.decode(&encoded(&MessagePack, &value)).expect("nil");
    assert_eq!(read, None);
}

#[test]
fn the_numbers_of_formats_are_settled() {
    let numbers = [Codec::<Bytes>::format(&Raw), Codec::<Vec<u8>>::format(&Raw), Codec::<u8>::format(&MessagePack)];
    assert_eq!(numbers.map(Format::number), [1, 1, 2]);
    #[cfg(feature = "json")]
    assert_eq!(Codec::<u8>::format(&Json).number(), 3);
    assert_eq!(Format::JSON.number(), 3);
    assert_eq!(Format::custom(128).number(), 128);
    assert!(std::panic::catch_unwind(|| Format::custom(127)).is_err());
}

/// Two builds of a deploy write the same bytes.
#[test]
fn s80_the_bytes_are_settled() {
    let product = Product {
        id: 7,
        name: "pear".to_owned(),
        price: 0.5,
        kinds: vec![Kind::Plain, Kind::Pair(1, -1)],
        stock: BTreeMap::from([("a".to_owned(), None)]),
    };
    assert_eq!(
        encoded(&MessagePack, &product),
        b"\x85\xa2id\x07\xa4name\xa4pear\xa5price\xcb\x3f\xe0\0\0\0\0\0\0\xa5kinds\x92\xa5Plain\x81\xa4Pair\x92\x01\xff\
          \xa5stock\x81\xa1a\xc0"
            .as_slice()
    );
    #[cfg(feature = "json")]
    assert_eq!(
        encoded(&Json, &product),
        r#"{"id":7,"name":"pear","price":0.5,"kinds":["Plain",{"Pair":[1,-1]}],"stock":{"a":null}}"#
    );
}

/// The same value by builds before and after: fields that have moved, one that was added, one that is gone.
#[test]
fn s80_fields_go_by_their_names() {
    #[derive(Serialize)]
    struct Before {
        first: u32,
        second: u32,
        gone: Vec<u8>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct After {
        second: u32,
        first: u32,
        #[serde(default)]
        added: Option<String>,
    }
    let before = Before { first: 1, second: 2, gone: vec![1, 2, 3] };
    let bytes: Bytes = rmp_serde::to_vec_named(&before).expect("encoded").into();
    let after: After = MessagePack.decode(&bytes).expect("read by the next build");
    assert_eq!(after, After { second: 2, first: 1, added: None });
}

// --- hostile bytes --------------------------------------------------------------------------------------------------

fn refuses<V: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) -> String {
    let error = Codec::<V>::decode(&MessagePack, &Bytes::copy_from_slice(bytes)).expect_err("not a value");
    error.source().expect("what the codec says").to_string()
}

/// A type that nests as deep as its bytes say.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Chain {
    End,
    Link(Box<Chain>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Forest(Vec<Forest>);

#[test]
fn g7_every_truncation_is_refused() {
    let product = Product {
        id: u64::MAX,
        name: "x".repeat(300),
        price: 1.0,
        kinds: vec![Kind::Text(String::new()), Kind::Fields { on: true, at: Some('ä') }],
        stock: (0..20).map(|n| (n.to_string(), Some(n * 1000))).collect(),
    };
    let whole = encoded(&MessagePack, &product);
    for length in 0..whole.len() {
        refuses::<Product>(&whole[..length]);
    }
    let mut longer = whole.to_vec();
    longer.push(0xc0);
    assert_eq!(refuses::<Product>(&longer), "bytes are left behind the value");
    #[cfg(feature = "json")]
    {
        let whole = encoded(&Json, &product);
        for length in 0..whole.len() {
            Codec::<Product>::decode(&Json, &whole.slice(..length)).expect_err("not a value");
        }
    }
}

#[test]
fn g7_a_list_is_not_longer_than_its_bytes() {
    const CLAIMS: &str = "a list claims more elements than there are bytes";
    assert_eq!(refuses::<Vec<u64>>(b"\xdd\xff\xff\xff\xff"), CLAIMS);
    assert_eq!(refuses::<Vec<()>>(b"\xdd\xff\xff\xff\xff\xc0"), CLAIMS);
    assert_eq!(refuses::<BTreeMap<u8, u8>>(b"\xdf\xff\xff\xff\xff\x01\x01"), CLAIMS);
    // Each list has 256 elements by its own account, and is the first element of the list before.
    assert_eq!(refuses::<Forest>(&b"\xdc\x01\x00".repeat(100)), CLAIMS);
    assert_eq!(refuses::<String>(b"\xdb\xff\xff\xff\xffabc"), "the value is cut off");
    assert_eq!(refuses::<Vec<u8>>(b"\xc6\xff\xff\xff\xffabc"), "the value is cut off");
    assert_eq!(refuses::<u8>(b"\xc1"), "a byte that MessagePack does not use");
    // The lengths and markers of all sizes, extensions among them, are walked over as they are meant.
    for extension in [&b"\xd4\x01a"[..], b"\xd8\x010123456789abcdef", b"\xc7\x03\x01abc", b"\xc9\0\0\0\x01\x01a"] {
        let message = refuses::<u8>(extension);
        assert!(message.contains("wrong msgpack marker") || message.contains("invalid type"), "{message}");
    }
}

/// `rmp-serde` alone overflows the stack here.
#[test]
fn g7_no_depth_overflows_the_stack() {
    let deep = "lists and maps are nested more than 128 deep";
    assert_eq!(refuses::<Chain>(&b"\x81\xa4Link".repeat(1_000_000)), deep);
    assert_eq!(refuses::<Forest>(&b"\x91".repeat(1_000_000)), deep);
    // In a field that the type does not have.
    let mut unknown = b"\x81\xa1x".to_vec();
    unknown.resize(1_000_000, 0x91);
    assert_eq!(refuses::<Product>(&unknown), deep);
    #[cfg(feature = "json")]
    Codec::<Forest>::decode(&Json, &"[".repeat(1_000_000).into()).expect_err("too deep");
}

/// A value that cannot be read back would be created at each access.
#[test]
fn what_is_encoded_can_be_decoded() {
    let chain = |links| (0..links).fold(Chain::End, |chain, _| Chain::Link(Box::new(chain)));
    let forest = |depth| (1..depth).fold(Forest(vec![]), |forest, _| Forest(vec![forest]));
    round_trips(&MessagePack, &chain(128));
    round_trips(&MessagePack, &forest(128));
    MessagePack.encode(&chain(129), &mut Vec::new()).expect_err("too deep");
    // (The innermost list is empty, and takes no level.)
    round_trips(&MessagePack, &forest(129));
    MessagePack.encode(&forest(130), &mut Vec::new()).expect_err("too deep");
    #[cfg(feature = "json")]
    {
        round_trips(&Json, &forest(127));
        round_trips(&Json, &vec!["[[{\"\\".to_owned(); 500]);
        Json.encode(&forest(128), &mut Vec::new()).expect_err("too deep");
        // The bytes before the value are not counted.
        let mut out = b"[[[".to_vec();
        Json.encode(&forest(127), &mut out).expect("as deep as it may be");
        Json.encode(&BTreeMap::from([((1, 2), 3)]), &mut out).expect_err("JSON has no such keys");
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn g7_any_bytes_are_read_without_harm(bytes in vec(any::<u8>(), 0..60)) {
        let bytes = Bytes::from(bytes);
        let _ = Codec::<Product>::decode(&MessagePack, &bytes);
        let _ = Codec::<Forest>::decode(&MessagePack, &bytes);
        let _ = Codec::<Chain>::decode(&MessagePack, &bytes);
        #[cfg(feature = "json")]
        let _ = Codec::<Product>::decode(&Json, &bytes);
    }
}

// --- a codec of one's own -------------------------------------------------------------------------------------------

struct Decimal;

impl Codec<u32> for Decimal {
    fn format(&self) -> Format {
        const { Format::custom(200) }
    }

    fn encode(&self, value: &u32, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if *value == 13 {
            return Err(CodecError::new("not this one"));
        }
        out.extend_from_slice(value.to_string().as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &Bytes) -> Result<u32, CodecError> {
        std::str::from_utf8(bytes).map_err(CodecError::new)?.parse().map_err(CodecError::new)
    }
}

#[test]
fn a_codec_of_ones_own() {
    let codec: Box<dyn Codec<u32>> = Box::new(Decimal);
    let mut out = Vec::new();
    codec.encode(&12, &mut out).expect("encoded");
    assert_eq!(codec.decode(&out.into()).expect("decoded"), 12);
    assert_eq!(codec.format().number(), 200);
    let error = codec.encode(&13, &mut Vec::new()).expect_err("refused");
    assert_eq!(error.to_string(), "the codec failed");
    assert_eq!(error.source().expect("the reason").to_string(), "not this one");
    let error = codec.decode(&Bytes::from_static(b"x")).expect_err("no number");
    assert!(error.source().expect("the reason").is::<std::num::ParseIntError>());
}

/// What is decoded from bytes that nobody else needs keeps them, and copies nothing.
#[test]
fn raw_bytes_that_are_given_away_are_the_value() {
    let bytes = Bytes::from(vec![7; 100]);
    let at = bytes.as_ptr();
    let value: Bytes = Raw.decode_owned(bytes).unwrap();
    assert_eq!((&value[..], value.as_ptr()), (&[7; 100][..], at));
    let value: Vec<u8> = Raw.decode_owned(value).unwrap();
    assert_eq!((&value[..], value.as_ptr()), (&[7; 100][..], at));
    // A codec that says nothing of it decodes as ever.
    let mut encoded = Vec::new();
    MessagePack.encode(&7_u64, &mut encoded).unwrap();
    assert_eq!(Codec::<u64>::decode_owned(&MessagePack, encoded.into()).unwrap(), 7);
}
