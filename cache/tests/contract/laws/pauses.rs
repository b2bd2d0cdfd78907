//! What keeps a place closed without a creation: tombstones and pauses.

use crate::ground::*;
use dogpile_cache::backend::{
    Change, Changed, Claim, Claimed, Ended, Grant, Over, PauseFor, Published, Refusal, Renewed, Rest, Seen, Token,
};
use std::time::Duration;

// --- tombstones -----------------------------------------------------------------------------------------------------

/// tombstone: claim.
pub fn g1_a_tombstone_keeps_the_place_closed(g: &Ground) {
    let key = g.key("key");
    let grant = g.granted(&key);
    let by = held(&g.claim_anyhow(&key));
    assert!(g.invalidate(&key, 5 * SECOND));
    if !g.backend.limits().has_tombstones {
        return g.assert_free(&key, 0);
    }
    let again = Claim::new(grant.token, LEASE);
    let dead = over(claim(None), Over::Dead(by.token, by.beat));
    for asked in [claim(None), claim(Seen::NOTHING), through_pause(claim(None)), dead, again] {
        let by = held(&g.claim(&key, asked));
        assert_eq!((by.token, by.is_void), (grant.token, true));
        assert!(by.lease_left <= 5 * SECOND, "{by:?}");
    }
    g.wait(4 * SECOND);
    assert!(held(&g.claim_anyhow(&key)).is_void);
    // It is renewed by nobody.
    assert_eq!(g.renew(&key, &grant), Renewed::Lost(Refusal::Voided));
    g.wait(SECOND);
    g.assert_free(&key, 0);
    g.assert_lost(&key, &grant);
}

/// tombstone: publish, end with its token.
pub fn g1_a_tombstone_is_gone_when_its_holder_ends(g: &Ground) {
    let key = g.key("key");
    let tombstone = || {
        let grant = g.granted(&key);
        assert!(g.invalidate(&key, LONG));
        grant
    };
    let stranger = Grant { token: Token::random(), ..tombstone() };
    if !g.backend.limits().has_tombstones {
        return;
    }
    assert!(matches!(g.end(&key, &stranger, None), Ended::Lost(_)));
    assert!(matches!(g.publish(&key, &stranger, "stranger's"), Published::Refused(_)));
    let by = held(&g.claim_anyhow(&key));
    assert!(by.is_void, "the end of another has removed a tombstone");
    let grant = Grant { token: by.token, ..stranger };
    assert_eq!(g.end(&key, &grant, None), Ended::Lost(Refusal::Voided));
    g.assert_free(&key, 0);

    let grant = tombstone();
    // A creation that was voided and has failed sets no pause: its source was another.
    assert_eq!(g.end(&key, &grant, pause(1)), Ended::Lost(Refusal::Voided));
    g.assert_free(&key, 0);

    let grant = tombstone();
    assert_eq!(g.publish(&key, &grant, "voided"), Published::Refused(Refusal::Voided));
    g.assert_nothing(&key);
    g.assert_free(&key, 0);
}

/// Invalidations do not make one creation begin after the other, and do not keep the place closed for ever.
pub fn g1_invalidations_are_not_creators(g: &Ground) {
    let key = g.key("key");
    let (mut creations, mut since) = (0, 0);
    for second in 0..60 {
        if let Claimed::Granted { .. } = g.claim(&key, claim_for(LONG)) {
            creations += 1;
            since = 0;
        }
        since += 1;
        assert!(since <= 6, "the place has been closed for {since} s");
        assert!(creations <= 1 + second / 5 || !g.backend.limits().has_tombstones, "{creations} in {second} s");
        g.invalidate(&key, 5 * SECOND);
        g.wait(SECOND);
    }
}

/// A grant that was voided stays so, whatever is changed then.
pub fn g1_a_second_change_leaves_the_tombstone_as_it_is(g: &Ground) {
    let key = g.key("key");
    let grant = g.granted(&key);
    assert!(g.invalidate(&key, 5 * SECOND));
    assert!(!g.set(&key, entry("set")), "a tombstone was voided");
    g.mark_stale(&key);
    assert!(!matches!(
        g.change(&key, Change::Invalidate { beside: vec![NEXT], void_pause: LONG }),
        Changed::Yes { voided: true, .. }
    ));
    if g.backend.limits().has_tombstones {
        assert_eq!(held(&g.claim_anyhow(&key)).token, grant.token);
    }
    g.wait(5 * SECOND);
    g.assert_free(&key, 0);
}

// --- pauses ---------------------------------------------------------------------------------------------------------

