//! Many at once.

use crate::ground::*;
use crate::quiet;
use dogpile_cache::backend::{Claimed, Count, Counted, Ended, Published, Seen};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

const THREADS: usize = 8;

/// Runs the same on several threads, which begin together.
fn together(threads: usize, run: impl Fn(usize) + Sync) {
    let (barrier, quiet) = (Barrier::new(threads), quiet::is_on());
    let panics: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let (run, barrier) = (&run, &barrier);
                scope.spawn(move || {
                    quiet::turn(quiet);
                    barrier.wait();
                    run(thread);
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().err()).collect()
    });
    if let Some(panic) = panics.into_iter().next() {
        std::panic::resume_unwind(panic);
    }
}

/// At most one live grant, ever.
pub fn g1_threads_one_holder_at_a_time(g: &Ground) {
    let key = g.key("key");
    // The token of the holder; it ends before it asks the backend to end the grant.
    let holder = AtomicU64::new(0);
    let grants = AtomicUsize::new(0);
    together(THREADS, |thread| {
        for round in 0..300 {
            let seen = g.look(&key).seen;
            let Claimed::Granted { grant, .. } = g.claim(&key, claim(seen)) else { continue };
            // AcqRel: pairs with the end of the holder before.
            let before = holder.compare_exchange(0, grant.token.0, Ordering::AcqRel, Ordering::Acquire);
            assert_eq!(before, Ok(0), "two holders");
            grants.fetch_add(1, Ordering::Relaxed);
            thread::yield_now();
            // Release: pairs with the begin of the next holder.
            holder.store(0, Ordering::Release);
            if (thread + round) % 3 == 0 {
                assert_eq!(g.end(&key, &grant, None), Ended::Yes);
            } else {
                assert_eq!(g.publish(&key, &grant, "value"), Published::Fresh);
            }
        }
    });
    assert!(grants.into_inner() > 0);
    g.assert_free(&key, 0);
}

/// All claim at once what all have seen: one creation.
pub fn g1_s23_threads_on_a_cold_key_are_one_creation(g: &Ground) {
    for round in 0..50 {
        let key = g.key(&round.to_string());
        let published = AtomicUsize::new(0);
        together(THREADS, |_| {
            if let Claimed::Granted { grant, .. } = g.claim(&key, claim(Seen::NOTHING)) {
                assert_eq!(g.publish(&key, &grant, "value"), Published::Fresh);
                published.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(published.into_inner(), 1, "in round {round}");
    }
}

/// A watcher takes over a dead holder by compare-and-set, whatever number of them there is.
pub fn g5_threads_one_takes_over(g: &Ground) {
    for round in 0..50 {
        let key = g.key(&round.to_string());
        g.granted(&key);
        let by = held(&g.claim_anyhow(&key));
        let taken = AtomicUsize::new(0);
        together(THREADS, |_| {
            let dead = dogpile_cache::backend::Over::Dead(by.token, by.beat);
            if let Claimed::Granted { .. } = g.claim(&key, over(claim(Seen::NOTHING), dead)) {
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(taken.into_inner(), 1, "in round {round}");
    }
}

/// Invalidations among publications: what was granted before one is never there after it.
pub fn g3_threads_an_invalidation_wins(g: &Ground) {
    let key = g.key("key");
    let versions = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    // The source: a creation reads it after its grant, an invalidation comes after the write.
    let source = AtomicUsize::new(0);
    together(THREADS, |thread| {
        for _ in 0..300 {
            if thread == 0 {
                let written = source.fetch_add(1, Ordering::AcqRel) + 1;
                g.invalidate(&key, SECOND);
                // This thread alone writes: what is there, until it writes again, was read after this.
                for _ in 0..5 {
                    if let Some(there) = g.stored(&key) {
                        assert_eq!(there, versions[written % 10], "an older value came after the invalidation");
                    }
                    thread::yield_now();
                }
            } else if let Claimed::Granted { grant, .. } = g.claim(&key, claim(g.look(&key).seen)) {
                let read = versions[source.load(Ordering::Acquire) % 10];
                thread::yield_now();
                g.publish(&key, &grant, read);
            }
        }
    });
}

/// Each state is replaced by one.
pub fn g3_threads_a_state_is_replaced_once(g: &Ground) {
    let key = g.key("key");
    g.set(&key, entry("value"));
    for round in 0..50 {
        let seen = g.look(&key).seen;
        let stored = AtomicUsize::new(0);
        together(THREADS, |_| {
            if g.set_if(&key, "value", &seen) {
                stored.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(stored.into_inner(), 1, "in round {round}");
    }
}

/// 64 threads × 1,000 increments on a missing key.
pub fn g12_threads_count_exactly(g: &Ground) {
    let key = g.key("key");
    together(64, |_| {
        for _ in 0..1000 {
            assert!(matches!(g.count(&key, add(1)), Counted::Now(1..=64_000)));
        }
    });
    assert_eq!(g.counted(&key), 64_000);
}

/// A ceiling is exact, too: nobody is let in beyond it.
pub fn g12_threads_never_pass_the_ceiling(g: &Ground) {
    let key = g.key("key");
    let taken = AtomicU64::new(0);
    together(THREADS, |_| {
        for _ in 0..500 {
            if let Counted::Now(_) = g.count(&key, Count::Add { delta: 1, ceiling: 1000, lifetime: None }) {
                taken.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    assert_eq!((taken.into_inner(), g.counted(&key)), (1000, 1000));
}
