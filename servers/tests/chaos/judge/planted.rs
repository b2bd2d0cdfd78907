//! Histories made by hand: each rule of the judge finds what is wrong, and passes what is right.

mod postgres;

use self::postgres::{
    away_without_faults_a_change_needs_a_stall, g1_a_lock_of_a_stranger_is_a_reason_if_it_lasts_and_of_its_keys,
    g1_g3_a_restart_in_peace_takes_the_grants_alone, g1_g5_times_of_postgres, g12_counters_last,
};
use super::Case;
use crate::fault::{Fault, Keys, Kind, Scope};
use crate::history::{Answer, Call, Ended, Event, Got, How, Known, MS, Outcome, Published, Voids};
use crate::settings::{Terms, Weather};
use std::collections::BTreeMap;

/// A history of three processes and one key, in milliseconds.
#[derive(Default)]
struct Story {
    events: BTreeMap<u64, Vec<Event>>,
    faults: Vec<Fault>,
    killed: BTreeMap<u64, u64>,
    calls: u64,
}

const KEY: u64 = 1;

impl Story {
    fn note(&mut self, process: u64, event: Event) {
        self.events.entry(process).or_default().push(event);
    }

    /// An access that creates: when it began, when its creator did, when that ended, and what has become of the value.
    fn creates(&mut self, process: u64, id: u64, times: [u64; 3], published: Published) {
        let call = self.begins(process, id, [times[0], times[1]]);
        self.note(process, Event::Created { id, at: times[2] * MS, how: How::Made });
        let got = Got { id, source: times[1] * MS, outcome: Outcome::Created, published };
        self.returns(process, call, Call::Get, [times[0], times[2] + 1], Answer::Value(got));
    }

    fn begins(&mut self, process: u64, id: u64, [access, at]: [u64; 2]) -> u64 {
        self.calls += 1;
        let call = self.calls;
        self.note(process, Event::Creating { id, key: KEY, call, access: access * MS, at: at * MS });
        call
    }

    fn returns(&mut self, process: u64, call: u64, kind: Call, times: [u64; 2], answer: Answer) {
        let [began, ended] = times.map(|time| time * MS);
        self.note(process, Event::Returned { call, kind, key: KEY, began, ended, answer });
    }

    /// A look that has found a value, which its source made at that time.
    fn finds(&mut self, process: u64, id: u64, source: u64, times: [u64; 2], outcome: Outcome) {
        self.calls += 1;
        let got = Got { id, source: source * MS, outcome, published: Published::Elsewhere };
        self.returns(process, self.calls, Call::Value, times, Answer::Value(got));
    }

    fn changes(&mut self, process: u64, id: u64, voids: Voids, times: [u64; 2], known: Known) {
        self.note(process, Event::Changing { id, key: KEY, voids, at: times[0] * MS });
        self.note(process, Event::Changed { id, at: times[1] * MS, known });
    }

    fn suffers(&mut self, kind: Kind, scope: Scope, times: [u64; 2]) {
        self.faults.push(Fault { kind, scope, from: times[0] * MS, to: times[1] * MS });
    }

    fn counts(&mut self, value: u64, times: [u64; 2]) {
        self.note(1, Event::Counted { key: KEY, began: times[0] * MS, ended: times[1] * MS, value });
    }

    /// Asserts what the judge says: the laws of its violations.
    fn is(self, laws: &[&str]) {
        self.judged_in(Weather::Foul, laws);
    }

    fn judged_in(self, weather: Weather, laws: &[&str]) {
        self.judged_by(Terms::REDIS, weather, laws);
    }

    /// The same, over memcached.
    fn judged_on_memcached(self, laws: &[&str]) {
        self.judged_by(Terms::MEMCACHED, Weather::Foul, laws);
    }

    fn judged_by(self, terms: Terms, weather: Weather, laws: &[&str]) {
        // As it is written down, and read.
        let read = |event: Event| event.to_string().parse().expect("an event");
        let events = self.events.into_iter().map(|(process, events)| (process, events.into_iter().map(read).collect()));
        let verdict = Case::new(events.collect(), self.faults, &self.killed, terms).judge(weather);
        let found: Vec<_> = verdict.violations.iter().map(|text| text.split(':').next().unwrap_or_default()).collect();
        assert_eq!(found, laws, "{:#?}", verdict.violations);
    }
}

