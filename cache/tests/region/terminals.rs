//! Steps and terminals of an access, and the futures that they are.

use crate::kit::{
    Gate, Ground, MINUTE, MS, PLACES, Place, SECOND, begin, create, eventually, fresh, gated, just_before, now, soon,
    take, there,
};
use dogpile_cache::observer::{Operation, Published};
use dogpile_cache::{Claim, CreateError, Got, Made, Near, Outcome, Region};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn each_terminal_creates_and_takes() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let text = |got: &Got<String>| (got.to_string(), Got::outcome(got), Got::published(got));
        let created = |value: &str| (value.to_owned(), Outcome::Created, Some(Published::Fresh));
        let got = soon(region.get(&1).or_create(async || "1".to_owned())).unwrap();
        assert_eq!(text(&got), created("1"));
        let got = soon(region.get(&2).or_create_with(async |_| Made::new("2".to_owned()))).unwrap();
        assert_eq!(text(&got), created("2"));
        let got = soon(region.get(&3).or_try_create(async || Ok::<_, Infallible>("3".to_owned()))).unwrap();
        assert_eq!(text(&got), created("3"));
        let got =
            soon(region.get(&4).or_try_create_with(async |_| Ok::<_, Infallible>("4".to_owned().into()))).unwrap();
        assert_eq!(text(&got), created("4"));
        let got =
            soon(region.get(&5).or_try_find(async || Ok::<_, Infallible>(Some("5".to_owned())))).unwrap().unwrap();
        assert_eq!(text(&got), created("5"));
        let Claim::Create(creation) = soon(region.get(&6).claim()).unwrap() else { panic!("there is no value") };
        assert_eq!(text(&soon(creation.publish("6".to_owned())).unwrap()), created("6"));
        for key in 1..=6_u64 {
            assert_eq!(take(&region, key).parse(), Ok(key), "{place:?}");
            assert!(matches!(soon(region.get(&key).claim()), Ok(Claim::Value(_))));
            assert_eq!(there(&region, key).unwrap().0, key.to_string());
            let found = soon(region.get(&key).or_try_find(async || Err("there is a value"))).unwrap();
            assert!(found.is_some());
        }
        assert_eq!(region.counts().creations, 6);
    }
}

#[test]
fn a_value_is_looked_for_and_never_created() {
    for place in PLACES {
        let ground = Ground::new();
        let process = ground.process(place);
        assert_eq!(there(&process.region, 1), None);
        let one = create(&process.region, 1, "one");
        let refused = now(process.region.get(&1).renew_if(Got::version(&one)).value()).unwrap();
        assert!(refused.is_none(), "{place:?} {refused:?}");
        ground.clock.advance(MINUTE);
        assert_eq!(there(&process.region, 1), Some(("one".to_owned(), Outcome::Stale)), "{place:?}");
        ground.clock.advance(MINUTE);
        assert_eq!(there(&process.region, 1), None, "{place:?}");
        if place != Place::Near {
            assert_eq!(process.probe.count(Operation::Claim), 1);
        }
    }
}

#[test]
fn a_claim_that_fails_begins_a_pause() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let Claim::Create(creation) = now(one.region.get(&1).claim()).unwrap() else { panic!("there is no value") };
        soon(creation.fail(&"no"));
        assert!(matches!(now(other.region.get(&1).claim()), Err(CreateError::Paused { failures: 1, .. })), "{place:?}");
        assert_eq!(one.region.counts().failures, 1);
    }
}

#[test]
fn g8_a_claim_that_is_dropped_begins_no_pause() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        drop(now(one.region.get(&1).claim()).unwrap());
        if place != Place::Near {
            eventually("the grant is ended", || one.probe.count(Operation::End) == 1);
        }
        create(&other.region, 1, "two");
        assert_eq!(one.region.counts().failures, 0, "{place:?}");
    }
}

#[test]
fn a_claim_has_the_old_value_and_others_go_on_with_it() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let first = create(&one.region, 1, "one");
        ground.clock.advance(MINUTE);
        let Claim::Create(creation) = now(one.region.get(&1).claim()).unwrap() else { panic!("it has expired") };
        assert_eq!(creation.old().map(|old| &**old), Some("one"));
        assert_eq!(creation.old_version(), Some(Got::version(&first)));
        assert_eq!(Got::outcome(&take(&other.region, 1)), Outcome::Stale, "{place:?}");
        let same = creation.unchanged().unwrap();
        let got = soon(creation.publish(same)).unwrap();
        assert_eq!((&**got, Got::outcome(&got)), ("one", Outcome::Created));
        assert_ne!(Got::version(&got), Got::version(&first), "it is another state of the value");
        ground.clock.advance(just_before(MINUTE));
        assert_eq!(fresh(&other.region, 1).as_deref(), Some("one"), "{place:?}");
        let counts = one.region.counts();
        assert_eq!((counts.renewals, counts.unchanged, counts.share_unchanged()), (1, 1, Some(1.0)));
    }
}

