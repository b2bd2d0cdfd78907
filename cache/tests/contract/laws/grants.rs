//! The life of a grant: each row of its table.

use crate::ground::*;
use dogpile_cache::backend::{Changed, Ended, Grant, Over, Published, Refusal, Renewed, Rest, Seen, Token};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use std::collections::HashSet;

// --- free -----------------------------------------------------------------------------------------------------------

/// free: claim, with what was seen still there.
pub fn g1_a_free_place_is_granted_as_seen(g: &Ground) {
    let key = g.key("key");
    let asked = claim(Seen::NOTHING);
    let grant = granted(&g.claim(&key, asked.clone()));
    assert_eq!(grant.token, asked.token);
    assert_eq!(grant.life, g.look(&key).life);
    assert_eq!(g.publish(&key, &grant, "first"), Published::Fresh);
    g.assert_stored(&key, "first");

    let seen = g.look(&key).seen;
    assert_ne!(seen, Seen::NOTHING);
    let grant = granted(&g.claim(&key, claim(seen)));
    // The old value is there until the new one is.
    g.assert_stored(&key, "first");
    assert_eq!(g.publish(&key, &grant, "second"), Published::Fresh);
    g.assert_stored(&key, "second");
}

/// free: claim, with something else there.
pub fn g1_a_claim_on_what_is_not_there_any_more_is_told_what_is(g: &Ground) {
    let key = g.key("key");
    g.set(&key, entry("first"));
    let first = g.look(&key).seen;
    g.set(&key, entry("second"));
    let second = g.look(&key);
    for seen in [Seen::NOTHING, first.clone()] {
        let claimed = g.claim(&key, claim(seen));
        let look = changed(&claimed);
        assert_eq!((&look.entry, &look.seen), (&second.entry, &second.seen));
        // Nobody was granted anything.
        g.assert_free(&key, 0);
    }
    g.invalidate(&key, LEASE);
    for seen in [first, second.seen] {
        let claimed = g.claim(&key, claim(seen));
        assert_eq!((&changed(&claimed).entry, &changed(&claimed).seen), (&None, &Seen::NOTHING));
    }
    g.assert_free(&key, 0);
}

/// S40: a state that was there before is not there again.
pub fn g1_s40_no_state_comes_again(g: &Ground) {
    let key = g.key("key");
    let mut states = HashSet::from([Seen::NOTHING]);
    for round in 0..20 {
        let grant = g.granted(&key);
        assert_eq!(g.publish(&key, &grant, "one"), Published::Fresh);
        assert!(states.insert(g.look(&key).seen), "round {round}: published");
        g.set(&key, entry("another"));
        assert!(states.insert(g.look(&key).seen), "round {round}: set");
        assert!(g.touch(&key, entry("one"), &g.look(&key).seen));
        assert!(states.insert(g.look(&key).seen), "round {round}: touched");
        if round % 2 == 0 {
            g.invalidate(&key, LEASE);
        } else {
            g.server.lose_entry(&key);
        }
        assert_eq!(g.look(&key).seen, Seen::NOTHING);
    }
}

// --- granted --------------------------------------------------------------------------------------------------------

/// granted: claim with the same token.
pub fn g1_a_claim_that_is_sent_twice_is_one_grant(g: &Ground) {
    let key = g.key("key");
    let asked = claim(Seen::NOTHING);
    let first = granted(&g.claim(&key, asked.clone()));
    let beat = held(&g.claim_anyhow(&key)).beat;
    g.wait(almost(LEASE));
    let second = granted(&g.claim(&key, asked.clone()));
    assert_eq!((second.token, second.life), (first.token, first.life));
    // The lease has begun anew, and a watcher sees that.
    let by = held(&g.claim_anyhow(&key));
    assert_ne!(by.beat, beat);
    assert_eq!(held(&g.claim(&key, over(claim(None), Over::Dead(asked.token, beat)))).token, asked.token);
    g.wait(almost(LEASE));
    assert_eq!(held(&g.claim_anyhow(&key)).token, asked.token);

    assert_eq!(g.publish(&key, &second, "value"), Published::Fresh);
    // A request that arrives late is not granted what is fresh.
    changed(&g.claim(&key, asked));
    g.assert_free(&key, 0);
}

