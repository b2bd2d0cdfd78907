//! Accesses and changes that are dropped at each of their polls (G8).
//!
//! The runtime of each run has one thread, paused time, and is the keeper as well. So a run is the same each time, but
//! for the seeds of tokens, which change nothing.

use crate::kit::{MINUTE, SECOND, stored};
use dogpile_cache::backend::{Backend, Claim as RawClaim, Claimed, Fault, Faulty, Memory, Rest, Token};
use dogpile_cache::{Claim, Got, Made, Near, Region, TokioClock};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use tokio::runtime::{Builder, Handle};
use tokio::task::yield_now;

/// More polls than anything here takes.
const MOST_POLLS: usize = 2000;

/// What comes after a drop is there after so many turns of the runtime.
const MOST_TURNS: usize = 2000;

type Fleet = Arc<Faulty<Arc<Memory<TokioClock>>>>;
type Cancelled<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;
type Make = for<'a> fn(&'a Region<u64, String>) -> Cancelled<'a>;

/// What is there before the access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    Fresh,
    Stale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Near,
    Far,
    NearOverFar,
}

/// A few polls that a creator takes.
async fn work() -> String {
    for _ in 0..3 {
        yield_now().await;
    }
    "made".to_owned()
}

/// A version that the values here do not have, or that they have.
async fn renewed(region: &Region<u64, String>) {
    let version = region.get(&1).value().await.ok().flatten().map_or(7, |got| Got::version(&got));
    drop(region.get(&1).renew_if(version).or_create(work).await);
}

async fn claimed(region: &Region<u64, String>, then: impl AsyncFnOnce(dogpile_cache::Creation<u64, String>)) {
    if let Ok(Claim::Create(creation)) = region.get(&1).claim().await {
        drop(work().await);
        then(creation).await;
    }
}

/// Each terminal, and each change.
const ALL: &[(&str, Make)] = &[
    ("or_create", |region| Box::pin(async { drop(region.get(&1).or_create(work).await) })),
    ("or_create_with", |region| {
        Box::pin(async {
            let made = async |_: &dogpile_cache::Creation<u64, String>| Made::new(work().await);
            drop(region.get(&1).or_create_with(made).await);
        })
    }),
    ("or_try_create, an error", |region| {
        Box::pin(async {
            let made = async || {
                work().await;
                Err::<String, _>("no")
            };
            drop(region.get(&1).or_try_create(made).await);
        })
    }),
    ("or_try_find, none", |region| {
        Box::pin(async {
            let made = async || {
                work().await;
                Ok::<Option<String>, &str>(None)
            };
            drop(region.get(&1).or_try_find(made).await);
        })
    }),
    ("value", |region| Box::pin(async { drop(region.get(&1).value().await) })),
    ("claim, publish", |region| {
        Box::pin(claimed(region, async |creation| drop(creation.publish("claimed".to_owned()).await)))
    }),
    ("claim, fail", |region| Box::pin(claimed(region, async |creation| creation.fail(&"no").await))),
    ("claim, drop", |region| Box::pin(claimed(region, async |creation| drop(creation)))),
    ("refresh", |region| Box::pin(async { drop(region.refresh(&1).or_create(work).await) })),
    ("renew_if", |region| Box::pin(renewed(region))),
    ("in_background", |region| Box::pin(async { drop(region.get(&1).in_background().or_create(work).await) })),
    ("set", |region| Box::pin(async { drop(region.set(&1, "set".to_owned()).await) })),
    ("set_if", |region| {
        Box::pin(async {
            if let Ok(seen) = region.see(&1).await {
                drop(region.set_if(&1, &seen, "set".to_owned()).await);
            }
        })
    }),
    ("add", |region| Box::pin(async { drop(region.add(&1, "added".to_owned()).await) })),
    ("touch", |region| Box::pin(async { drop(region.touch(&1, None).await) })),
    ("mark_stale", |region| Box::pin(async { drop(region.mark_stale(&1).await) })),
    ("invalidate", |region| Box::pin(async { drop(region.invalidate(&1).await) })),
];

fn region(fleet: &Fleet, place: Place) -> Region<u64, String> {
    let builder = Region::builder("test").expires_after(MINUTE).lease(SECOND * 10).tokio_time();
    match place {
        Place::Near => builder.near(Near::holding(1000)).build(),
        Place::Far => builder.far(Arc::clone(fleet)).build(),
        Place::NearOverFar => builder.near(Near::holding(1000).at_most(SECOND)).far(Arc::clone(fleet)).build(),
    }
    .unwrap()
}

/// Polls so often, in turn with all else; then drops. Returns whether it has come to its end before.
async fn poll_and_drop(mut future: Cancelled<'_>, polls: usize) -> bool {
    for _ in 0..polls {
        let is_ready = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await;
        if is_ready {
            return true;
        }
        yield_now().await;
    }
    false
}

/// Returns whether all tasks come to their end, without any time.
async fn comes_to_rest() -> bool {
    for _ in 0..MOST_TURNS {
        if Handle::current().metrics().num_alive_tasks() == 0 {
            return true;
        }
        yield_now().await;
    }
    false
}

