//! Entries: their shapes, looks of many, and what an invalidation is worth (G3, G7, G14).

use crate::ground::*;
use bytes::Bytes;
use dogpile_cache::backend::{BackendErrorKind, Change, Changed, Ended, Entry, Published, Refusal, Rest, Seen};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};

/// Two builds side by side (S80).
pub fn g7_s80_shapes_lie_side_by_side(g: &Ground) {
    let key = g.key("key");
    let (next, other) = (key.in_shape(NEXT), key.in_shape(OTHER));
    g.set(&key, entry("one"));
    g.assert_nothing(&next);
    g.assert_nothing(&other);
    g.set(&next, entry("two"));
    let grant = g.granted(&other);
    assert_eq!(g.publish(&other, &grant, "three"), Published::Fresh);
    let looks = g.look_many(&[other.clone(), key.clone(), next.clone()]);
    assert_eq!(looks.into_iter().map(|look| look.entry.unwrap()).collect::<Vec<_>>(), ["three", "one", "two"]);
    g.server.lose_entry(&next);
    g.assert_stored(&key, "one");
    g.assert_nothing(&next);
    g.assert_stored(&other, "three");
}

pub fn g3_an_invalidation_deletes_the_shapes_beside_its_own(g: &Ground) {
    let key = g.key("key");
    let (next, other) = (key.in_shape(NEXT), key.in_shape(OTHER));
    for key in [&key, &next, &other] {
        g.set(key, entry("value"));
    }
    let invalidate = |beside: &[_]| Change::Invalidate { beside: beside.to_vec(), void_pause: LEASE };
    assert_eq!(g.change(&key, invalidate(&[OTHER])), Changed::Yes { was_there: true, voided: false });
    g.assert_nothing(&key);
    g.assert_stored(&next, "value");
    g.assert_nothing(&other);
    // Neither twice, nor of what is not there, does it do harm.
    assert_eq!(
        g.change(&key, invalidate(&[NEXT, NEXT, SHAPE, OTHER])),
        Changed::Yes { was_there: false, voided: false }
    );
    g.assert_nothing(&next);
}

pub fn g3_a_mark_reaches_the_shapes_beside_its_own(g: &Ground) {
    let key = g.key("key");
    let (next, other) = (key.in_shape(NEXT), key.in_shape(OTHER));
    for key in [&key, &next, &other] {
        g.set(key, entry("value"));
    }
    g.change(&key, Change::MarkStale { beside: vec![OTHER] });
    let marked = g.look_many(&[key, next, other]).into_iter().map(|look| (look.is_marked, look.entry));
    let there = Some(value("value"));
    assert_eq!(marked.collect::<Vec<_>>(), [(true, there.clone()), (false, there.clone()), (true, there)]);
}

/// S32, S47: a creation that began before an invalidation publishes nothing.
pub fn g3_s32_s47_an_invalidation_wins_over_what_was_granted_before(g: &Ground) {
    let key = g.key("key");
    for void_pause in [std::time::Duration::ZERO, SECOND, LONG] {
        for at_once in [true, false] {
            g.set(&key, entry("old"));
            let grant = granted(&g.claim(&key, claim(g.look(&key).seen)));
            assert!(g.invalidate(&key, void_pause), "a grant was not voided");
            g.assert_nothing(&key);
            if !at_once {
                g.wait(2 * SECOND);
            }
            assert!(matches!(g.publish(&key, &grant, "voided"), Published::Refused(_)));
            g.assert_nothing(&key);
            assert!(matches!(g.publish(&key, &grant, "voided"), Published::Refused(_)));
            // The next creation reads the source after the invalidation.
            let next = g.granted(&key);
            assert!(matches!(g.publish(&key, &grant, "voided"), Published::Refused(_)));
            assert_eq!(g.publish(&key, &next, "new"), Published::Fresh);
            assert!(matches!(g.publish(&key, &grant, "voided"), Published::Refused(_)));
            g.assert_stored(&key, "new");
            g.invalidate(&key, LEASE);
        }
    }
}