/// granted: claim with another token.
pub fn g1_a_second_caller_is_told_of_the_first(g: &Ground) {
    let key = g.key("key");
    let grant = g.granted(&key);
    for asked in [claim(Seen::NOTHING), claim(None), through_pause(claim(None))] {
        let by = held(&g.claim(&key, asked));
        assert_eq!((by.token, by.is_void), (grant.token, false));
        assert!(by.lease_left > almost(LEASE) && by.lease_left <= LEASE, "{by:?}");
    }
    // Another shape of the same place is not created at the same time, where the place has one grant.
    if let Some(Rest::Held(by)) = g.look(&key).rest {
        assert_eq!(by.token, grant.token);
    }
    g.wait(SECOND);
    let by = held(&g.claim_anyhow(&key));
    assert!(by.lease_left <= almost(LEASE), "{by:?}");
    g.assert_goes_on(&key, &grant);
}

/// granted: claim over the dead.
pub fn g5_the_dead_are_taken_over_by_token_and_beat(g: &Ground) {
    let key = g.key("key");
    let dead = g.granted(&key);
    let by = held(&g.claim_anyhow(&key));
    assert_eq!(by.token, dead.token);
    for wrong in [Over::Dead(Token(by.token.0 ^ 1), by.beat), Over::Dead(by.token, by.beat.wrapping_add(1))] {
        let still = held(&g.claim(&key, over(claim(Seen::NOTHING), wrong)));
        assert_eq!((still.token, still.beat, still.is_void), (by.token, by.beat, false));
    }
    let next = granted(&g.claim(&key, over(claim(Seen::NOTHING), Over::Dead(by.token, by.beat))));
    g.assert_lost(&key, &dead);
    g.assert_goes_on(&key, &next);
    assert_eq!(g.publish(&key, &next, "value"), Published::Fresh);
}

/// A claim over the dead is one of two: a compare-and-set.
pub fn g5_one_takes_over(g: &Ground) {
    let key = g.key("key");
    g.granted(&key);
    let by = held(&g.claim_anyhow(&key));
    let next = granted(&g.claim(&key, over(claim(None), Over::Dead(by.token, by.beat))));
    let late = held(&g.claim(&key, over(claim(None), Over::Dead(by.token, by.beat))));
    assert_eq!(late.token, next.token);
    g.assert_goes_on(&key, &next);
}

/// A holder that renews is not dead, whatever a process has seen before.
pub fn g5_a_holder_that_renews_is_not_taken_over(g: &Ground) {
    let key = g.key("key");
    let grant = g.granted(&key);
    let by = held(&g.claim_anyhow(&key));
    let Renewed::Yes(grant) = g.renew(&key, &grant) else { panic!("a grant under way was not renewed") };
    let now = held(&g.claim(&key, over(claim(None), Over::Dead(by.token, by.beat))));
    assert_eq!(now.token, grant.token);
    assert_ne!(now.beat, by.beat);
    g.assert_goes_on(&key, &grant);
}

/// A watcher takes the same token and beat for the same lease: a token that is granted again shows no beat again.
pub fn g5_no_beat_of_a_token_comes_again(g: &Ground) {
    let key = g.key("key");
    let asked = claim(Seen::NOTHING);
    let mut beats = HashSet::new();
    let mut is_new = |what| {
        let by = held(&g.claim_anyhow(&key));
        assert_eq!(by.token, asked.token);
        assert!(beats.insert(by.beat), "{what}: {}", by.beat);
    };
    for round in 0..6 {
        let mut grant = granted(&g.claim(&key, asked.clone()));
        is_new("granted");
        for _ in 0..round {
            let Renewed::Yes(renewed) = g.renew(&key, &grant) else { panic!("a grant under way was not renewed") };
            is_new("renewed");
            grant = granted(&g.claim(&key, asked.clone()));
            assert_eq!(grant.cas == renewed.cas, g.server.keeps_numbers());
            is_new("claimed twice");
        }
        assert_eq!(g.end(&key, &grant, None), Ended::Yes);
    }
}