#[test]
fn a_first_creation_cannot_say_that_nothing_has_changed() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let creator = async |creation: &dogpile_cache::Creation<u64, String>| {
            assert!(creation.unchanged().is_none() && creation.old_version().is_none());
            Made::new("one".to_owned())
        };
        soon(region.get(&1).or_create_with(creator)).unwrap();
        assert_eq!(region.counts().renewals, 0);
    }
}

#[test]
fn sixty_four_tasks_that_refuse_one_version_cause_one_creation() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let wrong = Got::version(&create(&one.region, 1, "wrong"));
        assert_eq!(&**take(&other.region, 1), "wrong");
        let (gate, creations) = (Gate::new(), AtomicU64::new(0));
        let creator = async || {
            creations.fetch_add(1, Ordering::Relaxed);
            gated(&gate, "right").await
        };
        let refusing: Vec<_> = (0..64)
            .map(|task| if task % 2 == 0 { &one } else { &other })
            .map(|process| begin(process.region.get(&1).renew_if(wrong).or_create(creator)))
            .collect();
        // The others go on with it.
        assert_eq!((&**take(&one.region, 1), &**take(&other.region, 1)), ("wrong", "wrong"), "{place:?}");
        gate.open();
        for refusing in refusing {
            let mut refusing = refusing;
            let mut got = None;
            eventually("a renewal ends", || {
                got = refusing.poll();
                ground.clock.advance(MS);
                got.is_some()
            });
            let got = got.unwrap().unwrap();
            assert_eq!(&**got, "right", "{place:?}");
            assert_ne!(Got::version(&got), wrong);
        }
        assert_eq!(creations.load(Ordering::Relaxed), 1, "{place:?}");
        // Nobody creates for a version that is gone.
        let got = soon(other.region.get(&1).renew_if(wrong).or_create(async || panic!("it was renewed"))).unwrap();
        assert_eq!(&**got, "right");
    }
}

#[test]
fn a_refresh_creates_whatever_is_there_and_waits_for_another() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        create(&one.region, 1, "one");
        let gate = Gate::new();
        let refreshing = begin(one.region.refresh(&1).or_create(async || gated(&gate, "two").await));
        let mut second = begin(other.region.refresh(&1).or_create(async || panic!("another creates")));
        assert_eq!(&**take(&other.region, 1), "one", "{place:?}");
        gate.open();
        assert_eq!(Got::outcome(&refreshing.end().unwrap()), Outcome::Created);
        ground.clock.advance(MS * 250);
        let got = second.poll().expect("there is another value").unwrap();
        assert_eq!(&**got, "two", "{place:?}");
    }
}

async fn function() -> String {
    "function".to_owned()
}

#[test]
fn a_creator_is_a_closure_or_a_function_or_boxed() {
    type Boxed<'a> = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = String> + Send + 'a>> + Send + 'a>;
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        soon(region.get(&1).or_create(function)).unwrap();
        let text = String::from("borrowed");
        soon(region.get(&2).or_create(async || text.clone())).unwrap();
        soon(region.get(&3).or_create(|| async { text.clone() })).unwrap();
        let boxed: Boxed<'_> = Box::new(|| Box::pin(async { text.clone() }));
        soon(region.get(&4).or_create(async || boxed().await)).unwrap();
        soon(region.get(&5).or_create(async move || text)).unwrap();
        let all: Vec<_> = (1..=5).map(|key| take(&region, key).to_string()).collect();
        assert_eq!(all, ["function", "borrowed", "borrowed", "borrowed", "borrowed"], "{place:?}");
    }
}

#[tokio::test]
async fn a_creation_in_the_background_goes_on_without_its_access() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let gate = Gate::new();
        let started = Arc::new(AtomicU64::new(0));
        let creator = |gate: &Arc<Gate>, value: &'static str| {
            let (gate, started) = (Arc::clone(gate), Arc::clone(&started));
            move || {
                started.fetch_add(1, Ordering::Relaxed);
                async move { gated(&gate, value).await }
            }
        };
        let first = tokio::spawn({
            let (region, creator) = (one.region.clone(), creator(&gate, "one"));
            async move { region.get(&1).in_background().or_create(creator).await.map(|got| got.to_string()) }
        });
        while started.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        gate.open();
        while one.region.counts().creations == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(other.region.get(&1).value().await.unwrap().unwrap().to_string(), "one", "{place:?}");
        // With an old value, the access has it at once.
        ground.clock.advance(MINUTE);
        let gate = Gate::new();
        let old = one.region.get(&1).in_background().or_create(creator(&gate, "two")).await.unwrap();
        assert_eq!((&**old, Got::outcome(&old)), ("one", Outcome::Stale), "{place:?}");
        gate.open();
        while one.region.counts().creations == 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(other.region.get(&1).value().await.unwrap().unwrap().to_string(), "two", "{place:?}");
    }
}