/// granted: end with a pause. In one step: nobody is granted in between.
pub fn g8_a_pause_takes_the_place_of_its_grant(g: &Ground) {
    let key = g.key("key");
    let grant = g.granted(&key);
    assert_eq!(g.end(&key, &grant, pause(3)), Ended::Yes);
    let pause = paused(&g.claim(&key, claim(Seen::NOTHING)));
    assert_eq!(pause.failures, 3);
    assert!(pause.left > almost(PAUSE) && pause.left <= PAUSE, "{pause:?}");
    g.assert_lost(&key, &grant);
    for passed in [Over::Anyone, Over::Dead(grant.token, 0)] {
        paused(&g.claim(&key, over(claim(None), passed)));
    }
    if let Some(rest) = g.look(&key).rest {
        assert_eq!(rest, Rest::Paused(pause));
    }
    g.wait(almost(PAUSE));
    assert_eq!(paused(&g.claim_anyhow(&key)).failures, 3);
    g.wait(SECOND);
    g.assert_free(&key, 3);
}

/// The mark of a pause lives twice as long as the pause, so that failures are counted on.
pub fn g8_failures_are_counted_on_for_twice_the_pause(g: &Ground) {
    let key = g.key("key");
    let grant = g.granted(&key);
    assert_eq!(g.end(&key, &grant, pause(1)), Ended::Yes);
    g.wait(almost(2 * PAUSE));
    let claimed = g.claim_anyhow(&key);
    assert_eq!(failures(&claimed), 1);
    assert_eq!(g.end(&key, &granted(&claimed), pause(2)), Ended::Yes);
    g.wait(PAUSE);
    g.assert_free(&key, 2);
    g.wait(PAUSE);
    g.assert_free(&key, 0);
}

/// paused: claim that passes through pauses.
pub fn g8_a_refresh_by_hand_passes_through_a_pause(g: &Ground) {
    let key = g.key("key");
    let first = g.granted(&key);
    assert_eq!(g.end(&key, &first, pause(2)), Ended::Yes);
    let claimed = g.claim(&key, through_pause(claim(Seen::NOTHING)));
    assert_eq!(failures(&claimed), 2);
    let grant = granted(&claimed);
    g.assert_goes_on(&key, &grant);
    // It fails as well.
    assert_eq!(g.end(&key, &grant, pause(3)), Ended::Yes);
    g.assert_paused(&key, 3);
}

/// A grant that has passed through a pause leaves it as it was, if its holder gives up or dies.
pub fn g8_a_pause_stays_beneath_a_grant(g: &Ground) {
    let key = g.key("key");
    let first = g.granted(&key);
    assert_eq!(g.end(&key, &first, pause(2)), Ended::Yes);
    let grant = granted(&g.claim(&key, through_pause(claim(None))));
    assert_eq!(g.end(&key, &grant, None), Ended::Yes);
    g.assert_paused(&key, 2);
    let dead = granted(&g.claim(&key, through_pause(claim(None))));
    g.wait(LEASE);
    g.assert_paused(&key, 2);
    g.assert_lost(&key, &dead);
    g.assert_paused(&key, 2);
    g.wait(PAUSE.saturating_sub(LEASE));
    g.assert_free(&key, 2);
}

/// granted: an end with a pause of zero. It is an end without a pause, above an earlier pause and without one.
pub fn g8_a_pause_of_no_time_is_none(g: &Ground) {
    let zero = Some(PauseFor { failures: 7, pause: Duration::ZERO });
    let key = g.key("key");
    let first = g.granted(&key);
    assert_eq!(g.end(&key, &first, zero), Ended::Yes);
    g.assert_free(&key, 0);
    let second = g.granted(&key);
    assert_eq!(g.end(&key, &second, pause(2)), Ended::Yes);
    let grant = granted(&g.claim(&key, through_pause(claim(None))));
    assert_eq!(g.end(&key, &grant, zero), Ended::Yes);
    g.assert_paused(&key, 2);
}

/// paused: the entry is over meanwhile.
pub fn g8_a_pause_outlives_its_entry(g: &Ground) {
    for left in [15, 5, 1] {
        let key = g.key(&left.to_string());
        g.set(&key, entry_for("old", left * SECOND));
        let grant = g.granted(&key);
        assert_eq!(g.end(&key, &grant, pause(3)), Ended::Yes);
        g.wait(left * SECOND);
        g.assert_nothing(&key);
        g.assert_paused(&key, 3);
        g.wait(almost(PAUSE).saturating_sub(left * SECOND));
        g.assert_paused(&key, 3);
        g.wait(SECOND);
        // The mark of the pause as well.
        g.assert_free(&key, 3);
        g.wait(almost(PAUSE));
        g.assert_free(&key, 3);
        g.wait(SECOND);
        g.assert_free(&key, 0);
    }
}

/// Two pauses of two keys.
pub fn g8_a_pause_is_its_keys_alone(g: &Ground) {
    let (key, other) = (g.key("key"), g.key("other"));
    let grant = g.granted(&key);
    assert_eq!(g.end(&key, &grant, pause(1)), Ended::Yes);
    g.assert_free(&other, 0);
    g.assert_paused(&key, 1);
}