/// Who takes over must have seen what is there, as any other.
pub fn g1_a_claim_over_the_dead_is_told_of_another_entry(g: &Ground) {
    let key = g.key("key");
    g.set(&key, entry("first"));
    let seen = g.look(&key).seen;
    let grant = granted(&g.claim(&key, claim(seen.clone())));
    assert!(g.touch(&key, entry("touched"), &seen));
    let by = held(&g.claim_anyhow(&key));
    for passed in [Over::Dead(by.token, by.beat), Over::Anyone] {
        let claimed = g.claim(&key, over(claim(seen.clone()), passed));
        assert_eq!(changed(&claimed).entry, Some(value("touched")));
    }
    g.assert_goes_on(&key, &grant);
}

/// granted, tombstone: claim over any other.
pub fn g1_another_election_claims_over_anyone(g: &Ground) {
    let key = g.key("key");
    let first = g.granted(&key);
    let second = granted(&g.claim(&key, over(claim(Seen::NOTHING), Over::Anyone)));
    g.assert_lost(&key, &first);
    g.assert_goes_on(&key, &second);
    g.invalidate(&key, LEASE);
    let third = granted(&g.claim(&key, over(claim(Seen::NOTHING), Over::Anyone)));
    g.assert_lost(&key, &second);
    assert_eq!(g.publish(&key, &third, "value"), Published::Fresh);
    g.assert_free(&key, 0);
}

/// granted: renew.
pub fn g9_a_renewal_begins_the_lease_anew(g: &Ground) {
    let key = g.key("key");
    let mut grant = g.granted(&key);
    for _ in 0..5 {
        g.wait(almost(LEASE));
        let Renewed::Yes(renewed) = g.renew(&key, &grant) else { panic!("a grant under way was not renewed") };
        grant = renewed;
    }
    g.wait(almost(LEASE));
    assert_eq!(held(&g.claim_anyhow(&key)).token, grant.token);
    g.wait(SECOND);
    assert_eq!(g.renew(&key, &grant), Renewed::Lost(Refusal::Gone));
    g.assert_free(&key, 0);
}

/// granted: its lease is over.
pub fn g9_a_grant_ends_with_its_lease(g: &Ground) {
    let key = g.key("key");
    let grant = g.granted(&key);
    g.wait(almost(LEASE));
    g.assert_held(&key, &grant);
    g.wait(SECOND);
    // Nobody else has claimed: it is lost all the same.
    g.assert_lost(&key, &grant);
    g.assert_nothing(&key);
    g.assert_free(&key, 0);
}

/// granted: publish and end free the place.
pub fn g8_an_end_frees_the_place(g: &Ground) {
    let key = g.key("key");
    let grant = g.granted(&key);
    assert_eq!(g.end(&key, &grant, None), Ended::Yes);
    g.assert_lost(&key, &grant);
    g.assert_free(&key, 0);
    let grant = g.granted(&key);
    assert_eq!(g.publish(&key, &grant, "value"), Published::Fresh);
    g.assert_lost(&key, &grant);
    g.assert_stored(&key, "value");
    g.assert_free(&key, 0);
}

/// granted to another: renew, publish, end. (S5, S6: the successor's grant, and what it publishes, stay.)
pub fn g2_s5_s6_a_late_holder_does_nothing_to_its_successor(g: &Ground) {
    let key = g.key("key");
    let late = g.granted(&key);
    g.wait(LEASE);
    let next = g.granted(&key);
    assert_eq!(g.renew(&key, &late), Renewed::Lost(Refusal::Overtaken));
    assert_eq!(g.publish(&key, &late, "late"), Published::Refused(Refusal::Overtaken));
    assert_eq!(g.end(&key, &late, None), Ended::Lost(Refusal::Overtaken));
    assert_eq!(g.end(&key, &late, pause(1)), Ended::Lost(Refusal::Overtaken));
    g.assert_nothing(&key);
    g.assert_goes_on(&key, &next);
    assert_eq!(g.publish(&key, &next, "next"), Published::Fresh);
    // S43: and neither after its successor has published.
    assert_eq!(g.publish(&key, &late, "late"), Published::Refused(Refusal::Gone));
    g.assert_stored(&key, "next");
    g.assert_free(&key, 0);
}

