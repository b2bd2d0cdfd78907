//! What PostgreSQL alone has, or does not have.

use super::{KEY, Story, invalidated, learns, overlap};
use crate::fault::{Keys, Kind, Scope};
use crate::history::{Answer, Call, Ended, Event, Known, MS, Outcome, Published};
use crate::settings::{Terms, Weather};

/// What the judge says, over PostgreSQL.
fn judged(story: Story, laws: &[&str]) {
    story.judged_by(Terms::POSTGRES, Weather::Foul, laws);
}

pub fn g1_a_lock_of_a_stranger_is_a_reason_if_it_lasts_and_of_its_keys() {
    let (here, elsewhere) = (Scope::key(KEY), Scope::key(KEY + 1));
    let with = |story: Story, kind, scope| {
        let mut story = story;
        story.suffers(kind, scope, [12, 13]);
        story
    };
    judged(with(overlap(), Kind::LockedLong, here), &[]);
    judged(with(overlap(), Kind::LockedLong, elsewhere), &["G1", "G9"]);
    judged(with(overlap(), Kind::LockedBriefly, here), &["G1", "G9"]);
    for (kind, scope, laws) in [
        (Kind::LockedLong, here, &[][..]),
        (Kind::LockedLong, elsewhere, &["away"]),
        (Kind::LockedLong, Scope::keys(Keys::NONE), &["away"]),
        (Kind::LockedBriefly, here, &["away"]),
    ] {
        let mut story = learns(Answer::Ended(Ended::Down));
        story.suffers(kind, scope, [900, 1050]);
        judged(story, laws);
    }
}

/// The grants are void in the next life, and the entries are not.
pub fn g1_g3_a_restart_in_peace_takes_the_grants_alone() {
    for kind in [Kind::RestartInPeace, Kind::Emptied, Kind::RestartEmpty] {
        let mut story = overlap();
        story.suffers(kind, Scope::FLEET, [12, 13]);
        judged(story, &[]);
        for outcome in [Outcome::Stale, Outcome::Fresh, Outcome::Waited] {
            let mut story = invalidated(Known::Yes, 3, 80, outcome);
            story.suffers(kind, Scope::FLEET, [50, 51]);
            judged(story, &["G3"]);
        }
    }
}

pub fn g12_counters_last() {
    for kind in [Kind::Flush, Kind::Emptied, Kind::RestartEmpty, Kind::RestartInPeace] {
        for terms in [Terms::POSTGRES, Terms::REDIS] {
            let mut story = Story::default();
            story.counts(2, [1, 2]);
            story.counts(1, [13, 14]);
            story.suffers(kind, Scope::FLEET, [5, 6]);
            let is_lost = !terms.counters_last && kind != Kind::RestartInPeace;
            story.judged_by(terms, Weather::Foul, if is_lost { &[] } else { &["G12"] });
        }
    }
}

pub fn g1_g5_times_of_postgres() {
    let hangs = |second: u64| {
        let mut story = Story::default();
        story.creates(1, 1, [5, 10, 2500], Published::Refused);
        story.creates(2, 2, [100, second, second + 10], Published::Fresh);
        story.note(1, Event::Overlapped { key: KEY, at: 2010 * MS });
        story
    };
    judged(hangs(2004), &["G1"]);
    judged(hangs(2005), &[]);
    for (ended, laws) in [(2900, &[][..]), (3100, &["G5"])] {
        let mut story = Story::default();
        story.returns(2, 100, Call::Value, [0, ended], Answer::Ended(Ended::Nothing));
        judged(story, laws);
    }
}

/// A change is given up beside a transaction of the fleet's own that gets no processor; on no other server, and nothing
/// else is.
pub fn away_without_faults_a_change_needs_a_stall() {
    let given_up = |kind, stall: Option<[u64; 2]>| {
        let mut story = Story::default();
        story.returns(1, 1, kind, [1000, 1100], Answer::Ended(Ended::Down));
        if let Some(times) = stall {
            story.suffers(Kind::Stall, Scope::FLEET, times);
        }
        story
    };
    let (near, far) = (Some([900, 1000]), Some([5000, 5100]));
    for (terms, kind, stall, laws) in [
        (Terms::POSTGRES, Call::Change, near, &[][..]),
        (Terms::POSTGRES, Call::Change, far, &["in Calm weather", "away"]),
        (Terms::POSTGRES, Call::Change, None, &["in Calm weather", "away"]),
        (Terms::POSTGRES, Call::Count, near, &["in Calm weather"]),
        (Terms::REDIS, Call::Change, near, &["in Calm weather"]),
        (Terms::MEMCACHED, Call::Change, near, &["in Calm weather"]),
    ] {
        given_up(kind, stall).judged_by(terms, Weather::Calm, laws);
    }
}
