//! Servers that lose their data, or get older data (G10).

use crate::ground::*;
use dogpile_cache::backend::{Claim, Ended, Published, Refusal, Renewed, Seen};

/// S46: a server that was restarted between the grant and its publication.
pub fn g10_s46_a_restart_is_a_cold_start(g: &Ground) {
    let (key, held) = (g.key("key"), g.key("held"));
    g.set(&key, entry("old"));
    g.count(&key, add(5));
    let failed = g.granted(&key);
    g.end(&key, &failed, pause(1));
    let late = g.granted(&held);
    let life = g.look(&key).life;
    g.server.restart();

    // Not even if the token were the same.
    let next = granted(&g.claim(&held, Claim::new(late.token, LEASE)));
    assert_eq!(g.publish(&held, &late, "late"), Published::Refused(Refusal::OtherLife));
    assert_eq!(g.end(&held, &late, None), Ended::Lost(Refusal::OtherLife));
    assert_eq!(g.renew(&held, &late), Renewed::Lost(Refusal::OtherLife));
    g.assert_nothing(&held);
    g.assert_goes_on(&held, &next);
    assert_eq!(g.end(&held, &next, None), Ended::Yes);

    let look = g.look(&key);
    assert_ne!(look.life, life);
    assert_eq!(next.life, g.look(&held).life);
    g.assert_nothing(&key);
    assert_eq!(g.counted(&key), 0);
    g.assert_free(&key, 0);
    assert_eq!(g.publish(&held, &late, "late"), Published::Refused(Refusal::OtherLife));
    assert_eq!(g.renew(&held, &late), Renewed::Lost(Refusal::OtherLife));
    assert_eq!(g.end(&held, &late, pause(1)), Ended::Lost(Refusal::OtherLife));
    g.assert_nothing(&held);
    g.assert_free(&held, 0);
}

/// S46: what was seen in an earlier life is not seen in this one.
pub fn g10_s46_no_state_of_an_earlier_life_is_taken_for_one_of_this(g: &Ground) {
    let key = g.key("key");
    let mut states = vec![Seen::NOTHING];
    for life in 0..10 {
        for _ in 0..3 {
            g.set(&key, entry("value"));
            let look = g.look(&key);
            assert!(!states.contains(&look.seen), "in life {life}");
            for seen in &states {
                changed(&g.claim(&key, claim(seen.clone())));
                assert!(!g.set_if(&key, "late", seen));
            }
            states.push(look.seen);
        }
        g.server.restart();
    }
}

/// S19: a replica that lagged takes over.
pub fn g10_s19_a_failover_accepts_no_earlier_token(g: &Ground) {
    let (key, invalidated, later) = (g.key("key"), g.key("invalidated"), g.key("later"));
    g.set(&invalidated, entry("old"));
    let seen = g.look(&invalidated).seen;
    let late = g.granted(&key);
    let life = g.look(&key).life;
    let fail_over = g.server.snapshot();
    g.set(&later, entry("lost"));
    g.invalidate(&invalidated, LEASE);
    let after = g.granted(&later);
    fail_over();

    let look = g.look(&invalidated);
    assert_ne!(look.life, life, "nobody can know that invalidations were lost");
    // The invalidation is lost, and the entry is again in the state that it had.
    assert_eq!((look.entry, look.seen), (Some(value("old")), seen));
    g.assert_nothing(&later);
    for (key, grant) in [(&key, &late), (&later, &after)] {
        assert_eq!(g.publish(key, grant, "late"), Published::Refused(Refusal::OtherLife));
        assert_eq!(g.renew(key, grant), Renewed::Lost(Refusal::OtherLife));
        assert_eq!(g.end(key, grant, None), Ended::Lost(Refusal::OtherLife));
        g.assert_nothing(key);
        // Within one lease at most the place is free; here at once.
        let next = g.granted(key);
        assert_eq!(g.publish(key, grant, "late"), Published::Refused(Refusal::OtherLife));
        g.assert_goes_on(key, &next);
        assert_eq!(g.publish(key, &next, "next"), Published::Fresh);
    }
}

/// What had a lifetime at the snapshot has no more of it after the failover.
pub fn g10_g17_a_failover_brings_nothing_back_that_is_over(g: &Ground) {
    let (key, paused) = (g.key("key"), g.key("paused"));
    g.set(&key, entry_for("value", LEASE));
    let failed = g.granted(&paused);
    g.end(&paused, &failed, pause(1));
    g.count(&paused, add(1));
    let (soon, late) = (g.server.snapshot(), g.server.snapshot());
    g.wait(almost(LEASE));
    soon();
    g.assert_stored(&key, "value");
    g.assert_paused(&paused, 1);
    g.wait(SECOND);
    g.assert_nothing(&key);
    g.wait(2 * PAUSE);
    late();
    g.assert_nothing(&key);
    g.assert_free(&paused, 0);
    assert_eq!(g.counted(&paused), 1);
}

/// States go on after a failover: none of the time that was lost comes again.
pub fn g10_s40_no_state_comes_again_after_a_failover(g: &Ground) {
    let key = g.key("key");
    g.set(&key, entry("one"));
    let fail_over = g.server.snapshot();
    g.set(&key, entry("two"));
    let lost = g.look(&key).seen;
    fail_over();
    g.assert_stored(&key, "one");
    g.set(&key, entry("three"));
    assert_ne!(g.look(&key).seen, lost);
    assert!(!g.set_if(&key, "of what was lost", &lost));
    changed(&g.claim(&key, claim(lost)));
}