/// No token, no publication; and none is published twice.
pub fn g2_what_was_not_granted_is_not_published(g: &Ground) {
    let key = g.key("key");
    let life = g.look(&key).life;
    let nobody = Grant { token: Token::random(), life, cas: 1 };
    assert!(matches!(g.publish(&key, &nobody, "nobody's"), Published::Refused(_)));
    g.assert_nothing(&key);
    let grant = g.granted(&key);
    assert!(matches!(g.publish(&key, &nobody, "nobody's"), Published::Refused(_)));
    g.assert_nothing(&key);
    g.assert_goes_on(&key, &grant);
    assert_eq!(g.publish(&key, &grant, "value"), Published::Fresh);
    assert!(matches!(g.publish(&key, &grant, "again"), Published::Refused(_)));
    g.assert_stored(&key, "value");
    g.invalidate(&key, LEASE);
    // Never added again.
    assert!(matches!(g.publish(&key, &grant, "again"), Published::Refused(_)));
    g.assert_nothing(&key);
}

/// A claim that arrives late grants its token once more, to nobody: the holder of the earlier grant publishes nothing.
pub fn g2_a_token_that_is_granted_again_is_another_grant(g: &Ground) {
    let key = g.key("key");
    let asked = claim(Seen::NOTHING);
    let first = granted(&g.claim(&key, asked.clone()));
    g.invalidate(&key, SECOND);
    g.wait(SECOND);
    let late = granted(&g.claim(&key, asked));
    assert_eq!((late.token, late.life), (first.token, first.life));
    assert_ne!(late.cas, first.cas);
    assert_eq!(g.publish(&key, &first, "voided"), Published::Refused(Refusal::Gone));
    assert_eq!(g.renew(&key, &first), Renewed::Lost(Refusal::Gone));
    assert_eq!(g.end(&key, &first, pause(1)), Ended::Lost(Refusal::Gone));
    g.assert_nothing(&key);
    g.assert_goes_on(&key, &late);
    assert_eq!(g.publish(&key, &late, "value"), Published::Fresh);
}

/// A claim whose reply was lost is released by its token alone. Nothing else is done so.
pub fn g8_a_claim_without_a_reply_is_released(g: &Ground) {
    let key = g.key("key");
    let lost = g.granted(&key);
    let unknown = Grant { cas: 0, ..lost };
    assert!(matches!(g.publish(&key, &unknown, "unknown"), Published::Refused(_)));
    assert!(matches!(g.renew(&key, &unknown), Renewed::Lost(_)));
    g.assert_nothing(&key);
    g.assert_goes_on(&key, &lost);
    assert_eq!(g.end(&key, &unknown, None), Ended::Yes);
    g.assert_free(&key, 0);
    // Nor does it end the grant of another.
    let next = g.granted(&key);
    assert_eq!(g.end(&key, &unknown, None), Ended::Lost(Refusal::Overtaken));
    g.assert_goes_on(&key, &next);
    g.invalidate(&key, LONG);
    assert!(matches!(g.end(&key, &Grant { cas: 0, ..next }, None), Ended::Lost(_)));
    g.assert_free(&key, 0);
}

/// A grant that was evicted in mid-creation: one re-election, one publication.
pub fn g9_s31_an_evicted_grant_is_lost(g: &Ground) {
    let key = g.key("key");
    let first = g.granted(&key);
    g.server.lose_rest(&key);
    let next = g.granted(&key);
    g.assert_lost(&key, &first);
    g.assert_goes_on(&key, &next);
    assert_eq!(g.publish(&key, &next, "value"), Published::Fresh);

    let first = g.granted(&key);
    g.server.lose_rest(&key);
    g.assert_lost(&key, &first);
    g.assert_stored(&key, "value");
}

