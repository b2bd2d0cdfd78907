//! What each operation does to the value, to a grant that is under way, and to a pause.

use crate::ground::*;
use dogpile_cache::backend::{Change, Changed, Ended, Grant, Published, Refusal};
use dogpile_cache::key::StoredKey;
use std::time::Duration;

/// A place with everything: a value, a pause, and over it a grant.
struct Full {
    key: StoredKey,
    /// A place with the same, that nothing is done to.
    other: StoredKey,
    grant: Grant,
    other_grant: Grant,
}

/// The number of failures before the grant.
const FAILURES: u32 = 4;

impl Full {
    fn new(g: &Ground) -> Full {
        let [(key, grant), (other, other_grant)] = ["key", "other"].map(|name| {
            let key = g.key(name);
            g.set(&key, entry("old"));
            let failed = g.granted(&key);
            assert_eq!(g.end(&key, &failed, pause(FAILURES)), Ended::Yes);
            let claimed = g.claim(&key, through_pause(claim(g.look(&key).seen)));
            assert_eq!(failures(&claimed), FAILURES);
            (key, granted(&claimed))
        });
        Full { key, other, grant, other_grant }
    }

    /// The other place is as it was.
    #[track_caller]
    fn assert_alone(self, g: &Ground) {
        let look = g.look(&self.other);
        assert_eq!((look.entry, look.is_marked), (Some(value("old")), false));
        g.assert_goes_on(&self.other, &self.other_grant);
        assert_eq!(g.end(&self.other, &self.other_grant, None), Ended::Yes);
        g.assert_paused(&self.other, FAILURES);
    }

    /// The grant goes on, and the pause lies beneath.
    #[track_caller]
    fn assert_rest_stays(&self, g: &Ground) {
        g.assert_goes_on(&self.key, &self.grant);
        assert_eq!(g.end(&self.key, &self.grant, None), Ended::Yes);
        g.assert_paused(&self.key, FAILURES);
    }

    /// The grant is voided, and the pause cleared.
    #[track_caller]
    fn assert_rest_gone(&self, g: &Ground) {
        g.assert_voided(&self.key, &self.grant);
        g.assert_free(&self.key, 0);
    }
}

pub fn table_publish_replaces_ends_and_clears(g: &Ground) {
    let full = Full::new(g);
    assert_eq!(g.publish(&full.key, &full.grant, "new"), Published::Fresh);
    let look = g.look(&full.key);
    assert_eq!((look.entry, look.is_marked), (Some(value("new")), false));
    g.assert_free(&full.key, 0);
    g.assert_lost(&full.key, &full.grant);
    full.assert_alone(g);
}

pub fn table_set_replaces_voids_and_clears(g: &Ground) {
    let full = Full::new(g);
    g.mark_stale(&full.key);
    let change = Change::Set { entry: entry("new"), void_pause: LEASE };
    assert_eq!(g.change(&full.key, change.clone()), Changed::Yes { was_there: true, voided: true });
    // What is set is not marked.
    let look = g.look(&full.key);
    assert_eq!((look.entry, look.is_marked), (Some(value("new")), false));
    full.assert_rest_gone(g);
    g.assert_stored(&full.key, "new");
    assert_eq!(g.change(&full.key, change.clone()), Changed::Yes { was_there: true, voided: false });
    assert_eq!(g.change(&g.key("nothing"), change), Changed::Yes { was_there: false, voided: false });
    g.assert_stored(&g.key("nothing"), "new");
    full.assert_alone(g);
}

pub fn table_set_if_as_seen_replaces_voids_and_clears(g: &Ground) {
    let full = Full::new(g);
    assert!(g.set_if(&full.key, "new", &g.look(&full.key).seen));
    g.assert_stored(&full.key, "new");
    full.assert_rest_gone(g);
    g.assert_stored(&full.key, "new");
    full.assert_alone(g);
}

pub fn table_set_if_otherwise_changes_nothing(g: &Ground) {
    let full = Full::new(g);
    let before = g.look(&full.key);
    for seen in [dogpile_cache::backend::Seen::NOTHING, g.look(&full.other).seen] {
        if seen == before.seen {
            continue; // Two keys may count their states apart.
        }
        let change = Change::SetIf { entry: entry("new"), seen, void_pause: LEASE };
        let Changed::Refused(look) = g.change(&full.key, change) else { panic!("stored on what was not seen") };
        assert_eq!((&look.entry, &look.seen), (&before.entry, &before.seen));
    }
    g.assert_stored(&full.key, "old");
    full.assert_rest_stays(g);
    full.assert_alone(g);
}

pub fn table_touch_moves_the_lifetime_alone(g: &Ground) {
    let full = Full::new(g);
    g.mark_stale(&full.key);
    let seen = g.look(&full.key).seen;
    assert!(g.touch(&full.key, entry_for("touched", LEASE), &seen));
    let look = g.look(&full.key);
    // The mark stays.
    assert_eq!((look.entry, look.is_marked), (Some(value("touched")), true));
    full.assert_rest_stays(g);
    g.wait(almost(LEASE));
    g.assert_stored(&full.key, "touched");
    g.wait(SECOND);
    g.assert_nothing(&full.key);

    // Neither what was seen before, nor what is not there, is touched.
    assert!(!g.touch(&full.other, entry("touched"), &seen));
    assert!(!g.touch(&full.key, entry("touched"), &seen));
    assert!(!g.touch(&full.key, entry("touched"), &dogpile_cache::backend::Seen::NOTHING));
    g.assert_nothing(&full.key);
    g.assert_stored(&full.other, "old");
}

