//! How large the futures are, and that they are `Send`.

use crate::executor::step;
use dogpile::{
    Cached, CachedFn, Closures, Dogpile, Made, Renewal, Stamped, SyncReaderDogpile, Task, Turn, cached_async,
    cached_by_key,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The largest size in bytes, without the user's own data, where sizes are not [pinned](IS_PINNED).
const LIMIT: usize = 512;

/// Whether each form has a limit of its own: on the target on which these limits were measured.
const IS_PINNED: bool = cfg!(all(target_arch = "x86_64", target_os = "linux", not(dogpile_portable)));

/// Returns the size of a future that is not polled.
fn size<F: Future>(future: F) -> usize {
    let size = size_of_val(&future);
    drop(future);
    size
}

/// A creator whose future holds so many bytes.
async fn creator<const N: usize>() -> u64 {
    let held = [1_u8; N];
    step().await;
    held.iter().map(|byte| u64::from(*byte)).sum()
}

/// A form, the size of its future, and its limit.
struct Measured {
    form: &'static str,
    size: usize,
    limit: usize,
}

macro_rules! sized {
    ($($opening:expr => { $($limit:literal: $($step:ident($($argument:expr),*)).+;)+ })+) => {
        vec![$($(Measured {
            form: concat!(stringify!($opening) $(, ".", stringify!($step))+),
            size: size($opening$(.$step($($argument),*))+),
            limit: $limit,
        },)+)+]
    };
}

/// The sizes of each form, with a getter and a setter of next to no size. Each form has its limit before it.
fn sizes<const N: usize>() -> Vec<Measured> {
    let (lock, cached) = (Arc::new(Dogpile::never_expires()), Arc::new(Cached::<u64>::never_expires()));
    let readers = Arc::new(SyncReaderDogpile::never_expires());
    let function = Arc::new(cached_async(Duration::MAX, creator::<N>));
    let store = Closures {
        get: async |_: &u64| None::<Stamped<u64>>,
        set: async |_: &u64, _: &Stamped<u64>| (),
        remove: async |_: &u64| (),
    };
    let by_key = cached_by_key(Duration::MAX, |key: &u64| *key, async |_: &u64| creator::<N>().await, store);
    let spawn = |_: Task| ();
    let makes = async || creator::<N>().await;
    let tries = async || Ok::<_, u8>(creator::<N>().await);
    let plainly = async || _ = creator::<N>().await;
    sized! {
        lock.access_async() => {
            24: turn();
            32: or_create(plainly);
            32: or_create_with(async |_| _ = creator::<N>().await);
            32: or_try_create(async || { creator::<N>().await; Err("") });
            32: or_try_create_with(async |_| { creator::<N>().await; Err("") });
            72: soft_timeout(Duration::ZERO).or_create(plainly);
            72: renew_if(lock.generation()).or_create(plainly);
            40: share_errors().or_try_create(async || { creator::<N>().await; Err("") });
            216: fetch(|| async { None }).or_create(makes);
            208: fetch(|| async { None }).and_set(async |_| ()).or_create(makes);
            216: fetch(|| async { Ok::<_, u8>(None) }).or_try_create_with(async |_| Ok::<_, u8>(creator::<N>().await));
            224: fetch_stamped(|| async { None }).or_create(makes);
            216: fetch_stamped(|| async { Ok::<_, u8>(None) }).and_set(async |_| Ok(())).or_try_create(tries);
        }
        Dogpile::kept_async(&lock) => {
            24: turn();
            56: spawned_by(&spawn).or_create(|| async { creator::<N>().await; });
            64: fetch(|| async { None }).spawned_by(&spawn).or_create(creator::<N>);
        }
        lock => {
            144: invalidate_async();
            160: changed_async(lock.generation());
            176: wait_for_value_async();
        }
        cached => {
            152: get_or_create_async(makes);
            152: get_or_try_create_async(tries);
        }
        cached.access_async() => {
            152: or_create_with(async |_| Made::new(creator::<N>().await));
        }
        Cached::kept_async(&cached) => {
            56: spawned_by(&spawn).or_create(creator::<N>);
        }
        function.access_async() => {
            24: get();
            64: anew().get();
        }
        CachedFn::kept_async(&function) => {
            40: spawned_by(&spawn).try_get();
        }
        SyncReaderDogpile::kept_async(&readers) => {
            24: turn();
            32: or_create(plainly);
            32: or_try_create_with(async |_| { creator::<N>().await; Err("") });
            296: fetch(|| async { None }).or_create(makes);
            296: fetch_stamped(|| async { None }).and_set(async |_| ()).or_create(makes);
            56: spawned_by(&spawn).or_create(|| async { creator::<N>().await; });
            64: fetch(|| async { None }).spawned_by(&spawn).or_create(creator::<N>);
        }
        readers => {
            136: acquire_write_lock_async();
        }
        by_key.access_async(&1) => {
            32: get();
            72: anew().get();
        }
    }
}

/// A creator lies in a box from the moment it is made, so its size adds nothing.
#[test]
fn futures_are_small() {
    for (Measured { form, size, limit }, large) in sizes::<1>().into_iter().zip(sizes::<4096>()) {
        println!("{size:>4} bytes, of {limit:>3}: {form}");
        let limit = if IS_PINNED { limit } else { LIMIT };
        assert!(size <= limit, "{form}: {size} bytes, of {limit}");
        assert_eq!(size, large.size, "{form}, with a creator of 4 KiB");
    }
}

fn is_send<F: Future + Send + 'static>(future: F) {
    drop(future);
}

macro_rules! spawned {
    ($($of:ident)*: $task:expr) => {{
        $(let $of = $of.clone();)*
        is_send(async move { _ = $task });
    }};
}