/// Two creations, from 10 to 50 ms and from 30 to 60 ms, whose accesses began at 5 and at 20 ms.
fn two() -> Story {
    let mut story = Story::default();
    story.creates(1, 1, [5, 10, 50], Published::Refused);
    story.creates(2, 2, [20, 30, 60], Published::Fresh);
    story
}

/// The same, counted.
fn overlap() -> Story {
    let mut story = two();
    story.note(1, Event::Overlapped { key: KEY, at: 50 * MS });
    story
}

fn g1_an_overlap_needs_a_reason() {
    overlap().is(&["G1", "G9"]);
    let mut story = Story::default();
    story.creates(1, 1, [5, 10, 30], Published::Fresh);
    story.creates(2, 2, [20, 30, 60], Published::Fresh);
    story.is(&[]);
}

fn g1_a_reason_is_of_its_time_its_key_and_its_processes() {
    let with = |kind, scope, times| {
        let mut story = overlap();
        story.suffers(kind, scope, times);
        story
    };
    with(Kind::Flush, Scope::FLEET, [12, 13]).is(&[]);
    with(Kind::Flush, Scope::FLEET, [2, 3]).is(&["G1", "G9"]);
    with(Kind::Flush, Scope::FLEET, [31, 33]).is(&["G1"]);
    with(Kind::EvictLease, Scope::key(KEY), [12, 13]).is(&[]);
    with(Kind::EvictLease, Scope::key(KEY + 1), [12, 13]).is(&["G1", "G9"]);
    with(Kind::BlackHole, Scope::process(1), [1, 2]).is(&[]);
    // (That process 2 was cut off is no reason why a publication of process 1 is refused.)
    with(Kind::BlackHole, Scope::process(2), [1, 2]).is(&["G9"]);
    with(Kind::BlackHole, Scope::process(3), [12, 20]).is(&["G1", "G9"]);
    for kind in [Kind::KillHolder, Kind::Abort, Kind::EvictEntry, Kind::ScriptFlush] {
        with(kind, Scope::FLEET, [12, 13]).is(&["G1", "G9"]);
    }
    let mut story = overlap();
    story.suffers(Kind::Flush, Scope::FLEET, [12, 13]);
    story.judged_in(Weather::Calm, &["G1", "G1", "in Calm weather"]);
}

fn g1_changes_and_time_outs_are_reasons() {
    for voids in [Voids::Set, Voids::SetIf, Voids::Invalidate] {
        let mut story = overlap();
        story.changes(3, 9, voids, [15, 25], Known::Yes);
        story.is(&[]);
        let mut story = overlap();
        story.changes(3, 9, voids, [1, 3], Known::Yes);
        story.is(&["G1", "G9"]);
        let mut story = overlap();
        story.changes(3, 9, voids, [1, 3], Known::InDoubt);
        story.is(&[]);
    }
    let mut story = overlap();
    story.changes(3, 9, Voids::SetIf, [15, 25], Known::Refused);
    story.is(&["G1", "G9"]);
    // An invalidation comes late while its process by-passes the key, and not once that has asked the server again.
    for (first, second, laws) in [
        (Ended::Down, Ended::Down, &[][..]),
        (Ended::Nothing, Ended::Down, &["G1", "G9"]),
        (Ended::Down, Ended::Nothing, &["G1", "G9"]),
    ] {
        let mut story = Story::default();
        story.changes(3, 9, Voids::Invalidate, [1, 3], Known::InDoubt);
        story.returns(3, 8, Call::Value, [3000, 3001], Answer::Ended(first));
        story.returns(3, 9, Call::Value, [3500, 3501], Answer::Ended(second));
        story.suffers(Kind::BlackHole, Scope::process(3), [1, 3600]);
        story.creates(1, 1, [9005, 9010, 9050], Published::Refused);
        story.creates(2, 2, [9020, 9030, 9060], Published::Fresh);
        story.note(1, Event::Overlapped { key: KEY, at: 9050 * MS });
        story.is(laws);
    }
    let hangs = |second: u64| {
        let mut story = Story::default();
        story.creates(1, 1, [5, 10, 2000], Published::Refused);
        story.creates(2, 2, [100, second, second + 10], Published::Fresh);
        story.note(1, Event::Overlapped { key: KEY, at: 1510 * MS });
        story
    };
    hangs(1504).is(&["G1"]);
    hangs(1505).is(&[]);
}

