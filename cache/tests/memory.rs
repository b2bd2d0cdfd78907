//! The memory that reading takes, counted by the allocator: at most the size limit and 64 KB, whatever the bytes claim
//! (G7).

use bytes::Bytes;
use dogpile_cache::codec::{Codec, Format, MessagePack, Shape};
use dogpile_cache::envelope::{Compression, Content, Envelope, SizeLimits, Tags, Why};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use fastrand::Rng;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::env;
use std::sync::LazyLock;

/// The allocator of the system, which counts what this thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    MOST.set(MOST.get().max(held));
}

fn size(bytes: usize) -> isize {
    isize::try_from(bytes).expect("a layout is no larger")
}

// SAFETY: each call is passed on to the allocator of the system as it is; the counting allocates nothing, since the
// cells are initialized at compile time and have no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout.size()));
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size(layout.size()));
        // SAFETY: the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-size(layout.size()));
        // SAFETY: the caller's.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        // Both are there for a while.
        count(size(new));
        count(-size(layout.size()));
        // SAFETY: the caller's.
        unsafe { System.realloc(at, layout, new) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs something, and returns the most that it held at one time beyond what was there before.
fn most<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST.set(before);
    let result = run();
    (result, usize::try_from(MOST.get() - before).expect("the most is not less"))
}

const LIMITS: SizeLimits = SizeLimits { stored: 1 << 20, value: 1 << 18 };
const SLACK: usize = 64 * 1024;

static KEY: LazyLock<StoredKey> = LazyLock::new(|| {
    let shape = Shape { schema: 1, format: Format::MESSAGE_PACK };
    StoredKey::new(&Namespace::new("page").expect("a name"), &"k".repeat(500), shape, KeyLimit::bytes(200))
});

fn encode(envelope: &Envelope, compression: Compression) -> Vec<u8> {
    envelope.encode(&KEY, LIMITS, compression).expect("small enough").to_vec()
}

fn value(bytes: &[u8]) -> Envelope {
    Envelope::new(Content::Value(Bytes::copy_from_slice(bytes)))
}

fn reseal(bytes: &mut [u8]) {
    if bytes.len() >= 40 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&bytes[..36]);
        hasher.update(&bytes[40..]);
        bytes[36..40].copy_from_slice(&hasher.finalize().to_le_bytes());
    }
}

/// Decodes, and says what that took.
fn decode(bytes: &[u8]) -> (Result<Envelope, Why>, usize) {
    let bytes = Bytes::copy_from_slice(bytes);
    most(|| Envelope::decode(&bytes, &KEY, LIMITS))
}

/// The counting itself: a test that cannot fail is a defect.
#[test]
fn the_allocator_counts() {
    let ((), nothing) = most(|| ());
    assert_eq!(nothing, 0);
    let ((), some) = most(|| drop((vec![0_u8; 1000], Vec::<u8>::with_capacity(500))));
    assert_eq!(some, 1500);
    let (_, grown) = most(|| {
        let mut vec = vec![0_u8; 1000];
        vec.reserve_exact(2000);
        vec
    });
    assert_eq!(grown, 4000);
}

#[test]
fn an_envelope_is_read_in_place() {
    let mut envelope = value(&vec![7; 100_000]);
    // As many tags as there is room for.
    envelope.tags = Tags::new((0..6500).map(|version| ("", version))).expect("room");
    let bytes = encode(&envelope, Compression::NONE);
    let (read, most) = decode(&bytes);
    assert_eq!(read.as_ref(), Ok(&envelope));
    assert!(most < 100, "{most} bytes");
    assert_eq!(read.expect("an envelope").tags.iter().count(), 6500);
}

#[cfg(feature = "lz4")]
#[test]
fn s82_a_bomb_takes_nothing() {
    let bomb = |payload: &[u8], length: u32| {
        let mut bytes = encode(&value(payload), Compression::NONE);
        bytes[4] |= 1;
        bytes[32..36].copy_from_slice(&length.to_le_bytes());
        reseal(&mut bytes);
        decode(&bytes)
    };
    let (read, most) = bomb(&[0; 1024], u32::MAX);
    assert_eq!(read, Err(Why::Bomb));
    assert!(most < 100, "{most} bytes");
    let (read, most) = bomb(&vec![0; 100_000], 255 * 100_000);
    assert_eq!(read, Err(Why::TooLarge));
    assert!(most < 100, "{most} bytes");
    // The largest that is tried.
    let (read, most) = bomb(&vec![0; 100_000], 1 << 18);
    assert_eq!(read, Err(Why::Malformed));
    assert!((1 << 18..(1 << 18) + SLACK).contains(&most), "{most} bytes");
    let (read, most) = decode(&encode(&value(&vec![7; 1 << 18]), Compression::lz4_above(0)));
    assert_eq!(read, Ok(value(&vec![7; 1 << 18])));
    assert!((1 << 18..(1 << 18) + SLACK).contains(&most), "{most} bytes");
}

/// The seed is printed; to run with the same one, set `DOGPILE_MEMORY_SEED`.
#[test]
fn s82_no_mutation_takes_more_than_the_limit() {
    let seed = env::var("DOGPILE_MEMORY_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a seed"));
    println!("DOGPILE_MEMORY_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let mut tagged = value(b"abc");
    tagged.tags = Tags::new([("a", 1), ("b", 2)]).expect("room");
    #[cfg(feature = "lz4")]
    let compressed = encode(&value(&[b'a'; 1000]), Compression::lz4_above(0));
    #[cfg(not(feature = "lz4"))]
    let compressed = encode(&value(b"a"), Compression::NONE);
    let originals = [encode(&tagged, Compression::NONE), compressed];
    for _ in 0..100_000 {
        let mut bytes = originals[random.usize(..2)].clone();
        for _ in 0..random.usize(1..4) {
            let within = if random.bool() { 48 } else { bytes.len() };
            let at = random.usize(..within);
            bytes[at] = if random.bool() { random.u8(..) } else { 255 };
        }
        reseal(&mut bytes);
        let (_, most) = decode(&bytes);
        assert!(most <= LIMITS.value + SLACK, "{most} bytes for {bytes:x?}");
    }
}

/// The codec as well: it reserves nothing for elements that are not there.
#[test]
fn g7_a_claim_of_elements_takes_nothing() {
    fn refused<V>(bytes: &[u8]) -> usize
    where
        MessagePack: Codec<V>,
    {
        let bytes = Bytes::copy_from_slice(bytes);
        let (read, most) = most(|| Codec::<V>::decode(&MessagePack, &bytes));
        assert!(read.is_err());
        most
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Forest(Vec<Forest>);

    assert!(refused::<Vec<u64>>(b"\xdd\xff\xff\xff\xff") < 1000);
    assert!(refused::<String>(b"\xdb\xff\xff\xff\xffabc") < 1000);
    assert!(refused::<std::collections::HashMap<u64, u64>>(b"\xdf\xff\xff\xff\xff") < 1000);
    // 300 bytes that claim a hundred lists within each other, each of 65,535 elements.
    assert!(refused::<Forest>(&b"\xdc\xff\xff".repeat(100)) < 1000);
    // So many elements are there, but the last is of another type.
    let mut lists = b"\xdd\x00\x00\x27\x10".to_vec();
    lists.resize(5 + 10_000, 1);
    lists[5 + 9_999] = 0xc3;
    assert!(refused::<Vec<u64>>(&lists) <= 10_000 * size_of::<u64>() + 1000);
}