// --- what the futures are -------------------------------------------------------------------------------------------

fn is_send<F: Future + Send>(future: F) {
    drop(future);
}

/// A handler as axum wants it: its future is `Send` and owns what it uses.
#[allow(clippy::manual_async_fn)] // The bound is what is tested.
fn handler(region: Region<str, String>, path: String) -> impl Future<Output = Result<String, String>> + Send + 'static {
    async move {
        let load = async || {
            tokio::task::yield_now().await;
            if path.is_empty() { Err("no path") } else { Ok(path.clone()) }
        };
        let got = region.get(&path).or_try_create(load).await.map_err(|error| error.to_string())?;
        tokio::task::yield_now().await; // the value lives across this await
        Ok(got.to_string())
    }
}

#[tokio::test]
async fn futures_cross_threads() {
    let region = Region::builder("pages").near(Near::holding(10)).expires_after(MINUTE).build::<str, String>().unwrap();
    assert_eq!(tokio::spawn(handler(region.clone(), "a".to_owned())).await.unwrap().as_deref(), Ok("a"));

    let (text, path) = (String::from("x"), String::from("p"));
    let step = async || tokio::task::yield_now().await;
    is_send(region.get(&path).or_create(async || {
        step().await;
        text.clone()
    }));
    is_send(region.get(&path).or_create_with(async |creation| {
        step().await;
        Made::new(creation.old().cloned().unwrap_or(text.clone()))
    }));
    is_send(region.get(&path).timeout(SECOND).soft_timeout(SECOND).renew_if(1).or_try_create(async || {
        step().await;
        Err::<String, _>(text.clone())
    }));
    is_send(region.get(&path).or_try_create_with(async |_| {
        step().await;
        Err(text.clone())
    }));
    is_send(region.get(&path).or_try_find(async || {
        step().await;
        Ok::<_, String>(None)
    }));
    is_send(region.get(&path).value());
    is_send(region.refresh(&path).claim());
    is_send(region.set(&path, text.clone()));
    is_send(region.add(&path, text.clone()));
    is_send(region.touch(&path, None));
    is_send(region.mark_stale(&path));
    is_send(region.invalidate(&path));
    is_send(region.close(SECOND));
    is_send(region.ping());
    is_send(region.get(&path).in_background().or_try_create(|| async { Err::<String, _>("no") }));
    is_send(async {
        if let Ok(Claim::Create(creation)) = region.get(&path).claim().await {
            step().await;
            _ = creation.publish(text.clone()).await;
        }
    });
}

/// Whether each form has a limit of its own: on the target on which these limits were measured.
const IS_PINNED: bool = cfg!(all(target_arch = "x86_64", target_os = "linux"));

/// The largest size elsewhere.
const LIMIT: usize = 1024;

/// A creator whose future holds so many bytes.
async fn heavy<const N: usize>() -> String {
    let held = [1_u8; N];
    tokio::task::yield_now().await;
    String::from_utf8_lossy(&held).into_owned()
}

fn sizes<const N: usize>() -> Vec<(&'static str, usize, usize)> {
    let region = Ground::new().region(Place::NearOverFar);
    let creator = async || heavy::<N>().await;
    let tries = async || Ok::<_, &str>(heavy::<N>().await);
    let finds = async || Ok::<_, &str>(Some(heavy::<N>().await));
    macro_rules! sizes {
        ($($limit:literal: $form:expr;)+) => {
            vec![$((stringify!($form), size_of_val(&$form), $limit),)+]
        };
    }
    sizes! {
        80: region.get(&1).or_create(creator);
        80: region.get(&1).or_create_with(async |_| heavy::<N>().await.into());
        80: region.get(&1).or_try_create(tries);
        80: region.get(&1).or_try_create_with(async |_| Ok::<_, &str>(heavy::<N>().await.into()));
        176: region.get(&1).or_try_find(finds);
        80: region.refresh(&1).or_create(creator);
        288: region.get(&1).in_background().or_create(heavy::<N>);
        288: region.get(&1).in_background().or_try_find(|| async { Ok::<_, &str>(Some(heavy::<N>().await)) });
        248: region.get(&1).value();
        160: region.get(&1).claim();
        72: region.set(&1, String::new());
        72: region.add(&1, String::new());
        64: region.touch(&1, None);
        48: region.mark_stale(&1);
        48: region.invalidate(&1);
        416: region.close(SECOND);
        208: region.ping();
    }
}

/// A creator runs in a box, so the size of its future adds nothing.
#[test]
fn futures_are_small() {
    for ((form, size, limit), large) in sizes::<1>().into_iter().zip(sizes::<4096>()) {
        println!("{size:>4} bytes, of {limit:>4}: {form}");
        let limit = if IS_PINNED { limit } else { LIMIT };
        assert!(size <= limit, "{form}: {size} bytes, of {limit}");
        assert_eq!(size, large.1, "{form}, with a creator of 4 KiB");
    }
}