fn g1_a_process_that_was_killed_has_created_until_then() {
    for (second, laws) in [(29, &["G1"][..]), (31, &[])] {
        let mut story = Story::default();
        story.begins(1, 1, [5, 10]);
        story.killed.insert(1, 30 * MS);
        story.suffers(Kind::KillHolder, Scope::process(1), [30, 32]);
        story.creates(2, 2, [20, second, 60], Published::Fresh);
        story.is(laws);
    }
}

fn g2_what_was_refused_is_not_found() {
    for (process, outcome, laws) in [
        (2, Outcome::Fresh, &["G2"][..]),
        (2, Outcome::Stale, &["G2"]),
        (2, Outcome::Waited, &["G2"]),
        (1, Outcome::Fresh, &["G2"]),
        (1, Outcome::Waited, &[]),
        (1, Outcome::Own, &[]),
    ] {
        for published in [Published::Refused, Published::CutOff] {
            let mut story = Story::default();
            story.creates(1, 1, [5, 10, 50], published);
            story.suffers(Kind::Cut, Scope::process(1), [8, 9]);
            story.finds(process, 1, 10, [7, 90], outcome);
            story.is(laws);
        }
    }
    let mut story = Story::default();
    story.creates(1, 1, [5, 10, 50], Published::InDoubt);
    story.suffers(Kind::Cut, Scope::process(1), [8, 9]);
    story.finds(2, 1, 10, [7, 90], Outcome::Fresh);
    story.is(&[]);
}

fn g2_no_older_value_after_a_newer_one() {
    // The first value is older, since its creator ran before the access began that has created the second one.
    for (first, [began, ended], laws) in [(10, [80, 90], &["G2"][..]), (10, [69, 90], &[]), (20, [80, 90], &[])] {
        let mut story = Story::default();
        story.creates(1, 1, [5, first, first + 1], Published::Fresh);
        story.creates(2, 2, [15, 40, 60], Published::InDoubt);
        story.suffers(Kind::Cut, Scope::process(2), [16, 17]);
        story.finds(3, 2, 40, [61, 70], Outcome::Fresh);
        story.finds(3, 1, first, [began, ended], Outcome::Fresh);
        story.is(laws);
    }
    // A `set` is not fenced: one that was under way, or in doubt, may come late. One that had returned does not.
    for (returned, known, laws) in [(14, Known::Yes, &["G2"][..]), (16, Known::Yes, &[]), (14, Known::InDoubt, &[])] {
        let mut story = Story::default();
        story.changes(1, 1, Voids::Set, [5, returned], known);
        story.creates(2, 2, [15, 40, 60], Published::Fresh);
        story.finds(3, 1, 5, [80, 90], Outcome::Fresh);
        story.is(laws);
    }
}

/// A value of before an invalidation, which process 2 has made, and an access that has found it.
fn invalidated(known: Known, process: u64, began: u64, outcome: Outcome) -> Story {
    let mut story = Story::default();
    story.creates(1, 1, [5, 10, 20], Published::InDoubt);
    story.suffers(Kind::Cut, Scope::process(1), [8, 9]);
    story.changes(2, 9, Voids::Invalidate, [30, 40], known);
    story.finds(process, 1, 10, [began, 90], outcome);
    story
}

