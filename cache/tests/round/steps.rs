//! Single steps of an access, with times and numbers that the searches do not look at.

use dogpile_cache::backend::{Claim, Grant, HeldBy, Life, Over, Pause, Rest, Seen, Token};
use dogpile_cache::round::{
    Access, Action, Context, Event, Faults, Found, Freshness, Made, OnBackendFailure, Outcome, Remembered, Reply,
    Server, Settings, Waits,
};
use std::time::Duration;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A process, at a moment that the test moves.
struct Process {
    settings: Settings,
    memory: Remembered<&'static str>,
    server: Server,
    now: Duration,
}

type Step = Action<&'static str>;

impl Process {
    fn new() -> Process {
        let settings = Settings {
            lease: seconds(10),
            grain: Duration::ZERO,
            poll: seconds(1),
            creation_timeout: seconds(60),
            has_signals: false,
            on_backend_failure: OnBackendFailure::Elect,
            longest_pause: seconds(5),
            backend_pause: seconds(2),
            own_for: seconds(1),
            faults: Faults::default(),
        };
        Process { settings, memory: Remembered::default(), server: Server::default(), now: seconds(100) }
    }

    fn tell(&mut self, access: &mut Access<&'static str>, event: Event<&'static str>) -> Step {
        let Process { settings, memory, server, now } = self;
        access.next(&mut Context { settings, memory, server, now: *now, token: &|| Token(7) }, event)
    }

    /// An access that has the turn, after a look.
    fn elected(&mut self, waits: Waits, found: Found<&'static str>) -> (Access<&'static str>, Step) {
        let mut access = Access::new(&self.memory, waits);
        self.tell(&mut access, Event::Begin);
        assert!(matches!(self.tell(&mut access, Event::Looked(found)), Action::Join { .. }));
        let step = self.tell(&mut access, Event::Elected);
        (access, step)
    }
}

fn nothing(rest: Option<Rest>) -> Found<&'static str> {
    Found { value: None, freshness: Freshness::Missing, seen: Seen::NOTHING, rest }
}

fn stale() -> Found<&'static str> {
    Found { value: Some("old"), freshness: Freshness::Stale, seen: Seen::entry(&b"1"[..]), rest: Some(Rest::Free) }
}

fn held(beat: u32, lease_left: Duration) -> HeldBy {
    HeldBy { token: Token(1), beat, lease_left, is_void: false }
}

#[track_caller]
fn finished(step: Step) -> Outcome<&'static str> {
    match step {
        Action::Finish(answer) => answer.outcome,
        other => panic!("expected an end, got {other:?}"),
    }
}

#[track_caller]
fn claimed(step: Step) -> Claim {
    match step {
        Action::Claim(claim) => claim,
        other => panic!("expected a claim, got {other:?}"),
    }
}

#[test]
fn g5_a_subscription_that_fails_leaves_polls() {
    let mut process = Process::new();
    process.settings.has_signals = true;
    let (mut access, _) = process.elected(Waits::default(), nothing(None));
    let by = Event::Claimed(Reply::Held(held(0, seconds(10))));
    assert_eq!(process.tell(&mut access, by.clone()), Action::Subscribe);
    let until = process.now + seconds(1);
    assert_eq!(process.tell(&mut access, Event::NotSubscribed), Action::Wait { until });
    assert!(!process.server.is_down(process.now));
    process.now = until;
    assert_eq!(process.tell(&mut access, Event::Woken), Action::Look);
    // The access does not subscribe again.
    process.tell(&mut access, Event::Looked(nothing(None)));
    assert!(matches!(process.tell(&mut access, by), Action::Wait { .. }));
}

#[test]
fn no_time_left_is_no_pause_and_the_access_asks_for_nothing_more() {
    let mut process = Process::new();
    let mut access = Access::new(&process.memory, Waits::default());
    process.tell(&mut access, Event::Begin);
    assert_eq!(process.tell(&mut access, Event::OutOfTime), Action::Join { old_until: None });
    assert!(!process.server.is_down(process.now));
    assert!(matches!(process.tell(&mut access, Event::Elected), Action::Create { grant: None, .. }));

    let mut other = Access::new(&process.memory, Waits::default());
    assert_eq!(process.tell(&mut other, Event::Begin), Action::Look);
    assert_eq!(process.tell(&mut other, Event::Failed), Action::Join { old_until: None });
    assert!(process.server.is_down(process.now + seconds(1)) && !process.server.is_down(process.now + seconds(2)));
}