/// S59: whatever lay at the key, after an invalidation the next access creates at once.
pub fn g3_s59_an_invalidation_leaves_nothing_beside_the_entry(g: &Ground) {
    let key = g.key("key");
    let stages: [&dyn Fn(); 5] = [
        &|| assert!(!g.set(&key, entry("value"))),
        &|| assert_eq!(g.end(&key, &g.granted(&key), pause(3)), Ended::Yes),
        &|| assert!(matches!(g.mark_stale(&key), Changed::Yes { .. })),
        &|| {
            g.end(&key, &g.granted(&key), pause(3));
            let grant = granted(&g.claim(&key, through_pause(claim(None))));
            assert_eq!(g.end(&key, &grant, None), Ended::Yes);
        },
        &|| {
            let grant = g.granted(&key);
            g.invalidate(&key, LONG);
            assert!(matches!(g.end(&key, &grant, pause(3)), Ended::Lost(_)));
        },
    ];
    for (number, stage) in stages.into_iter().enumerate() {
        stage();
        assert!(!g.invalidate(&key, LONG), "{number}: no grant was under way");
        assert_eq!(g.server.places(), 0, "{number}");
        g.assert_nothing(&key);
        g.assert_free(&key, 0);
    }
}

/// The same over an invalidation that is sent from a build of the next schema.
pub fn g3_an_invalidation_of_another_shape_voids(g: &Ground) {
    let key = g.key("key");
    let grant = g.granted(&key);
    let change = Change::Invalidate { beside: vec![SHAPE], void_pause: SECOND };
    assert_eq!(g.change(&key.in_shape(NEXT), change), Changed::Yes { was_there: false, voided: true });
    assert!(matches!(g.publish(&key, &grant, "voided"), Published::Refused(_)));
    g.assert_nothing(&key);
}

pub fn g3_set_if_is_fenced(g: &Ground) {
    let key = g.key("key");
    assert!(g.set_if(&key, "first", &Seen::NOTHING));
    assert!(!g.set_if(&key, "second", &Seen::NOTHING), "stored over an entry that was not seen");
    let change_and_try: [&dyn Fn() -> bool; 5] = [
        &|| !g.invalidate(&key, LEASE),
        &|| !g.set(&key, entry("first")),
        &|| matches!(g.mark_stale(&key), Changed::Yes { .. }),
        &|| g.touch(&key, entry("first"), &g.look(&key).seen),
        &|| g.publish(&key, &g.granted(&key), "first") == Published::Fresh,
    ];
    for (number, change) in change_and_try.into_iter().enumerate() {
        g.set(&key, entry("first"));
        let seen = g.look(&key).seen;
        assert!(change(), "{number}");
        let before = g.look(&key);
        assert!(!g.set_if(&key, "late", &seen), "{number}: stored over what was not seen");
        assert!(!g.touch(&key, entry("late"), &seen), "{number}: touched what was not seen");
        let after = g.look(&key);
        assert_eq!((before.entry, before.seen), (after.entry, after.seen), "{number}");
    }
    // One state is replaced once.
    let seen = g.look(&key).seen;
    assert!(g.set_if(&key, "second", &seen));
    assert!(!g.set_if(&key, "third", &seen));
    g.assert_stored(&key, "second");
}

/// Duplicates, missing ones, none at all.
pub fn g14_a_look_of_many_answers_in_their_order(g: &Ground) {
    assert!(g.look_many(&[]).is_empty());
    let texts = ["zero", "one", "two", "three", "four", "five", "six", "seven"];
    let mut keys: Vec<_> = texts.iter().map(|text| g.key(text)).collect();
    for (key, text) in keys.iter().zip(texts).skip(1) {
        g.set(key, entry(text));
    }
    g.mark_stale(&keys[3]);
    keys.push(keys[2].clone());
    keys.push(keys[2].in_shape(NEXT));
    keys.push(keys[1].clone());
    let looks = g.look_many(&keys);
    assert_eq!(looks.len(), keys.len());
    for (place, (look, key)) in looks.iter().zip(&keys).enumerate() {
        let alone = g.look(key);
        assert_eq!((&look.entry, &look.seen, look.is_marked), (&alone.entry, &alone.seen, alone.is_marked), "{place}");
        assert_eq!(look.is_marked, place == 3);
    }
    let entries: Vec<_> = looks.into_iter().map(|look| look.entry).collect();
    let there = |text: &'static str| Some(value(text));
    assert_eq!(entries[0], None);
    assert_eq!(entries[1..4], ["one", "two", "three"].map(there));
    assert_eq!(entries[8..], [there("two"), None, there("one")]);
}

/// S62: an inspection wins nothing.
pub fn g1_s62_a_look_changes_nothing(g: &Ground) {
    let key = g.key("key");
    for _ in 0..3 {
        let look = g.look(&key);
        assert_eq!((look.entry, look.seen), (None, Seen::NOTHING));
        assert!(matches!(look.rest, None | Some(Rest::Free)));
    }
    g.assert_free(&key, 0);
    let grant = g.granted(&key);
    for _ in 0..3 {
        match g.look(&key).rest {
            None => {}
            Some(Rest::Held(by)) => assert_eq!((by.token, by.is_void), (grant.token, false)),
            other => panic!("expected a grant of another, got {other:?}"),
        }
    }
    g.assert_goes_on(&key, &grant);
    assert_eq!(g.publish(&key, &grant, "value"), Published::Fresh);
    let look = g.look(&key);
    assert_eq!(g.look(&key).seen, look.seen);
    granted(&g.claim(&key, claim(look.seen)));
}