fn g3_nothing_of_before_an_invalidation() {
    let all = [Outcome::Fresh, Outcome::Stale, Outcome::Waited];
    for outcome in all {
        invalidated(Known::Yes, 3, 41, outcome).is(&["G3"]);
        invalidated(Known::Yes, 3, 39, outcome).is(&[]);
        invalidated(Known::InDoubt, 3, 41, outcome).is(&[]);
        invalidated(Known::InDoubt, 2, 41, outcome).is(&["G3"]);
    }
    invalidated(Known::Yes, 1, 41, Outcome::Own).is(&[]);
    invalidated(Known::Yes, 2, 41, Outcome::Own).is(&["G3", "away"]);
}

fn g3_what_comes_back_is_stale() {
    for kind in [Kind::RestartSnapshot, Kind::Promote] {
        for (outcome, at, laws) in
            [(Outcome::Stale, 50, &[][..]), (Outcome::Stale, 25, &["G3"]), (Outcome::Fresh, 50, &["G3"])]
        {
            let mut story = invalidated(Known::Yes, 3, 80, outcome);
            story.suffers(kind, Scope::FLEET, [at, at + 1]);
            story.is(laws);
        }
    }
}

fn g4_a_caller_gets_what_its_creator_has_made() {
    for (answer, laws) in [(Some(Ended::TimedOut), &["G4"][..]), (None, &["G4"])] {
        let mut story = Story::default();
        let call = story.begins(1, 1, [5, 10]);
        story.note(1, Event::Created { id: 1, at: 20 * MS, how: How::Made });
        if let Some(ended) = answer {
            story.returns(1, call, Call::Get, [5, 25], Answer::Ended(ended));
        }
        story.is(laws);
    }
    let mut story = Story::default();
    story.begins(1, 1, [5, 10]);
    story.note(1, Event::Created { id: 1, at: 20 * MS, how: How::Made });
    story.killed.insert(1, 30 * MS);
    story.is(&[]);
}

fn g5_a_wait_needs_a_reason() {
    super::results::the_rest_of_a_time();
    let waits = |kind, ended| {
        let mut story = Story::default();
        story.returns(2, 100, kind, [0, ended], Answer::Ended(Ended::TimedOut));
        story
    };
    waits(Call::Value, 2500).is(&["G5"]);
    waits(Call::Value, 2300).is(&[]);
    waits(Call::Get, 3600).is(&["G5"]);
    waits(Call::Get, 3400).is(&[]);
    waits(Call::Hurried, 4500).is(&["G5", "G5"]);
    // A creation is a reason for all but an access with a time-out; a stop of the process is one for all.
    for (kind, laws) in [(Call::Get, &[][..]), (Call::Hurried, &["G5"]), (Call::Value, &["G5"])] {
        let mut story = waits(kind, 4500);
        story.creates(1, 1, [5, 10, 1400], Published::Fresh);
        story.is(laws);
        let mut story = waits(kind, 4500);
        story.suffers(Kind::StopHolder, Scope::process(2), [100, 2400]);
        story.is(&[]);
    }
    // A grant that was on its way when a server was stopped is one of that server's keys.
    for (key, laws) in [(KEY, &[][..]), (KEY + 1, &["G5"])] {
        let mut story = waits(Call::Get, 4500);
        story.suffers(Kind::StopServer, Scope::key(key), [100, 2400]);
        story.is(laws);
    }
    let mut story = Story::default();
    story.begins(1, 1, [5, 10]);
    story.is(&["G5"]);
}

fn g12_counters_count() {
    let counts = |numbers: &[(u64, [u64; 2])]| {
        let mut story = Story::default();
        for (value, times) in numbers {
            story.counts(*value, *times);
        }
        story
    };
    counts(&[(1, [1, 2]), (2, [3, 4]), (4, [5, 8]), (3, [6, 7])]).is(&[]);
    counts(&[(1, [1, 2]), (1, [3, 4])]).is(&["G12"]);
    counts(&[(2, [1, 2]), (1, [3, 4])]).is(&["G12"]);
    let mut story = counts(&[(2, [1, 2]), (1, [13, 14])]);
    story.suffers(Kind::Flush, Scope::FLEET, [5, 6]);
    story.is(&[]);
}

