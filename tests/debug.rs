//! `Debug` of types that hold values shows the state, never the value.

use dogpile::{
    Cached, CachedFn, CachedGuard, Made, ManualClock, OwnedReadGuard, ReadGuard, Registry, Stamped, SyncReaderDogpile,
};
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A type without `Debug`.
struct Opaque;

/// A type whose `Debug` panics.
#[derive(Clone)]
struct Secret;

impl Debug for Secret {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("it was printed");
    }
}

#[test]
fn k8_debug_of_a_cached_and_its_guards_does_not_show_the_value() {
    let cached = Cached::with_clock(MINUTE, Arc::new(ManualClock::new()));
    let guard = cached.get_or_create(|| Secret);
    let mut reader = cached.reader();
    assert_eq!(format!("{reader:?}"), "Reader { outcome: None, generation: None, .. }");
    reader.get_or_create(|| Secret);
    assert_eq!(
        format!("{cached:?}"),
        "Cached { freshness: Fresh, generation: Generation(1), creating: false, expires_after: Some(60s), .. }"
    );
    assert_eq!(format!("{guard:?}"), "CachedGuard { outcome: Created, generation: Generation(1), .. }");
    assert_eq!(format!("{reader:?}"), "Reader { outcome: Some(Fresh), generation: Some(Generation(1)), .. }");
    let function = CachedFn::new(MINUTE, || Secret);
    function.get();
    assert!(format!("{function:?}").starts_with("CachedFn(Cached { freshness: Fresh, "), "{function:?}");
    cached.mark_stale();
    cached.access().or_create_with(|renewal| {
        assert!(renewal.old().is_some());
        assert!(format!("{renewal:?}").starts_with("Creation { "));
        let unchanged = renewal.unchanged().unwrap();
        assert_eq!(
            format!("{unchanged:?}"),
            "Made { value: Unchanged, expires_after: None, max_stale: None, refresh_after: None, .. }"
        );
        let made = Made::new(Secret).expires_after(MINUTE);
        let shown = "Made { value: New, expires_after: Some(60s), max_stale: None, refresh_after: None, .. }";
        assert_eq!(format!("{made:?}"), shown);
        made
    });
    let (hit, peeked) = (cached.get_fresh(), cached.peek());
    assert!(format!("{hit:?}{peeked:?}").starts_with("Some(CachedGuard { outcome: Fresh, "));
}

#[test]
fn k8_debug_of_a_held_lock_shows_the_key_and_the_state() {
    let pages: Registry<u64, Cached<Secret>> = Registry::new(|_| Cached::never_expires());
    let held = pages.get(&7);
    held.set(Secret);
    let shown = format!("{held:?}");
    assert!(shown.starts_with("Held { key: 7, lock: Cached { freshness: Fresh, "), "{shown}");
    assert!(format!("{pages:?}").starts_with("Registry { len: 1"));
}

#[test]
fn k8_debug_of_a_read_guard_does_not_show_its_value() {
    let lock = Arc::new(SyncReaderDogpile::new(MINUTE));
    let guard: ReadGuard<'_, Secret> = lock.fetch(|| Some(Secret)).or_create(|| Secret);
    assert_eq!(format!("{guard:?}"), "ReadGuard { .. }");
    let guard: OwnedReadGuard<Secret> = ReadGuard::into_owned(guard, Arc::clone(&lock));
    assert_eq!(format!("{guard:?}"), "OwnedReadGuard { .. }");
    assert!(format!("{:?}", lock.acquire()).starts_with("Fresh(ReadGuard { .. })"));
}

#[test]
fn k8_debug_asks_nothing_of_the_value() {
    fn shown<T: Debug>(_: &T) {}
    let cached = Cached::new(MINUTE);
    let guard = cached.get_or_create(|| Opaque);
    shown(&cached);
    shown::<CachedGuard<Opaque>>(&guard);
    shown(&cached.reader());
    shown(&Made::new(Opaque));
    shown(&CachedFn::<Opaque, _>::new(MINUTE, || Opaque));
    let read = SyncReaderDogpile::new(MINUTE);
    let read = read.acquire_or_create(|| ());
    shown(&ReadGuard::map(read, |_| Opaque));
    // A stamped value is plain data of its caller.
    assert_eq!(
        format!("{:?}", Stamped::from_unix_nanos(7, 0)).split_once(',').unwrap().0,
        "Stamped { value: 7",
        "as derived"
    );
}
