//! The server is stopped by SIGSTOP: connections stay open, and nothing is answered (S11, S98).
//!
//! That a call spends its time once is shown by a clock that the test moves: all calls have begun, the clock moves by
//! that time, once, and all of them end before the connection does. Where the time is that of this machine, the bound
//! has a slack of almost three seconds, since a call that spends its time twice takes three seconds more.

use crate::kit::{MINUTE, connect, is_open, key, part, seen, until, within};
use dogpile_cache::backend::Redis;
use dogpile_cache::counter::Counters;
use dogpile_cache::key::Namespace;
use dogpile_cache::region::NearAlone;
use dogpile_cache::{
    Claim, CreateError, Got, ManualClock, OnBackendFailure, Outcome, Published, Region, RegionBuilder,
};
use dogpile_servers::Direction::FromServer;
use dogpile_servers::{Proxy, RedisServer};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// What a call may spend on the backend; spent twice, it would be beyond the bound. (It is less than what a heartbeat
/// takes to end a silent connection.)
const TIMEOUT: Duration = Duration::from_secs(3);
const BOUND: Duration = Duration::from_millis(5900);

/// How long a region leaves a server in peace that has failed.
const PAUSE: Duration = Duration::from_millis(50);

fn builder(then: OnBackendFailure) -> RegionBuilder<NearAlone> {
    Region::builder("edge").expires_after(MINUTE).backend_timeout(TIMEOUT).on_backend_failure(then).backend_pause(PAUSE)
}

fn region(redis: &Arc<Redis>, then: OnBackendFailure) -> Region<str, String> {
    builder(then).far(Arc::clone(redis)).build().unwrap()
}

/// How a call is made in a region of its own.
type Make = fn(Region<str, String>) -> Call;

type Call = Pin<Box<dyn Future<Output = &'static str> + Send>>;

fn word<T>(result: &Result<T, impl Sized>, is: &'static str) -> &'static str {
    if result.is_ok() { is } else { "error" }
}

fn created(got: &Got<String>) -> &'static str {
    match (Got::outcome(got), Got::published(got)) {
        (Outcome::Created, Some(Published::No(_))) => "created",
        other => panic!("{other:?}"),
    }
}

/// Each kind of call: its name, what it returns by `Elect` and by `Fail`, and how it is made.
fn calls() -> Vec<(&'static str, [&'static str; 2], Make)> {
    let (always, creates) = (["error"; 2], ["created", "error"]);
    vec![
        ("value", always, |region| Box::pin(async move { word(&region.get("a").value().await, "value") })),
        ("or_create", creates, |region| {
            Box::pin(async move {
                match region.get("new").or_create(async || "own".to_owned()).await {
                    Ok(got) => created(&got),
                    Err(CreateError::Backend(_)) => "error",
                    Err(other) => panic!("{other:?}"),
                }
            })
        }),
        ("or_create, of a value that is there", creates, |region| {
            Box::pin(async move {
                match region.get("a").or_create(async || "own".to_owned()).await {
                    Ok(got) => created(&got),
                    Err(_) => "error",
                }
            })
        }),
        ("refresh", creates, |region| {
            Box::pin(async move {
                region.refresh("a").or_create(async || "own".to_owned()).await.map_or("error", |got| created(&got))
            })
        }),
        ("claim", creates, |region| {
            Box::pin(async move {
                match region.get("new").claim().await {
                    Ok(Claim::Create(creation)) => created(&creation.publish("own".to_owned()).await.unwrap()),
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => "error",
                }
            })
        }),
        ("get_many", creates, |region| {
            Box::pin(async move {
                let create = |keys: Vec<String>| async move { keys };
                let many = region.get_many(["a", "new", "b"]).or_create(create).await;
                many.map_or("error", |all| all.iter().map(created).next_back().unwrap())
            })
        }),
        ("values", always, |region| {
            Box::pin(async move { word(&region.get_many(["a", "b"]).values().await, "values") })
        }),
        ("set", always, |region| Box::pin(async move { word(&region.set("a", "own".to_owned()).await, "set") })),
        ("add", always, |region| Box::pin(async move { word(&region.add("a", "own".to_owned()).await, "added") })),
        ("see", always, |region| Box::pin(async move { word(&region.see("a").await, "seen") })),
        ("touch", always, |region| Box::pin(async move { word(&region.touch("a", None).await, "touched") })),
        ("mark_stale", always, |region| Box::pin(async move { word(&region.mark_stale("a").await, "marked") })),
        ("invalidate", always, |region| Box::pin(async move { word(&region.invalidate("a").await, "invalidated") })),
        ("ping", always, |region| Box::pin(async move { word(&region.ping().await, "pong") })),
    ]
}