/// A touch moves no lifetime but that of the value: neither the lease, nor the pause beneath.
pub fn table_touch_ends_no_grant_and_no_pause(g: &Ground) {
    for lifetime in [Duration::ZERO, 2 * SECOND] {
        let full = Full::new(g);
        assert_eq!(g.end(&full.other, &full.other_grant, None), Ended::Yes);
        g.mark_stale(&full.key);
        assert!(g.touch(&full.key, entry_for("touched", lifetime), &g.look(&full.key).seen));
        g.wait(lifetime);
        g.assert_nothing(&full.key);
        full.assert_rest_stays(g);
        g.assert_nothing(&full.key);
        g.wait(almost(PAUSE).saturating_sub(2 * SECOND));
        g.assert_paused(&full.key, FAILURES);
    }
}

pub fn table_mark_stale_marks_the_value_and_what_is_published(g: &Ground) {
    let full = Full::new(g);
    let seen = g.look(&full.key).seen;
    assert_eq!(g.mark_stale(&full.key), Changed::Yes { was_there: true, voided: false });
    let look = g.look(&full.key);
    assert_eq!((look.entry, look.is_marked), (Some(value("old")), true));
    assert_ne!(look.seen, seen, "a mark makes another state");
    g.assert_goes_on(&full.key, &full.grant);
    // L6: what is made of an older source is stored as stale.
    assert_eq!(g.publish(&full.key, &full.grant, "new"), Published::Stale);
    let look = g.look(&full.key);
    assert_eq!((look.entry, look.is_marked), (Some(value("new")), true));
    // The next creation began after the mark.
    let next = granted(&g.claim(&full.key, claim(look.seen)));
    assert_eq!(g.publish(&full.key, &next, "newer"), Published::Fresh);
    assert!(!g.look(&full.key).is_marked);
    full.assert_alone(g);
}

pub fn table_mark_stale_leaves_grant_and_pause(g: &Ground) {
    let full = Full::new(g);
    for _ in 0..3 {
        // Steady marking starves nobody.
        g.mark_stale(&full.key);
        g.assert_goes_on(&full.key, &full.grant);
    }
    full.assert_rest_stays(g);
    full.assert_alone(g);
    // Where nothing is, nothing is marked, and nothing remembers it.
    let key = g.key("nothing");
    assert_eq!(g.mark_stale(&key), Changed::Yes { was_there: false, voided: false });
    g.assert_nothing(&key);
    let grant = g.granted(&key);
    assert_eq!(g.publish(&key, &grant, "value"), Published::Fresh);
    assert!(!g.look(&key).is_marked);
}

pub fn table_invalidate_deletes_voids_and_clears(g: &Ground) {
    let full = Full::new(g);
    let change = Change::Invalidate { beside: Vec::new(), void_pause: LEASE };
    assert_eq!(g.change(&full.key, change.clone()), Changed::Yes { was_there: true, voided: true });
    g.assert_nothing(&full.key);
    full.assert_rest_gone(g);
    g.assert_nothing(&full.key);
    assert_eq!(g.change(&full.key, change), Changed::Yes { was_there: false, voided: false });
    // S59: nothing is left beside it.
    let failed = g.granted(&full.key);
    assert_eq!(g.end(&full.key, &failed, pause(1)), Ended::Yes);
    g.invalidate(&full.key, LEASE);
    g.assert_free(&full.key, 0);
    full.assert_alone(g);
}

pub fn table_a_failure_ends_and_pauses(g: &Ground) {
    let full = Full::new(g);
    assert_eq!(g.end(&full.key, &full.grant, pause(FAILURES + 1)), Ended::Yes);
    g.assert_stored(&full.key, "old");
    g.assert_paused(&full.key, FAILURES + 1);
    g.assert_lost(&full.key, &full.grant);
    g.assert_paused(&full.key, FAILURES + 1);
    full.assert_alone(g);
}

pub fn table_a_drop_ends_and_leaves_the_pause(g: &Ground) {
    let full = Full::new(g);
    assert_eq!(g.end(&full.key, &full.grant, None), Ended::Yes);
    g.assert_stored(&full.key, "old");
    g.assert_paused(&full.key, FAILURES);
    assert_eq!(g.end(&full.key, &full.grant, None), Ended::Lost(Refusal::Gone));
    full.assert_alone(g);
}

pub fn table_a_refresh_by_hand_passes_through_the_pause(g: &Ground) {
    let full = Full::new(g);
    assert_eq!(g.end(&full.key, &full.grant, None), Ended::Yes);
    let claimed = g.claim(&full.key, through_pause(claim(g.look(&full.key).seen)));
    assert_eq!(failures(&claimed), FAILURES);
    g.assert_stored(&full.key, "old");
    let grant = granted(&claimed);
    let again = Full { grant, ..full };
    again.assert_rest_stays(g);
    again.assert_alone(g);
}
