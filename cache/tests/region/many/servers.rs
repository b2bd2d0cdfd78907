//! An access to many keys that lie on several servers, one of which is down.

use super::{outcomes, poll, texts, value, values};
use crate::kit::{Fate, Ground, MINUTE, MS, SECOND, begin, create, just_before, now, soon, take};
use crate::split::Split;
use dogpile_cache::backend::{Backend, Fault, Faulty};
use dogpile_cache::observer::{NotPublished, Operation, Overlap, Published};
use dogpile_cache::region::{NearAlone, RegionBuilder};
use dogpile_cache::{Claim, CreateError, Got, OnBackendFailure, Outcome, Region};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// The `backend_timeout` and the `backend_pause` of these regions.
const TIMEOUT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_secs(2);

const DOWN: [Fate; 2] = [Fate::Unreachable, Fate::NeverAnswers];

/// A process of its own over two servers.
fn over(
    ground: &Ground,
    backend: impl Backend,
    with: impl FnOnce(RegionBuilder<NearAlone>) -> RegionBuilder<NearAlone>,
) -> Region<u64, String> {
    let builder = ground.builder().backend_timeout(TIMEOUT).backend_pause(PAUSE);
    with(builder).far(backend).build().unwrap()
}

fn region(ground: &Ground, split: &Arc<Split>) -> Region<u64, String> {
    over(ground, Arc::clone(split), |builder| builder)
}

/// Ends a call that waits for a server that is silent.
fn in_the_end<T>(ground: &Ground, fate: Fate, going: impl Future<Output = T>) -> T {
    let mut going = Box::pin(going);
    if fate == Fate::NeverAnswers {
        assert!(poll(going.as_mut()).is_pending());
        ground.clock.advance(just_before(TIMEOUT));
        assert!(poll(going.as_mut()).is_pending(), "a silent server has its time");
        ground.clock.advance(MS);
    }
    soon(going)
}

fn publications(got: &[Got<String>]) -> Vec<Option<Published>> {
    got.iter().map(Got::published).collect()
}

#[test]
fn g14_the_keys_of_two_servers_are_one_look_at_each() {
    let ground = Ground::new();
    let split = Split::new(&ground);
    let region = region(&ground, &split);
    let keys: Vec<u64> = (0..100).collect();
    now(region.get_many(&keys).or_create(async |keys| values(keys))).unwrap();
    assert_eq!(split.asked(Operation::Look), [1, 1]);
    let got = now(region.get_many(&keys).or_create(async |_| panic!("all are there"))).unwrap();
    assert_eq!((got.len(), &**got[42], split.asked(Operation::Look)), (100, "value 42", [2, 2]));
    let got = now(region.get_many(&keys).values()).unwrap();
    assert_eq!((got[43].as_ref().unwrap().as_str(), split.asked(Operation::Look)), ("value 43", [3, 3]));
    assert_eq!([split.even.looked(), split.odd.looked()], [150, 150]);
}

#[test]
fn g14_the_keys_of_a_healthy_server_have_their_values_though_another_one_is_down() {
    for fate in DOWN {
        for wrapped in [false, true] {
            let ground = Ground::new();
            let split = Split::new(&ground);
            // (A region has its backend in an `Arc` in any case.)
            let region = if wrapped {
                over(&ground, Faulty::new(Arc::clone(&split), 1), |builder| builder)
            } else {
                region(&ground, &split)
            };
            let keys = [4, 1, 3, 2];
            now(region.get_many(&keys).or_create(async |keys| values(keys))).unwrap();
            split.even_is(fate);
            let got = region.get_many(&keys).or_create(async |keys| {
                assert_eq!(keys, [4, 2], "{fate:?}");
                vec!["own".to_owned(); 2]
            });
            let got = in_the_end(&ground, fate, got).unwrap();
            assert_eq!(texts(&got), ["own", "value 1", "value 3", "own"], "{fate:?}");
            let (cut_off, fresh) = (Outcome::Created, Outcome::Fresh);
            assert_eq!(outcomes(&got), [cut_off, fresh, fresh, cut_off], "{fate:?}");
            assert_eq!(Got::published(&got[0]), Some(Published::No(NotPublished::CutOff)), "{fate:?}");
            let counts = region.counts();
            assert_eq!((counts.overlaps.get(Overlap::CutOff), counts.backend_errors.total()), (2, 1), "{fate:?}");

            // That server is left in peace, and the other one is not.
            let before = split.asked(Operation::Look);
            let got = now(region.get_many(&keys).or_create(async |_| panic!("each key has a value"))).unwrap();
            assert_eq!(outcomes(&got), [Outcome::Own, fresh, fresh, Outcome::Own], "{fate:?}");
            assert_eq!(Got::outcome(&take(&region, 1)), fresh, "{fate:?}");
            let after = split.asked(Operation::Look);
            assert_eq!([after[0] - before[0], after[1] - before[1]], [0, 2], "{fate:?}");

            split.even_is(Fate::Answers);
            ground.clock.advance(PAUSE);
            let got = now(region.get_many(&keys).or_create(async |_| panic!("all are there"))).unwrap();
            assert_eq!(
                (texts(&got), outcomes(&got)),
                (vec!["value 4", "value 1", "value 3", "value 2"], [fresh; 4].to_vec())
            );
        }
    }
}

