//! How large the futures are, and that they cross threads.

use crate::executor::step;
use dogpile::{
    Cached, CachedByKey, CachedFn, Dogpile, GetError, Made, NeedRegeneration, Renewal, Stamped, Store,
    SyncReaderDogpile, Task, Turn, cached_async, cached_by_key,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// In bytes, beside what is the user's own: below that.
const LIMIT: usize = 512;

/// The size of a future that is not polled.
fn size<F: Future>(future: F) -> usize {
    let size = size_of_val(&future);
    drop(future);
    size
}

/// A creator whose future holds as many bytes.
async fn creator<const N: usize>() -> u64 {
    let held = [1_u8; N];
    step().await;
    held.iter().map(|byte| u64::from(*byte)).sum()
}

/// The name of each form, and the size of its future.
macro_rules! sized {
    ($($type:ident: $of:ident { $($form:ident($($argument:expr),*);)+ })+) => {
        vec![$($(
            (concat!(stringify!($type), "::", stringify!($form)), size($type::$form(&$of $(, $argument)*))),
        )+)+]
    };
}

/// Of each form, with a getter and a setter that are next to nothing.
fn sizes<const N: usize>() -> Vec<(&'static str, usize)> {
    let (lock, cached) = (Arc::new(Dogpile::never_expires()), Arc::new(Cached::<u64>::never_expires()));
    let readers = Arc::new(SyncReaderDogpile::never_expires());
    let function = cached_async(Duration::MAX, creator::<N>);
    let store =
        Store { get: async |_: &u64| None::<Stamped<u64>>, set: async |_: &u64, _: &Stamped<u64>| (), remove: () };
    let by_key = cached_by_key(Duration::MAX, |key: &u64| *key, async |_: &u64| creator::<N>().await, store);
    let spawn = |_: Task| ();
    sized! {
        Dogpile: lock {
            acquire_async();
            acquire_owned_async();
            acquire_or_create_async(async || { creator::<N>().await; });
            acquire_or_create_with_async(async |_| { creator::<N>().await; });
            acquire_or_try_create_async(async || { creator::<N>().await; Err("") });
            acquire_or_try_create_with_async(async |_| { creator::<N>().await; Err("") });
            get_or_create_async(|| async { Err(NeedRegeneration) }, async || creator::<N>().await);
            get_or_create_and_set_async(
                || async { Err(NeedRegeneration) }, async || creator::<N>().await, async |_| ()
            );
            get_or_try_create_with_async(
                || async { Err(GetError::<u8>::NeedRegeneration) }, async |_| Ok::<_, u8>(creator::<N>().await)
            );
            get_or_create_stamped_async(|| async { Err(NeedRegeneration) }, async || creator::<N>().await);
            get_or_try_create_stamped_and_set_async(
                || async { Err(GetError::<u8>::NeedRegeneration) },
                async || Ok::<_, u8>(creator::<N>().await),
                async |_| Ok(())
            );
            acquire_or_create_in_background_async(&spawn, || async { creator::<N>().await; });
            invalidate_async();
        }
        Cached: cached {
            get_or_create_async(async || creator::<N>().await);
            get_or_create_with_async(async |_| Made::new(creator::<N>().await));
            get_or_try_create_async(async || Ok::<_, u8>(creator::<N>().await));
            get_or_create_in_background_async(&spawn, || async { creator::<N>().await });
        }
        CachedFn: function {
            get_async();
            refresh_async();
        }
        SyncReaderDogpile: readers {
            acquire_async();
            acquire_or_create_async(async || { creator::<N>().await; });
            acquire_or_try_create_with_async(async |_| { creator::<N>().await; Err("") });
            get_or_create_async(|| async { Err(NeedRegeneration) }, async || creator::<N>().await);
            get_or_create_stamped_and_set_async(
                || async { Err(NeedRegeneration) }, async || creator::<N>().await, async |_| ()
            );
            acquire_write_lock_async();
        }
        CachedByKey: by_key {
            get_async(&1);
            refresh_async(&1);
        }
    }
}

/// A creator lies in a box from when it is made, so its size is none of theirs.
#[test]
fn futures_are_small() {
    for ((name, small), (_, large)) in sizes::<1>().into_iter().zip(sizes::<4096>()) {
        println!("{small:>4} bytes: {name}");
        assert!(small < LIMIT, "{name}: {small} bytes");
        assert_eq!(small, large, "{name}, with a creator of 4 KiB");
    }
}

fn is_send<F: Future + Send + 'static>(future: F) {
    drop(future);
}

