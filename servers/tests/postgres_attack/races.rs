//! Races of many sessions, and connections that are cut.

use crate::kit::*;
use bytes::Bytes;
use dogpile_cache::backend::{
    Backend, BackendErrorKind, Change, Changed, Claimed, Count, Counted, Entry, Over, Postgres, Published, Seen,
};
use dogpile_servers::{Direction, Proxy};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// G3, G1: several processes claim, publish, end, set, touch and invalidate a few keys, whose entries live for some
/// milliseconds, so that looks bury them, and the culling goes over them. A value carries a moment after its grant;
/// no look that was sent after an invalidation had returned finds one of before that was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g3_g1_a_race_of_everything_keeps_invalidations() {
    let server = server().await;
    let clock = Arc::new(AtomicU64::new(1));
    let keys: Arc<Vec<_>> = Arc::new((0..2).map(|number| key(&number.to_string())).collect());
    let before: Arc<Vec<AtomicU64>> = Arc::new((0..2).map(|_| AtomicU64::new(0)).collect());
    let holders: Arc<Vec<AtomicU64>> = Arc::new((0..2).map(|_| AtomicU64::new(0)).collect());
    let began = Instant::now();
    let mut processes = Vec::new();
    for process in 0..6u64 {
        let postgres = backend(&server).await;
        let (clock, keys, before, holders) = (clock.clone(), keys.clone(), before.clone(), holders.clone());
        processes.push(tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(process);
            let mut done = [0; 6];
            while began.elapsed() < SECOND * 15 {
                let at = random.usize(..2);
                let key = &keys[at];
                let lifetime = Some(MS * [1, 3, 50, 10_000][random.usize(..4)]);
                match random.u32(..10) {
                    0..4 => {
                        let lease = if random.bool() { LONG } else { MS * 2 };
                        let claimed = postgres.claim(key, claim(lease)).await.unwrap();
                        let Claimed::Granted { grant, .. } = claimed else { continue };
                        let granted = clock.fetch_add(1, Ordering::SeqCst);
                        done[0] += 1;
                        if random.u32(..5) == 0 {
                            postgres.end(key, &grant, None).await.unwrap();
                        } else {
                            let bytes = Bytes::copy_from_slice(&granted.to_be_bytes());
                            let published = postgres.publish(key, &grant, Entry { bytes, lifetime }).await.unwrap();
                            done[1] += u32::from(matches!(published, Published::Fresh | Published::Stale));
                        }
                    }
                    4 => {
                        let sent = clock.fetch_add(1, Ordering::SeqCst);
                        let void_pause = MS * random.u32(..3);
                        let change = Change::Invalidate { beside: Vec::new(), void_pause };
                        if postgres.change(key, change).await.is_ok() {
                            before[at].fetch_max(sent, Ordering::SeqCst);
                            done[2] += 1;
                        }
                    }
                    5 => {
                        let look = postgres.look(std::slice::from_ref(key), None).await.unwrap().remove(0);
                        let Some(bytes) = look.entry else { continue };
                        let change = Change::Touch { entry: Entry { bytes, lifetime }, seen: look.seen };
                        done[3] += u32::from(matches!(postgres.change(key, change).await, Ok(Changed::Yes { .. })));
                    }
                    6 => {
                        let count = Count::Add { delta: 1, ceiling: 3, lifetime };
                        postgres.count(key, count).await.unwrap();
                    }
                    7 if process == 0 => {
                        let mut it = claim(MS);
                        it.over = Over::Anyone;
                        drop(postgres.claim(key, it).await.unwrap());
                    }
                    _ => {
                        let least = before[at].load(Ordering::SeqCst);
                        let look = postgres.look(std::slice::from_ref(key), None).await.unwrap().remove(0);
                        done[4] += 1;
                        if let Some(bytes) = look.entry {
                            let of = u64::from_be_bytes(bytes[..].try_into().unwrap());
                            assert!(of > least, "a value of {of}, after the invalidation of {least}");
                            done[5] += 1;
                        }
                    }
                }
            }
            let _ = &holders;
            done
        }));
    }
    let mut culled = 0;
    while began.elapsed() < SECOND * 15 {
        server.sql("SELECT * FROM dogpile.cull(0, 1000)").unwrap();
        culled += 1;
        tokio::time::sleep(MS * 5).await;
    }
    for process in processes {
        println!("{:?}", within(WATCHDOG, process).await.unwrap());
    }
    println!("culled {culled} times");
    assert_no_errors(&server);
}