#[test]
fn no_time_left_is_not_shared_as_a_backend_that_is_down() {
    let mut process = Process::new();
    process.settings.on_backend_failure = OnBackendFailure::Fail;
    let mut waiter = Access::new(&process.memory, Waits::default());
    process.tell(&mut waiter, Event::Begin);
    process.tell(&mut waiter, Event::Looked(nothing(None)));
    let (mut access, _) = process.elected(Waits::default(), nothing(None));
    // What the access has seen is new enough for the waiter.
    claimed(process.tell(&mut access, Event::Claimed(Reply::Changed(nothing(None)))));
    let Action::Finish(answer) = process.tell(&mut access, Event::OutOfTime) else { panic!("an end") };
    assert_eq!(answer.outcome, Outcome::Down);
    let shared = answer.shared().expect("an answer for those who wait");
    assert_eq!(process.tell(&mut waiter, Event::Shared(shared)), Action::Look);
}

#[test]
fn no_time_left_at_the_deadline_is_a_time_out_or_the_old_value() {
    for (found, outcome) in [(nothing(None), Outcome::TimedOut), (stale(), Outcome::Stale("old"))] {
        let mut process = Process::new();
        let deadline = Some(process.now + seconds(1));
        let (mut access, step) = process.elected(Waits { deadline, soft: None }, found);
        claimed(step);
        process.now += seconds(1);
        assert_eq!(finished(process.tell(&mut access, Event::OutOfTime)), outcome);
        assert_eq!(access.release(), Some(Token(7)));
    }
}

#[test]
fn g11_an_old_value_is_waited_for_until_soft_or_the_deadline() {
    let process = Process::new();
    let (soon, late) = (process.now + seconds(1), process.now + seconds(3));
    for (soft, deadline, until) in [
        (None, None, Duration::ZERO),
        (None, Some(soon), Duration::ZERO),
        (Some(late), None, late),
        (Some(late), Some(soon), soon),
        (Some(soon), Some(late), soon),
    ] {
        let mut process = Process::new();
        let mut access = Access::new(&process.memory, Waits { deadline, soft });
        process.tell(&mut access, Event::Begin);
        assert_eq!(process.tell(&mut access, Event::Looked(stale())), Action::Join { old_until: Some(until) });
        assert_eq!(finished(process.tell(&mut access, Event::Busy)), Outcome::Stale("old"));
    }
    // For another process, too.
    let mut process = Process::new();
    process.settings.poll = seconds(9);
    let (mut access, _) = process.elected(Waits { deadline: None, soft: Some(late) }, stale());
    let held = Event::Claimed(Reply::Held(held(0, seconds(10))));
    assert_eq!(process.tell(&mut access, held), Action::Wait { until: late });
    process.now = late;
    assert_eq!(finished(process.tell(&mut access, Event::Woken)), Outcome::Stale("old"));
}

#[test]
fn g8_a_pause_is_believed_for_the_longest_pause() {
    let mut process = Process::new();
    let pause = |failures, left| Pause { failures, left: seconds(left) };
    let meets = |process: &mut Process, pause| {
        let (mut access, step) = process.elected(Waits::default(), nothing(None));
        assert!(!claimed(step).through_pause);
        process.tell(&mut access, Event::Claimed(Reply::Paused(pause)))
    };
    assert_eq!(finished(meets(&mut process, pause(1, 3))), Outcome::Paused(pause(1, 3)));
    process.now += seconds(4);
    assert_eq!(finished(meets(&mut process, pause(1, 100))), Outcome::Paused(pause(1, 1)));
    process.now += seconds(1);
    assert!(claimed(meets(&mut process, pause(1, 99))).through_pause);
    // Another pause is believed anew, and so is one of the same number, much later.
    assert_eq!(finished(meets(&mut process, pause(2, 99))), Outcome::Paused(pause(2, 5)));
    process.now += seconds(10);
    assert_eq!(finished(meets(&mut process, pause(2, 4))), Outcome::Paused(pause(2, 4)));
    // A look has seen the place free: what comes then is another pause.
    process.now += seconds(5);
    process.elected(Waits::default(), nothing(Some(Rest::Free)));
    assert_eq!(finished(meets(&mut process, pause(2, 4))), Outcome::Paused(pause(2, 4)));
}

#[test]
fn g5_a_longer_lease_is_watched_to_its_end_but_no_longer_than_a_creation_may_take() {
    for (left, watched) in [(0_u64, 10), (9, 10), (25, 25), (1000, 60)] {
        let mut process = Process::new();
        let mut meets = |at: u64, over| {
            process.now = seconds(100 + at);
            let (mut access, step) = process.elected(Waits::default(), nothing(None));
            assert_eq!(claimed(step).over, over, "{left} at {at}");
            let left = seconds(left.saturating_sub(at));
            assert!(matches!(
                process.tell(&mut access, Event::Claimed(Reply::Held(held(5, left)))),
                Action::Wait { .. }
            ));
        };
        meets(0, Over::Nobody);
        meets(watched - 1, Over::Nobody);
        meets(watched, Over::Dead(Token(1), 5));
    }
}