/// Makes each call in a region of its own, which knows nothing of the failures of others, and moves their clock by the
/// time of a call once all of them have begun. Returns what they have returned.
async fn all(clock: &ManualClock, regions: &[Region<str, String>]) -> Vec<&'static str> {
    let mut made: Vec<Call> =
        calls().into_iter().zip(regions).map(|((.., make), region)| make(region.clone())).collect();
    let mut ended: Vec<Option<&'static str>> = vec![None; made.len()];
    poll_fn(|cx| {
        for (call, ended) in made.iter_mut().zip(&mut ended) {
            if let Poll::Ready(returned) = call.as_mut().poll(cx) {
                *ended = Some(returned);
            }
        }
        Poll::Ready(())
    })
    .await;
    clock.advance(TIMEOUT);
    let going = made.into_iter().zip(ended).map(|(call, ended)| async move {
        match ended {
            Some(returned) => returned,
            None => within(tokio::spawn(call)).await.unwrap(),
        }
    });
    let mut all = Vec::new();
    for call in going {
        all.push(call.await);
    }
    all
}

async fn stopped(then: OnBackendFailure, at: usize) {
    let server = seen().start().unwrap();
    let redis = connect(&server).await;
    let clock = Arc::new(ManualClock::new());
    let mut regions = Vec::new();
    for _ in calls() {
        let region = builder(then).clock(Arc::clone(&clock)).far(Arc::clone(&redis)).build::<str, String>().unwrap();
        region.set("a", "one".to_owned()).await.unwrap();
        regions.push(region);
    }
    server.stop().unwrap();
    for (is, answers) in [("open", true), ("dead", false)] {
        if !answers {
            // The heartbeat has ended the connection: the calls wait for a new one.
            until(|| !is_open(&redis)).await;
            // What the regions have learned is over.
            clock.advance(PAUSE * 2);
        }
        let all = all(&clock, &regions).await;
        // Else they have ended with the connection. (A heartbeat takes four seconds to end it: that is the slack.)
        assert!(!answers || is_open(&redis), "a call has spent its time twice, {then:?}");
        for (returned, (name, expected, _)) in all.into_iter().zip(calls()) {
            assert_eq!(returned, expected[at], "{name}, {then:?}, {is}");
        }
    }
    server.go_on().unwrap();
    within(async {
        loop {
            clock.advance(PAUSE);
            let got = regions[0].refresh("b").or_create(async || "two".to_owned()).await;
            if got.is_ok_and(|got| Got::published(&got) == Some(Published::Fresh)) {
                break;
            }
        }
    })
    .await;
    // The invalidation that was in doubt is told, and no grant is left behind.
    for region in &regions {
        within(async {
            while region.get("a").value().await.is_err() {
                clock.advance(PAUSE);
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    for name in ["a", "new", "b"] {
        until(|| server.command(&["EXISTS", &part(&key(name), "grant")]).unwrap().int() == Some(0)).await;
    }
}

#[tokio::test]
async fn s11_s98_each_call_spends_its_time_once_and_then_creates() {
    stopped(OnBackendFailure::Elect, 0).await;
}

#[tokio::test]
async fn s11_s98_each_call_spends_its_time_once_and_then_fails() {
    stopped(OnBackendFailure::Fail, 1).await;
}

/// The server answers, but slowly: the operations of a call share its time.
#[tokio::test]
async fn g5_a_slow_server_takes_the_time_of_a_call_once() {
    let server = RedisServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let redis = Arc::new(Redis::connect(&format!("redis://{}", proxy.address())).await.unwrap());
    let regions = [(); 5].map(|()| region(&redis, OnBackendFailure::Elect));
    for region in &regions {
        region.set("a", "one".to_owned()).await.unwrap();
        // The server knows the scripts from then on.
        region.get("known").or_create(async || "one".to_owned()).await.unwrap();
        assert!(region.touch("a", None).await.unwrap());
    }
    // A round trip takes most of a call's time.
    let most = TIMEOUT * 7 / 10;
    proxy.delay(FromServer, most);
    let timed = async |call: Call| {
        let begun = Instant::now();
        let returned = within(call).await;
        (returned, begun.elapsed())
    };
    let [one, two, three, four, five] = regions;
    let create = async |region: Region<str, String>, name: &str| {
        region.get(name).or_create(async || "own".to_owned()).await.map_or("error", |got| created(&got))
    };
    let (looked, touched, added, created, renewed) = tokio::join!(
        timed(Box::pin(async move { one.get("a").value().await.map_or("error", |_| "value") })),
        timed(Box::pin(async move { word(&two.touch("a", None).await, "touched") })),
        timed(Box::pin(async move { word(&three.add("b", "own".to_owned()).await, "added") })),
        timed(Box::pin(async move { create(four, "new").await })),
        timed(Box::pin(async move {
            let create = |keys: Vec<String>| async move { keys };
            word(&five.get_many(["c", "d"]).or_create(create).await, "created")
        })),
    );
    assert_eq!([touched.0, added.0, created.0, renewed.0], ["error", "error", "created", "created"]);
    for (name, (_, took)) in
        [("value", looked), ("touch", touched), ("add", added), ("or_create", created), ("get_many", renewed)]
    {
        assert!(took < BOUND, "{name} took {took:?}");
    }
    proxy.normal();
    // The claims that were in doubt are released.
    for name in ["new", "c", "d"] {
        until(|| server.command(&["EXISTS", &part(&key(name), "grant")]).unwrap().int() == Some(0)).await;
    }
}

#[tokio::test]
async fn s11_s98_an_old_value_is_served_by_a_process_that_has_seen_it() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let region = region(&redis, OnBackendFailure::OldOnly);
    region.set("a", "old".to_owned()).await.unwrap();
    region.mark_stale("a").await.unwrap();
    let begun = Instant::now();
    let got = within(region.get("a").or_try_create(async || {
        // The claim was granted; what comes after it is not answered.
        server.stop().unwrap();
        Err::<String, _>("the source fails, too")
    }));
    assert_eq!(got.await.unwrap_err().into_creator(), Some("the source fails, too"));
    assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
    let none = within(region.get("new").or_create(async || unreachable!())).await;
    assert!(matches!(none, Err(CreateError::Backend(_))), "{none:?}");
    server.go_on().unwrap();
}

#[tokio::test]
async fn s11_s98_threads_and_counters_are_bounded_too() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let region = region(&redis, OnBackendFailure::Elect);
    region.set("a", "one".to_owned()).await.unwrap();
    let counters: Counters<str, Arc<Redis>> =
        Counters::new(Namespace::new("edge").unwrap(), Arc::clone(&redis), MINUTE).unwrap();
    assert_eq!(counters.increment("a", 1).await.unwrap(), 1);
    server.stop().unwrap();
    let thread = tokio::task::spawn_blocking(move || {
        let begun = Instant::now();
        let got = region.blocking().get("new").or_create(|| "own".to_owned()).unwrap();
        assert_eq!(created(&got), "created");
        begun.elapsed()
    });
    // (Counters have no time-out of a region: the heartbeat bounds them.)
    assert!(within(counters.increment("a", 1)).await.is_err());
    assert!(within(counters.get("a")).await.is_err());
    let took = within(thread).await.unwrap();
    assert!(took < BOUND, "{took:?}");
    server.go_on().unwrap();
    crate::kit::connected(&redis).await;
    assert!(within(counters.get("a")).await.unwrap() >= 1);
}