/// G2, S42: the connection is cut after each byte of a publication, on the way there and on the way back. What is said
/// to be stored is stored, what is said not to have taken effect has not, and never does.
#[tokio::test]
async fn g2_a_publication_that_is_cut_says_what_has_become_of_it() {
    let server = server().await;
    let direct = backend(&server).await;
    let proxy = Proxy::start(server.address()).unwrap();
    let url = format!("postgresql://postgres@{}/postgres", proxy.address());
    let cut = Postgres::connect(&url).await.unwrap();
    let mut seen = [0; 4];
    for direction in [Direction::FromClient, Direction::FromServer] {
        for bytes in (0..200).step_by(9) {
            let one = key(&format!("{direction:?} {bytes}"));
            until(async || cut.ping().await.is_ok()).await;
            let grant = granted(&cut, &one, LONG).await;
            proxy.cut_after(direction, bytes);
            let published = within(AT_ONCE, cut.publish(&one, &grant, entry("new"))).await;
            proxy.normal();
            let at_once = stored(&direct, &one).await;
            let again = until_answer(&cut, &one, &grant).await;
            match published {
                Ok(Published::Fresh) => {
                    seen[0] += 1;
                    assert!(at_once.is_some());
                    assert!(matches!(again, Published::Refused(_)), "twice: {again:?}");
                }
                Ok(other) => panic!("{direction:?} {bytes}: {other:?}"),
                Err(error) if error.kind() == BackendErrorKind::InDoubt => {
                    seen[1 + usize::from(at_once.is_some())] += 1;
                }
                Err(error) => {
                    seen[3] += 1;
                    assert!(at_once.is_none() && again == Published::Fresh, "{error:?}, but {at_once:?}, {again:?}");
                }
            }
            assert_eq!(stored(&direct, &one).await.unwrap(), "new");
        }
    }
    println!("fresh, in doubt and not there, in doubt and there, other errors: {seen:?}");
}

async fn until_answer(
    postgres: &Postgres,
    key: &dogpile_cache::key::StoredKey,
    grant: &dogpile_cache::backend::Grant,
) -> Published {
    let began = Instant::now();
    loop {
        match postgres.publish(key, grant, entry("new")).await {
            Ok(published) => return published,
            Err(error) => assert!(began.elapsed() < WATCHDOG, "{error:?}"),
        }
    }
}

/// A claim that is answered "held" takes no transaction id: those who wait for a holder ask again and again.
#[tokio::test]
async fn g5_a_claim_that_is_held_burns_no_transaction_id() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    granted(&postgres, &one, LONG).await;
    let next = || server.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())").unwrap().parse::<u64>().unwrap();
    let before = next();
    for _ in 0..100 {
        assert!(matches!(postgres.claim(&one, claim(LONG)).await.unwrap(), Claimed::Held(_)));
    }
    let burnt = next() - before;
    assert!(burnt < 10, "{burnt} for 100 claims");
}

/// Futures that are dropped, at every await: the next answers are their own, and nothing stays open.
#[tokio::test]
async fn futures_that_are_dropped_shift_no_answer() {
    let server = server().await;
    let postgres = backend(&server).await;
    let keys: Vec<_> = (0..50).map(|number| key(&number.to_string())).collect();
    for (number, key) in keys.iter().enumerate() {
        let bytes = Bytes::from(number.to_string());
        let change = Change::Set { entry: Entry { bytes, lifetime: Some(LONG) }, void_pause: MS };
        postgres.change(key, change).await.unwrap();
    }
    for round in 0..500usize {
        for polls in 0..3 {
            let key = &keys[(round + polls) % 50];
            let mut futures: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>> = vec![
                Box::pin(async { drop(postgres.look(std::slice::from_ref(key), None).await) }),
                Box::pin(async { drop(postgres.claim(key, claim(MS)).await) }),
                Box::pin(async {
                    drop(postgres.count(key, Count::Add { delta: 1, ceiling: 9, lifetime: None }).await);
                }),
                Box::pin(async {
                    let change = Change::SetIf { entry: entry("no"), seen: Seen::entry(vec![1; 8]), void_pause: MS };
                    drop(postgres.change(key, change).await);
                }),
            ];
            for future in &mut futures {
                for _ in 0..polls {
                    if std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx))).await.is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
        let at = round % 50;
        assert_eq!(stored(&postgres, &keys[at]).await.unwrap(), at.to_string());
    }
    let count = postgres.count(&key("last"), Count::Add { delta: 7, ceiling: 9, lifetime: None }).await.unwrap();
    assert_eq!(count, Counted::Now(7));
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dogpile-cache' AND state <> 'idle'";
    until(async || server.sql(open).unwrap() == "0").await;
    assert_no_errors(&server);
}