#[test]
fn futures_of_what_an_access_wants_cross_threads() {
    let (lock, text) = (Arc::new(Dogpile::never_expires()), String::from("x"));
    spawned! { lock text: lock.access_async().soft_timeout(Duration::ZERO).renew_if(lock.generation())
        .or_create(async || { step().await; assert_eq!(text.len(), 1) })
        .await
    }
    spawned! { lock text: lock.access_async().share_errors()
        .or_try_create(async || { step().await; Err(text.clone()) })
        .await
    }
    spawned! { lock: lock.access_async().share_errors()
        .fetch(|| async { step().await; Ok::<_, String>(None) })
        .or_try_create(async || { step().await; Err::<u64, _>(String::from("no answer")) })
        .await
    }
}

/// The code of spawned tasks: closures of each kind, which hold their captures by reference and by value, and suspend.
#[test]
#[rustfmt::skip]
fn futures_cross_threads() {
    let text = String::from("x");

    let lock = Arc::new(Dogpile::never_expires());
    spawned! { lock text: if let Turn::Create(creation) = lock.access_async().turn().await {
        creation.run_async(async |_| { step().await; assert_eq!(text.len(), 1) }).await;
    } }
    spawned! { lock text: if let Turn::Create(creation) = Dogpile::kept_async(&lock).turn().await {
        is_send(creation.try_run_async(async move |_| { step().await; Err::<(), _>(text) }));
    } }
    spawned! { lock text: lock.access_async().or_create(async || { step().await; assert_eq!(text.len(), 1) }).await }
    spawned! { lock text: lock.access_async().or_create_with(async |creation| {
        _ = creation.publish_async(async || { step().await; assert_eq!(text.len(), 1) }).await;
    }).await }
    spawned! { lock text: lock.access_async().or_try_create_with(async |creation| {
        creation.publish_async(async || { step().await; assert_eq!(text.len(), 1) }).await
    }).await }
    spawned! { lock text: lock.access_async()
        .fetch(|| async { step().await; (!text.is_empty()).then_some(1) })
        .or_create(async || { step().await; text.len() })
        .await
    }
    spawned! { lock text: lock.access_async()
        .fetch(|| async { step().await; (!text.is_empty()).then_some(1) })
        .and_set(async |made| { step().await; assert_eq!(*made, text.len()) })
        .or_create(async || { step().await; text.len() })
        .await
    }
    spawned! { lock text: lock.access_async()
        .fetch_stamped(|| async { step().await; Ok::<_, &str>(None) })
        .and_set(async |made| { step().await; assert_eq!(made.value, text.len()); Ok(()) })
        .or_try_create(async || { step().await; if text.is_empty() { Err("on purpose") } else { Ok(text.len()) } })
        .await
    }
    spawned! { lock: lock.invalidate_async().await }

    let cached = Arc::new(Cached::<usize>::never_expires());
    spawned! { cached text: cached.get_or_create_async(async || { step().await; text.len() }).await }
    spawned! { cached text: cached.access_async().or_create_with(async |renewal| {
        step().await;
        Made::new(text.len() + renewal.old().copied().unwrap_or(0))
    }).await }
    spawned! { cached text: cached.access_async().or_try_create_with(async |renewal| {
        step().await;
        if renewal.is_superseded() { Err(text) } else { Ok(Made::new(text.len())) }
    }).await }

    let kept = text.clone();
    let function = move || { let text = kept.clone(); async move { step().await; text.len() } };
    let function = Arc::new(CachedFn::<usize, _>::new(Duration::MAX, function));
    spawned! { function: (function.access_async().get().await, function.access_async().anew().get().await) }
    let function = async || { step().await; Err::<usize, _>("on purpose") };
    let function = Arc::new(CachedFn::<usize, _>::new(Duration::MAX, function));
    spawned! { function: function.access_async().try_get().await }
    let captured = text.clone();
    let function = Arc::new(CachedFn::<usize, _>::new(Duration::MAX, async move |renewal: &Renewal<'_, usize>| {
        step().await;
        Made::new(captured.len() + renewal.old().copied().unwrap_or(0))
    }));
    spawned! { function: function.access_async().get().await }

    let lock = Arc::new(SyncReaderDogpile::never_expires());
    spawned! { lock text: {
        let guard = SyncReaderDogpile::kept_async(&lock).or_create_with(async |creation| {
            let _alone = creation.write_lock_async().await;
            step().await;
            assert_eq!(text.len(), 1);
        }).await;
        step().await; // the guard lives across this await
        drop(guard);
    } }
    spawned! { lock text: {
        let guard = SyncReaderDogpile::kept_async(&lock)
            .fetch_stamped(|| async { step().await; None })
            .and_set(async |made| { step().await; assert_eq!(made.value, text.len()) })
            .or_create(async || { step().await; text.len() })
            .await;
        step().await;
        drop(guard);
    } }
    spawned! { lock: {
        let guard = lock.acquire_write_lock_async().await;
        step().await;
        drop(guard);
    } }

    let entries = Arc::new(Mutex::new(None::<Stamped<u64>>));
    let (of_get, of_set) = (Arc::clone(&entries), Arc::clone(&entries));
    let store = Closures {
        get: async move |_: &u64| { step().await; *of_get.lock().unwrap() },
        set: async move |_: &u64, made: &Stamped<u64>| { step().await; *of_set.lock().unwrap() = Some(*made) },
        remove: async |_: &u64| step().await,
    };
    let squares = Arc::new(cached_by_key(Duration::MAX, |n: &u64| *n, async |n: &u64| { step().await; n * n }, store));
    spawned! { squares: (squares.access_async(&1).get().await, squares.access_async(&1).anew().get().await) }
    spawned! { squares: (squares.try_peek_async(&1).await, squares.try_invalidate_async(&1).await) }
}