/// S91: an entry of no bytes is an entry.
pub fn s91_an_empty_entry_is_there(g: &Ground) {
    let key = g.key("key");
    g.set(&key, entry(""));
    let look = g.look(&key);
    assert_eq!(look.entry, Some(Bytes::new()));
    assert_ne!(look.seen, Seen::NOTHING);
    changed(&g.claim(&key, claim(Seen::NOTHING)));
    assert!(!g.set_if(&key, "value", &Seen::NOTHING));
    let grant = g.granted(&key);
    assert_eq!(g.publish(&key, &grant, ""), Published::Fresh);
    assert_eq!(g.stored(&key), Some(Bytes::new()));
}

/// S86: any bytes, and any key.
pub fn s86_bytes_and_keys_are_stored_as_they_are(g: &Ground) {
    let all: Bytes = (0..=u8::MAX).cycle().take(600).collect();
    let long = "long".repeat(20);
    let texts = ["", " ", "a b", "ab", "\r\nset x 0 0 1\r\n", "{slot}", "%", "größe", "a\0b", &long];
    let keys = texts.map(|text| g.key(text));
    for (number, key) in keys.iter().enumerate() {
        g.set(key, Entry { bytes: all.slice(number..), lifetime: None });
    }
    for (number, look) in g.look_many(&keys).into_iter().enumerate() {
        assert_eq!(look.entry, Some(all.slice(number..)), "{:?}", texts[number]);
    }
}

/// S44, S89: an entry that is too large is an error, and changes nothing.
pub fn s44_what_is_too_large_changes_nothing(g: &Ground) {
    let largest = g.backend.limits().largest_entry;
    if largest > 1 << 20 {
        return;
    }
    let key = g.key("key");
    let bytes = |length: usize| Entry { bytes: vec![b'x'; length].into(), lifetime: None };
    g.set(&key, bytes(largest));
    assert_eq!(g.look(&key).entry.unwrap().len(), largest);
    g.set(&key, entry("good"));
    let seen = g.look(&key).seen;
    let late = g.granted(&key);
    g.wait(LEASE);
    let grant = g.granted(&key);
    let large = bytes(largest + 1);
    let changes = [
        Change::Set { entry: large.clone(), void_pause: LEASE },
        Change::SetIf { entry: large.clone(), seen: seen.clone(), void_pause: LEASE },
        Change::Touch { entry: large.clone(), seen: seen.clone() },
    ];
    for change in changes {
        let error = g.try_change(&key, change).expect_err("it is too large");
        assert_eq!((error.kind(), error.is_in_doubt()), (BackendErrorKind::TooLarge, false));
    }
    for grant in [&late, &grant] {
        let error = block_on(g.backend.publish(&key, grant, large.clone())).expect_err("it is too large");
        assert_eq!(error.kind(), BackendErrorKind::TooLarge);
    }
    assert_eq!(g.look(&key).seen, seen);
    g.assert_stored(&key, "good");
    g.assert_goes_on(&key, &grant);
    assert_eq!(g.publish(&key, &grant, "better"), Published::Fresh);
    assert_eq!(g.publish(&key, &late, "late"), Published::Refused(Refusal::Gone));
}

/// S25: a key that is too long is an error at once.
pub fn s25_a_key_that_is_too_long_is_an_error(g: &Ground) {
    let longest = g.backend.limits().longest_key;
    if longest == usize::MAX {
        return;
    }
    let namespace = Namespace::new("contract").unwrap();
    let key = StoredKey::new(&namespace, &"a".repeat(longest), SHAPE, KeyLimit::NONE);
    let change = Change::MarkStale { beside: Vec::new() };
    let errors = [
        block_on(g.backend.look(std::slice::from_ref(&key), None)).unwrap_err(),
        block_on(g.backend.claim(&key, claim(None))).unwrap_err(),
        block_on(g.backend.change(&key, change)).unwrap_err(),
        block_on(g.backend.count(&key, add(1))).unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.is_in_doubt()), (BackendErrorKind::Refused, false));
        assert!(std::error::Error::source(&error).is_some(), "it says why");
    }
}

pub fn ping_answers(g: &Ground) {
    block_on(g.backend.ping()).unwrap();
}