#[test]
fn g14_what_a_region_does_without_a_server_is_done_for_its_keys_alone() {
    for policy in [OnBackendFailure::Fail, OnBackendFailure::OldOnly] {
        for fate in DOWN {
            let ground = Ground::new();
            let split = Split::new(&ground);
            let region = over(&ground, Arc::clone(&split), |builder| builder.on_backend_failure(policy));
            now(region.get_many(&[1, 2]).or_create(async |keys| values(keys))).unwrap();
            split.even_is(fate);
            // A call needs the values of all its keys.
            let got = region.get_many(&[1, 2]).or_create(async |_| panic!("nobody creates without the server"));
            let got = in_the_end(&ground, fate, got);
            assert!(matches!(got, Err(CreateError::Backend(_))), "{policy:?} {fate:?} {got:?}");
            let got = now(region.get_many(&[1, 3]).or_create(async |keys| values(keys))).unwrap();
            assert_eq!(publications(&got), [None, Some(Published::Fresh)], "{policy:?} {fate:?}");
        }
    }
}

#[test]
fn g5_a_silent_server_takes_no_time_from_the_keys_of_others() {
    let ground = Ground::new();
    let split = Split::new(&ground);
    let region = region(&ground, &split);
    split.even_is(Fate::NeverAnswers);
    split.odd.set(Operation::Claim, Fate::RequestLate);
    let mut calls = 0;
    let mut going = begin(region.get_many(&[1, 2, 3]).or_create(|keys| {
        calls += 1;
        let made = values(keys);
        async { made }
    }));
    ground.clock.advance(TIMEOUT);
    going.waits();
    assert_eq!((split.asked(Operation::Look), split.asked(Operation::Claim)), ([1, 1], [0, 2]));
    // The claims have time, too, although the call has waited for as long as an access may in all.
    ground.clock.advance(just_before(TIMEOUT));
    going.waits();
    split.odd.set(Operation::Claim, Fate::Answers);
    let got = going.end().unwrap();
    let (cut_off, fresh) = (Some(Published::No(NotPublished::CutOff)), Some(Published::Fresh));
    assert_eq!(publications(&got), [fresh, cut_off, fresh]);
    assert_eq!(calls, 1, "one creator makes the values of all servers");
}

#[test]
fn g14_no_grant_waits_for_a_look_at_a_silent_server() {
    let ground = Ground::new();
    let split = Split::new(&ground);
    let (region, other) = (region(&ground, &split), region(&ground, &Split::new(&ground)));
    split.even_is(Fate::NeverAnswers);
    let mut going = begin(region.get_many(&[1, 2]).or_create(async |keys| values(keys)));
    ground.clock.advance(TIMEOUT / 2);
    going.waits();
    assert_eq!((split.asked(Operation::Look), split.asked(Operation::Claim)), ([1, 1], [0, 0]));
    // Nobody waits for this call meanwhile.
    create(&other, 1, "theirs");
    create(&region, 3, "of the same process");
    ground.clock.advance(TIMEOUT / 2);
    let got = going.end().unwrap();
    assert_eq!((texts(&got), Got::outcome(&got[0])), (vec!["theirs", "value 2"], Outcome::Fresh));
}