/// What tasks do that are spawned: closures of each kind, which hold on to what is theirs by reference and by value,
/// and suspend.
#[test]
#[rustfmt::skip]
fn futures_cross_threads() {
    let text = String::from("x");

    macro_rules! spawned {
        ($($of:ident)*: $task:expr) => {{
            $(let $of = $of.clone();)*
            is_send(async move { _ = $task });
        }};
    }

    let lock = Arc::new(Dogpile::never_expires());
    spawned! { lock text: if let Turn::Create(creation) = lock.acquire_async().await {
        creation.run_async(async |_| { step().await; assert_eq!(text.len(), 1) }).await;
    } }
    spawned! { lock text: if let Turn::Create(creation) = lock.acquire_owned_async().await {
        is_send(creation.run_fallible_async(async move |_| { step().await; Err::<(), _>(text) }));
    } }
    spawned! { lock text: lock.acquire_or_create_async(async || { step().await; assert_eq!(text.len(), 1) }).await }
    spawned! { lock text: lock.acquire_or_create_with_async(async |creation| {
        _ = creation.publish_async(async || { step().await; assert_eq!(text.len(), 1) }).await;
    }).await }
    spawned! { lock text: lock.acquire_or_try_create_with_async(async |creation| {
        creation.publish_async(async || { step().await; assert_eq!(text.len(), 1) }).await
    }).await }
    spawned! { lock text: lock.get_or_create_async(
        || async { step().await; if text.is_empty() { Err(NeedRegeneration) } else { Ok(1) } },
        async || { step().await; text.len() },
    ).await }
    spawned! { lock text: lock.get_or_create_and_set_async(
        || async { step().await; if text.is_empty() { Err(NeedRegeneration) } else { Ok(1) } },
        async || { step().await; text.len() },
        async |made| { step().await; assert_eq!(*made, text.len()) },
    ).await }
    spawned! { lock text: lock.get_or_try_create_stamped_and_set_async(
        || async { step().await; Err(GetError::<&str>::NeedRegeneration) },
        async || { step().await; if text.is_empty() { Err("on purpose") } else { Ok(text.len()) } },
        async |made| { step().await; assert_eq!(made.value, text.len()); Ok(()) },
    ).await }
    spawned! { lock: lock.invalidate_async().await }

    let cached = Arc::new(Cached::<usize>::never_expires());
    spawned! { cached text: cached.get_or_create_async(async || { step().await; text.len() }).await }
    spawned! { cached text: cached.get_or_create_with_async(async |renewal| {
        step().await;
        Made::new(text.len() + renewal.old().copied().unwrap_or(0))
    }).await }
    spawned! { cached text: cached.get_or_try_create_with_async(async |renewal| {
        step().await;
        if renewal.is_superseded() { Err(text) } else { Ok(Made::new(text.len())) }
    }).await }

    let kept = text.clone();
    let function = move || { let text = kept.clone(); async move { step().await; text.len() } };
    let function = Arc::new(CachedFn::<usize, _>::new(Duration::MAX, function));
    spawned! { function: (function.get_async().await, function.refresh_async().await) }
    let function = async || { step().await; Err::<usize, _>("on purpose") };
    let function = Arc::new(CachedFn::<usize, _>::new(Duration::MAX, function));
    spawned! { function: function.get_fallible_async().await }
    let captured = text.clone();
    let function = Arc::new(CachedFn::<usize, _>::new(Duration::MAX, async move |renewal: &Renewal<'_, usize>| {
        step().await;
        Made::new(captured.len() + renewal.old().copied().unwrap_or(0))
    }));
    spawned! { function: function.get_async().await }

    let lock = Arc::new(SyncReaderDogpile::never_expires());
    spawned! { lock text: {
        let guard = SyncReaderDogpile::acquire_or_create_with_async(&lock, async |creation| {
            let _alone = creation.write_lock_async().await;
            step().await;
            assert_eq!(text.len(), 1);
        }).await;
        step().await; // the guard crosses it
        drop(guard);
    } }
    spawned! { lock text: {
        let guard = SyncReaderDogpile::get_or_create_stamped_and_set_async(
            &lock,
            || async { step().await; Err(NeedRegeneration) },
            async || { step().await; text.len() },
            async |made| { step().await; assert_eq!(made.value, text.len()) },
        ).await;
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
    let store = Store {
        get: async move |_: &u64| { step().await; *of_get.lock().unwrap() },
        set: async move |_: &u64, made: &Stamped<u64>| { step().await; *of_set.lock().unwrap() = Some(*made) },
        remove: async |_: &u64| step().await,
    };
    let squares = Arc::new(cached_by_key(Duration::MAX, |n: &u64| *n, async |n: &u64| { step().await; n * n }, store));
    spawned! { squares: (squares.get_async(&1).await, squares.refresh_async(&1).await) }
    spawned! { squares: (squares.get_stale_async(&1).await, squares.invalidate_async(&1).await) }
}