fn what_nobody_has_made_or_is_of_another_key() {
    let mut story = Story::default();
    story.finds(1, 7, 5, [5, 10], Outcome::Fresh);
    story.is(&["G7"]);
    let mut story = Story::default();
    story.creates(1, 1, [5, 10, 20], Published::Fresh);
    story.finds(2, 1, 11, [30, 40], Outcome::Fresh);
    story.is(&["G13"]);
}

fn g1_an_overlap_is_counted_by_one_of_its_processes() {
    for (process, at, laws) in [(1, 51, &[][..]), (2, 51, &[]), (3, 51, &["G1"]), (1, 3, &["G1"])] {
        let mut story = two();
        story.suffers(Kind::Flush, Scope::FLEET, [12, 13]);
        story.note(process, Event::Overlapped { key: KEY, at: at * MS });
        story.is(laws);
    }
    // The process cannot know.
    let mut story = Story::default();
    story.creates(1, 1, [5, 10, 50], Published::InDoubt);
    story.creates(2, 2, [20, 30, 60], Published::Fresh);
    story.suffers(Kind::Flush, Scope::FLEET, [12, 13]);
    story.is(&[]);
}

/// An access of process 1 that has ended so, from 1000 to 1100 ms.
fn learns(answer: Answer) -> Story {
    let mut story = Story::default();
    story.calls += 1;
    story.returns(1, story.calls, Call::Value, [1000, 1100], answer);
    story
}

fn away_needs_a_reason() {
    let value = |outcome, published| Answer::Value(Got { id: 9, source: 500 * MS, outcome, published });
    for answer in [
        Answer::Ended(Ended::Down),
        value(Outcome::Own, Published::Elsewhere),
        value(Outcome::Waited, Published::CutOff),
    ] {
        let story = || {
            let mut story = learns(answer);
            story.changes(2, 9, Voids::Set, [500, 501], Known::Yes);
            story
        };
        let with = |kind, scope, times| {
            let mut story = story();
            story.suffers(kind, scope, times);
            story
        };
        story().is(&["away"]);
        with(Kind::Cut, Scope::process(1), [900, 901]).is(&[]);
        with(Kind::Cut, Scope::process(2), [900, 901]).is(&["away"]);
        with(Kind::StopServer, Scope::key(KEY), [900, 2000]).is(&[]);
        with(Kind::StopServer, Scope::key(KEY + 1), [900, 2000]).is(&["away"]);
        with(Kind::Cut, Scope { process: Some(1), keys: Keys::NONE.with(KEY + 1) }, [900, 901]).is(&["away"]);
        for kind in [Kind::Flush, Kind::Evict, Kind::KillHolder] {
            with(kind, Scope::FLEET, [900, 901]).is(&["away"]);
        }
        // The process by-passes what it could not invalidate.
        for (process, known, laws) in
            [(1, Known::InDoubt, &[][..]), (1, Known::Yes, &["away"]), (2, Known::InDoubt, &["away"])]
        {
            let mut story = story();
            story.changes(process, 10, Voids::Invalidate, [100, 200], known);
            story.is(laws);
        }
        let mut story = story();
        story.changes(1, 10, Voids::Set, [100, 200], Known::InDoubt);
        story.is(&["away"]);
    }
    // A change that fails is no reason of its own.
    let mut story = Story::default();
    story.changes(1, 10, Voids::Invalidate, [1000, 1100], Known::InDoubt);
    story.returns(1, 1, Call::Change, [1000, 1100], Answer::Ended(Ended::Down));
    story.is(&["away"]);
}

fn g9_what_is_refused_needs_a_reason() {
    for published in [Published::Refused, Published::InDoubt] {
        let creates = |ended| {
            let mut story = Story::default();
            story.creates(1, 1, [5, 10, ended], published);
            story
        };
        creates(50).is(&["G9"]);
        creates(1504).is(&["G9"]);
        creates(1505).is(&[]);
        let mut story = creates(50);
        story.suffers(Kind::Flush, Scope::key(KEY), [20, 21]);
        story.is(&[]);
        let mut story = creates(50);
        story.changes(2, 9, Voids::Set, [20, 21], Known::Yes);
        story.is(&[]);
    }
}