#[test]
fn g8_a_call_that_is_dropped_while_it_looks_leaves_nothing() {
    let ground = Ground::new();
    let split = Split::new(&ground);
    let region = region(&ground, &split);
    split.even_is(Fate::NeverAnswers);
    drop(begin(region.get_many(&[1, 2]).or_create(async |_| panic!("it is dropped before"))));
    drop(begin(region.get_many(&[1, 2]).values()));
    split.even_is(Fate::Answers);
    // The clock stands still, and so does the pause, if one has begun.
    let got = now(region.get_many(&[1, 2]).or_create(async |keys| values(keys))).unwrap();
    assert_eq!(publications(&got), [Some(Published::Fresh); 2]);
}

#[test]
fn g14_a_failure_of_before_the_servers_were_known_is_not_that_of_all() {
    for (wants_values, keys) in [(false, [1, 2]), (true, [1, 2]), (true, [2, 1])] {
        let ground = Ground::new();
        let split = Split::new(&ground);
        let region = region(&ground, &split);
        now(region.get_many(&[1, 2]).or_create(async |keys| values(keys))).unwrap();
        let before = split.asked(Operation::Look);
        split.even_is(Fate::Unreachable);
        split.forget();
        if wants_values {
            // There is no value of 2: that is an error, whatever the other server has.
            assert!(now(region.get_many(&keys).values()).is_err());
        } else {
            let got = now(region.get_many(&keys).or_create(async |keys| {
                assert_eq!(keys, [2]);
                values(keys)
            }));
            assert_eq!(outcomes(&got.unwrap()), [Outcome::Fresh, Outcome::Created]);
            let after = split.asked(Operation::Look);
            assert_eq!([after[0] - before[0], after[1] - before[1]], [2, 1], "each key is looked at once more");
        }
        assert_eq!(Got::outcome(&take(&region, 1)), Outcome::Fresh, "its server has not failed");
    }
}

#[test]
fn g5_a_server_that_becomes_known_while_another_one_is_silent_has_no_pause() {
    let ground = Ground::new();
    let split = Split::new(&ground);
    let region = region(&ground, &split);
    now(region.get_many(&[1, 2]).or_create(async |keys| values(keys))).unwrap();
    split.even_is(Fate::NeverAnswers);
    split.forget();
    let got = region.get_many(&[1, 2]).or_create(async |keys| vec!["own".to_owned(); keys.len()]);
    let got = in_the_end(&ground, Fate::NeverAnswers, got).unwrap();
    assert_eq!(texts(&got), ["own", "own"], "there is no time left");
    // (What was created without the server is dropped when it answers.)
    create(&region, 3, "three");
    assert_eq!(Got::outcome(&take(&region, 3)), Outcome::Fresh);
}

#[test]
fn g5_a_key_whose_server_is_never_the_same_is_looked_at_twice() {
    let ground = Ground::new();
    let split = Split::never_the_same(&ground);
    let region = region(&ground, &split);
    split.even_is(Fate::Unreachable);
    let got = now(region.get_many(&[2, 4]).or_create(async |keys| values(keys))).unwrap();
    assert_eq!(publications(&got), [Some(Published::No(NotPublished::CutOff)); 2]);
    assert_eq!(split.even.looked(), 4);
}

#[test]
fn g14_the_waits_for_others_go_on_while_a_server_is_down() {
    for fate in DOWN {
        let ground = Ground::new();
        let split = Split::new(&ground);
        let (region, holder) = (region(&ground, &split), region(&ground, &Split::new(&ground)));
        let Claim::Create(one) = now(holder.get(&1).claim()).unwrap() else { panic!("there is no value") };
        let Claim::Create(two) = now(holder.get(&2).claim()).unwrap() else { panic!("there is no value") };
        let mut going = begin(region.get_many(&[1, 2]).or_create(async |keys| {
            assert_eq!(keys, [2], "{fate:?}");
            vec!["own".to_owned()]
        }));
        split.even_is(fate);
        // It looks at both, and its own creation comes before the next wait.
        ground.clock.advance(MS * 4);
        going.waits();
        if fate == Fate::NeverAnswers {
            ground.clock.advance(TIMEOUT);
            going.waits();
        }
        now(one.publish(value(1))).unwrap();
        ground.clock.advance(SECOND);
        let got = going.end().unwrap();
        assert_eq!((texts(&got), outcomes(&got)), (vec!["value 1", "own"], vec![Outcome::Fresh, Outcome::Created]));
        drop(two);
    }
}