/// Waits until there are no tasks. Only an invalidation that was dropped takes time: it is told again after a pause.
async fn is_quiet(what: &str) {
    if !comes_to_rest().await {
        assert!(what.starts_with("invalidate"), "{what}: tasks are left");
        tokio::time::advance(SECOND * 2).await;
        assert!(comes_to_rest().await, "{what}: tasks are left");
    }
}

/// One run. Returns whether the access has come to its end before it was dropped.
async fn run(what: &str, make: Make, place: Place, before: Before, polls: usize) -> bool {
    let what = &format!("{what}, {place:?}, {before:?}, {polls} polls");
    let memory = Arc::new(Memory::with_clock(TokioClock::current()));
    let fleet: Fleet = Arc::new(Faulty::new(Arc::clone(&memory), 42));
    let region = region(&fleet, place);
    if before != Before::Nothing {
        region.set(&1, "before".to_owned()).await.unwrap();
    }
    if before == Before::Stale {
        tokio::time::advance(MINUTE + SECOND).await;
    }
    fleet.set_rate(Fault::Delayed, 1.0);
    let has_ended = poll_and_drop(make(&region), polls).await;
    is_quiet(what).await;
    fleet.set_rate(Fault::Delayed, 0.0);

    // No grant is left. (A pause may be, if the creator has failed.)
    let looks = memory.look(&[stored(1)], None).await.unwrap();
    let is_left = matches!(&looks[0].rest, Some(Rest::Held(held)) if !held.is_void);
    assert!(!is_left, "{what}: {looks:?}");
    if place != Place::Near {
        let mut claim = RawClaim::new(Token(7), SECOND);
        claim.through_pause = true;
        let claimed = memory.claim(&stored(1), claim).await.unwrap();
        let Claimed::Granted { grant, .. } = claimed else { panic!("{what}: {claimed:?}") };
        memory.end(&stored(1), &grant, None).await.unwrap();
    }

    // The next access gets a value, or creates one.
    let got = region.refresh(&1).or_create(async || "next".to_owned()).await;
    assert_eq!(got.as_ref().map(|got| &***got).ok(), Some("next"), "{what}: {got:?}");
    is_quiet(what).await;

    // No slot is left. (Slots whose time is over go by and by.)
    tokio::time::advance(MINUTE * 60).await;
    for other in 1000..1100 {
        drop(region.get(&other).value().await);
    }
    assert!(format!("{region:?}").contains("keys_in_use: 0"), "{what}: {region:?}");
    assert!(polls < MOST_POLLS, "{what}: it never ends");
    has_ended
}

#[test]
fn g8_an_access_that_is_dropped_at_any_poll_leaves_nothing_behind() {
    let mut runs = 0;
    for (what, make) in ALL {
        for place in [Place::Near, Place::Far, Place::NearOverFar] {
            for before in [Before::Nothing, Before::Fresh, Before::Stale] {
                for polls in 0.. {
                    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
                    runs += 1;
                    if runtime.block_on(run(what, *make, place, before, polls)) {
                        break;
                    }
                }
            }
        }
    }
    println!("{runs} runs");
    assert!(runs > 1000, "there were polls to drop at: {runs}");
}

/// While another access creates, waits are dropped.
#[test]
fn g8_a_wait_that_is_dropped_at_any_poll_leaves_the_others_waiting() {
    for place in [Place::Near, Place::Far, Place::NearOverFar] {
        for polls in 0..40 {
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let memory = Arc::new(Memory::with_clock(TokioClock::current()));
                let fleet: Fleet = Arc::new(Faulty::new(memory, 42).with(Fault::Delayed, 1.0));
                let (region, other) = (region(&fleet, place), region(&fleet, place));
                let created = AtomicBool::new(false);
                let creator = async || {
                    for _ in 0..60 {
                        yield_now().await;
                    }
                    assert!(!created.swap(true, Ordering::Relaxed), "one creator");
                    "one".to_owned()
                };
                let one = region.get(&1).or_create(creator);
                let dropped = poll_and_drop(Box::pin(async { drop(region.get(&1).or_create(work).await) }), polls);
                let second = region.get(&1).or_create(async || "two".to_owned());
                let (one, _, second) = tokio::join!(one, dropped, second);
                let (one, second) = (one.unwrap(), second.unwrap());
                assert_eq!((&**one, &**second), ("one", "one"), "{place:?} {polls}");
                if place != Place::Near {
                    let third = other.get(&1).or_create(async || "three".to_owned()).await.unwrap();
                    assert_eq!(&**third, "one");
                }
                is_quiet("a wait").await;
            });
        }
    }
}

/// A creation that has ended leaves no timer behind.
#[test]
fn the_keeper_of_a_creation_goes_with_it() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let memory = Arc::new(Memory::with_clock(TokioClock::current()));
        let region = region(&Arc::new(Faulty::new(memory, 42)), Place::Far);
        for key in 0..100 {
            region.get(&key).or_create(async || "one".to_owned()).await.unwrap();
        }
        is_quiet("creations").await;
    });
}