/// An entry that was evicted in mid-creation: the grant goes on.
pub fn g9_an_evicted_entry_leaves_its_grant(g: &Ground) {
    let key = g.key("key");
    g.set(&key, entry("old"));
    let grant = granted(&g.claim(&key, claim(g.look(&key).seen)));
    g.server.lose_entry(&key);
    g.assert_nothing(&key);
    if g.backend.limits().has_tombstones {
        g.assert_goes_on(&key, &grant);
        assert_eq!(g.publish(&key, &grant, "new"), Published::Fresh);
    }
}

/// S3, S29: the grants of two keys, and of two namespaces, have nothing to do with each other.
pub fn g1_s3_s29_no_key_delays_another(g: &Ground) {
    let there = Shape { schema: SHAPE.schema, format: Format::RAW };
    let elsewhere = StoredKey::new(&Namespace::new("elsewhere").unwrap(), "key", there, KeyLimit::NONE);
    let keys = [g.key("key"), g.key("key2"), g.key("ke"), g.key(""), elsewhere];
    let grants = keys.each_ref().map(|key| g.granted(key));
    g.invalidate(&keys[0], LONG);
    for (key, grant) in keys.iter().zip(&grants).skip(1) {
        g.assert_goes_on(key, grant);
        assert_eq!(g.publish(key, grant, "value"), Published::Fresh);
        g.assert_free(key, 0);
    }
    g.set(&keys[1], entry("set"));
    g.mark_stale(&keys[2]);
    for key in &keys[3..] {
        let look = g.look(key);
        assert_eq!((look.entry, look.is_marked), (Some(value("value")), false));
    }
    g.assert_nothing(&keys[0]);
}

/// S18: tokens do not repeat, though the clock stands still.
pub fn g1_s18_the_tokens_of_grants_are_distinct(g: &Ground) {
    let key = g.key("key");
    let mut tokens = HashSet::new();
    for _ in 0..20_000 {
        let grant = g.granted(&key);
        assert!(tokens.insert(grant.token));
        assert_eq!(g.end(&key, &grant, None), Ended::Yes);
    }
}

/// granted: the entry is over while the holder creates. What is left of it is shorter than the lease, or the creation
/// longer.
pub fn g1_g9_a_grant_outlives_its_entry(g: &Ground) {
    for (left, renewals) in [(12, 1), (12, 3), (5, 0), (5, 2), (2, 0), (2, 1)] {
        let key = g.key(&format!("{left}, {renewals}"));
        g.set(&key, entry_for("old", left * SECOND));
        let seen = g.look(&key).seen;
        let mut grant = granted(&g.claim(&key, claim(seen)));
        for _ in 0..renewals {
            g.wait(5 * SECOND);
            let Renewed::Yes(renewed) = g.renew(&key, &grant) else { panic!("{left}, {renewals}: the grant is lost") };
            grant = renewed;
        }
        g.wait(almost(LEASE));
        g.assert_nothing(&key);
        assert_eq!(held(&g.claim_anyhow(&key)).token, grant.token, "{left}, {renewals}");
        assert_eq!(g.publish(&key, &grant, "new"), Published::Fresh, "{left}, {renewals}");
        g.assert_stored(&key, "new");
    }
}

/// granted: an entry that is over is none, whatever else there is.
pub fn g1_a_grant_over_an_entry_that_is_over_is_one_of_nothing(g: &Ground) {
    let key = g.key("key");
    g.set(&key, entry_for("old", 2 * SECOND));
    let seen = g.look(&key).seen;
    let grant = granted(&g.claim(&key, claim(seen.clone())));
    g.wait(2 * SECOND);
    assert!(!g.touch(&key, entry("touched"), &seen));
    assert!(!g.set_if(&key, "set", &seen));
    assert_eq!(g.mark_stale(&key), Changed::Yes { was_there: false, voided: false });
    g.assert_nothing(&key);
    g.assert_held(&key, &grant);
    let nothing = g.look(&key).seen;
    assert_eq!(nothing, Seen::NOTHING);
    assert!(g.set_if(&key, "set", &nothing));
    g.assert_stored(&key, "set");
    g.assert_voided(&key, &grant);
}