#[test]
fn g5_values_are_those_of_the_servers_that_answer_and_of_this_process() {
    for fate in DOWN {
        let ground = Ground::new();
        let split = Split::new(&ground);
        let region = over(&ground, Arc::clone(&split), |builder| builder.own_for(MINUTE));
        now(region.get_many(&[1, 2, 3]).or_create(async |keys| values(keys))).unwrap();
        split.even_is(fate);
        assert!(in_the_end(&ground, fate, region.get_many(&[1, 2, 3]).values()).is_err(), "there is none of 2");
        let before = split.asked(Operation::Look);
        assert!(now(region.get_many(&[1, 2, 3]).values()).is_err());
        assert_eq!(split.asked(Operation::Look), before, "nothing is asked for an error that is known");

        now(region.get_many(&[2]).or_create(async |_| vec!["own".to_owned()])).unwrap();
        // The server is asked for nothing; after its pause it is asked again, in vain.
        for (asks, fate) in [(0, Fate::Answers), (1, fate)] {
            let before = split.asked(Operation::Look);
            let got: Vec<_> = in_the_end(&ground, fate, region.get_many(&[1, 2, 3, 5]).values()).unwrap();
            let got: Vec<_> = got.iter().map(|got| got.as_ref().map(|got| (got.as_str(), Got::outcome(got)))).collect();
            let fresh = |value| Some((value, Outcome::Fresh));
            assert_eq!(got, [fresh("value 1"), Some(("own", Outcome::Own)), fresh("value 3"), None], "{fate:?}");
            let after = split.asked(Operation::Look);
            assert_eq!([after[0] - before[0], after[1] - before[1]], [asks, 1], "{fate:?}");
            ground.clock.advance(PAUSE);
        }
    }
}

#[test]
fn g3_what_a_server_was_not_told_keeps_no_other_one_from_its_look() {
    let ground = Ground::new();
    let split = Split::new(&ground);
    let region = region(&ground, &split);
    now(region.get_many(&[1, 2]).or_create(async |keys| values(keys))).unwrap();
    split.even_is(Fate::Unreachable);
    assert!(now(region.invalidate(&2)).is_err());
    now(region.get_many(&[2]).or_create(async |_| vec!["own".to_owned()])).unwrap();
    split.even_is(Fate::NeverAnswers);
    ground.clock.advance(PAUSE);
    let mut going = Box::pin(region.get_many(&[1, 2]).or_create(async |keys| {
        assert_eq!(keys, [2]);
        vec!["own".to_owned()]
    }));
    assert!(poll(going.as_mut()).is_pending());
    ground.clock.advance(TIMEOUT);
    let Poll::Ready(got) = poll(going.as_mut()) else { panic!("its time is over") };
    assert_eq!(outcomes(&got.unwrap()), [Outcome::Fresh, Outcome::Created]);
}

#[test]
fn a_thread_has_the_values_of_the_server_that_answers() {
    let ground = Ground::new();
    let split = Split::new(&ground);
    let region = region(&ground, &split);
    now(region.get_many(&[1, 2]).or_create(async |keys| values(keys))).unwrap();
    split.even_is(Fate::Unreachable);
    let got = region.blocking().get_many(&[1, 2]).or_create(|keys| vec!["own".to_owned(); keys.len()]).unwrap();
    assert_eq!((texts(&got), Got::outcome(&got[0])), (vec!["value 1", "own"], Outcome::Fresh));
    let got = region.blocking().get_many(&[1, 2]).values().unwrap();
    assert_eq!(got.into_iter().flatten().map(|got| (*got).clone()).collect::<Vec<_>>(), ["value 1", "own"]);
}

#[test]
fn a_server_that_refuses_a_look_is_not_down() {
    let ground = Ground::new();
    let faulty = Arc::new(Faulty::new(Arc::clone(&ground.memory), 1).with(Fault::Refused, 1.0));
    let region = over(&ground, Arc::clone(&faulty), |builder| builder);
    let got = now(region.get_many(&[1, 2]).or_create(async |keys| values(keys))).unwrap();
    assert_eq!((Got::published(&got[0]), faulty.operations()), (Some(Published::No(NotPublished::CutOff)), 1));
    faulty.set_rate(Fault::Refused, 0.0);
    let got = now(region.get_many(&[1, 3]).or_create(async |keys| values(keys))).unwrap();
    assert_eq!(publications(&got), [Some(Published::Fresh); 2], "it is asked at once");
}