fn g1_an_eviction_of_memcached_takes_grants_and_counters() {
    let keys = Scope::keys(Keys::NONE.with(KEY).with(KEY + 1));
    for (scope, times, laws) in
        [(keys, [12, 13], &[][..]), (keys, [2, 3], &["G1", "G9"]), (Scope::key(KEY + 1), [12, 13], &["G1", "G9"])]
    {
        let mut story = overlap();
        story.suffers(Kind::Evict, scope, times);
        story.judged_on_memcached(laws);
    }
    for (scope, laws) in [(keys, &[][..]), (Scope::key(KEY + 1), &["G12"])] {
        let mut story = Story::default();
        story.counts(2, [1, 2]);
        story.counts(1, [13, 14]);
        story.suffers(Kind::Evict, scope, [5, 6]);
        story.judged_on_memcached(laws);
    }
}

fn g1_times_of_memcached() {
    let hangs = |second: u64| {
        let mut story = Story::default();
        story.creates(1, 1, [5, 10, 5500], Published::Refused);
        story.creates(2, 2, [100, second, second + 10], Published::Fresh);
        story.note(1, Event::Overlapped { key: KEY, at: 5010 * MS });
        story
    };
    hangs(5004).judged_on_memcached(&["G1"]);
    hangs(5005).judged_on_memcached(&[]);
    // A connection does not outlive the data of its server.
    let restarts = |ended: u64| {
        let mut story = Story::default();
        story.creates(1, 1, [4000, 4010, 4050], Published::Fresh);
        story.creates(2, 2, [4020, 4030, 4060], Published::Stale);
        story.note(1, Event::Overlapped { key: KEY, at: 4050 * MS });
        story.suffers(Kind::RestartEmpty, Scope::FLEET, [ended - 10, ended]);
        story
    };
    restarts(2500).judged_on_memcached(&[]);
    restarts(2499).judged_on_memcached(&["G1"]);
    restarts(2499).is(&[]);
}

fn g3_on_memcached_nothing_comes_back() {
    for kind in [Kind::Flush, Kind::RestartEmpty, Kind::Evict, Kind::StopServer] {
        for outcome in [Outcome::Stale, Outcome::Fresh, Outcome::Waited] {
            let mut story = invalidated(Known::Yes, 3, 80, outcome);
            story.suffers(kind, Scope::FLEET, [50, 51]);
            story.judged_on_memcached(&["G3"]);
        }
    }
}

/// The tests, with their names.
macro_rules! named {
    ($($test:ident,)+) => {
        [$((stringify!($test), $test as fn()),)+]
    };
}

/// All of them, with their names.
pub const ALL: [(&str, fn()); 23] = named![
    g1_an_overlap_needs_a_reason,
    g1_a_reason_is_of_its_time_its_key_and_its_processes,
    g1_changes_and_time_outs_are_reasons,
    g1_a_process_that_was_killed_has_created_until_then,
    g2_what_was_refused_is_not_found,
    g2_no_older_value_after_a_newer_one,
    g3_nothing_of_before_an_invalidation,
    g3_what_comes_back_is_stale,
    g4_a_caller_gets_what_its_creator_has_made,
    g5_a_wait_needs_a_reason,
    g12_counters_count,
    what_nobody_has_made_or_is_of_another_key,
    g1_an_overlap_is_counted_by_one_of_its_processes,
    away_needs_a_reason,
    g9_what_is_refused_needs_a_reason,
    g1_an_eviction_of_memcached_takes_grants_and_counters,
    g1_times_of_memcached,
    g3_on_memcached_nothing_comes_back,
    g1_a_lock_of_a_stranger_is_a_reason_if_it_lasts_and_of_its_keys,
    g1_g3_a_restart_in_peace_takes_the_grants_alone,
    g12_counters_last,
    g1_g5_times_of_postgres,
    away_without_faults_a_change_needs_a_stall,
];