#[test]
fn g8_a_process_that_is_cut_off_pauses_after_a_failure() {
    let mut process = Process::new();
    let cut_off = |process: &mut Process, refreshes| {
        process.server.failed(&process.settings, process.now);
        let (memory, waits) = (&process.memory, Waits::default());
        let mut access = if refreshes { Access::refresh(memory, waits) } else { Access::new(memory, waits) };
        let mut step = process.tell(&mut access, Event::Begin);
        if let Action::Join { old_until: None } = step {
            step = process.tell(&mut access, Event::Elected);
        }
        (access, step)
    };
    let (mut access, _) = cut_off(&mut process, false);
    assert_eq!(process.memory.own_failures(), 0);
    process.memory.pause(1, process.now + seconds(3));
    assert_eq!(finished(process.tell(&mut access, Event::Made(Made::Failed))), Outcome::Failed);

    process.now += seconds(1);
    let pause = Pause { failures: 1, left: seconds(2) };
    assert_eq!(finished(cut_off(&mut process, false).1), Outcome::Paused(pause));
    assert!(matches!(cut_off(&mut process, true).1, Action::Create { grant: None, .. }));
    process.now += seconds(2);
    let (mut access, step) = cut_off(&mut process, false);
    assert!(matches!(step, Action::Create { grant: None, .. }));
    assert_eq!(process.memory.own_failures(), 1);
    process.tell(&mut access, Event::Made(Made::Unwanted("new")));
    assert_eq!(process.memory.own_failures(), 0);

    // An answer of the backend ends it, too.
    process.memory.pause(4, process.now + seconds(3));
    process.server.answered();
    let mut access = Access::new(&process.memory, Waits::default());
    process.tell(&mut access, Event::Begin);
    process.tell(&mut access, Event::Looked(nothing(None)));
    assert_eq!(process.memory.own_failures(), 0);
}

#[test]
fn g3_a_set_and_an_invalidation_drop_what_the_process_has_made_for_itself() {
    for set in [true, false] {
        let mut process = Process::new();
        process.server.failed(&process.settings, process.now);
        let mut accesses = [0; 2].map(|_| Access::new(&process.memory, Waits::default()));
        for access in &mut accesses {
            process.tell(access, Event::Begin);
            process.tell(access, Event::Elected);
        }
        process.tell(&mut accesses[0], Event::Made(Made::Value("before")));
        let mut access = Access::new(&process.memory, Waits::default());
        assert_eq!(finished(process.tell(&mut access, Event::Begin)), Outcome::Own("before"));
        process.memory.pause(2, process.now + seconds(9));
        if set {
            process.memory.replaced();
            assert_eq!(process.memory.untold(), None);
        } else {
            process.memory.invalidate();
        }
        assert_eq!(process.memory.own_failures(), 0);
        // A creation that has begun before leaves nothing, either.
        process.tell(&mut accesses[1], Event::Made(Made::Value("before")));
        let mut access = Access::new(&process.memory, Waits::default());
        assert_eq!(process.tell(&mut access, Event::Begin), Action::Join { old_until: None });
    }
}

#[test]
fn a_renewal_claims_with_what_it_has_refused() {
    let mut process = Process::new();
    let mut access = Access::renewal(&process.memory, Waits::default());
    process.tell(&mut access, Event::Begin);
    let refused = || Found { value: None, freshness: Freshness::Missing, ..stale() };
    assert_eq!(process.tell(&mut access, Event::Looked(refused())), Action::Join { old_until: None });
    let claim = claimed(process.tell(&mut access, Event::Elected));
    assert_eq!((claim.seen, claim.through_pause), (Some(stale().seen), false));
    let held = Event::Claimed(Reply::Held(held(0, seconds(10))));
    assert!(matches!(process.tell(&mut access, held), Action::Wait { .. }));
    process.now += seconds(1);
    assert_eq!(process.tell(&mut access, Event::Woken), Action::Look);
    let claim = claimed(process.tell(&mut access, Event::Looked(refused())));
    assert_eq!(claim.seen, Some(stale().seen));
    let newer = Found { value: Some("new"), freshness: Freshness::Fresh, seen: Seen::entry(&b"2"[..]), rest: None };
    assert_eq!(finished(process.tell(&mut access, Event::Claimed(Reply::Changed(newer)))), Outcome::Fresh("new"));
}

#[test]
fn the_pause_of_a_server_is_that_of_all_its_keys() {
    let mut process = Process::new();
    let (mut access, _) = process.elected(Waits::default(), nothing(None));
    let mut other_key = Process::new();
    process.tell(&mut access, Event::Failed);
    other_key.server = process.server.clone();
    let mut other = Access::new(&other_key.memory, Waits::default());
    assert_eq!(other_key.tell(&mut other, Event::Begin), Action::Join { old_until: None });
    let grant = Grant { token: Token(7), life: Life(1), cas: 1 };
    process.tell(&mut access, Event::Claimed(Reply::Granted { grant, failures: 0 }));
    assert!(!process.server.is_down(process.now), "an answer, however late, ends the pause");
}
