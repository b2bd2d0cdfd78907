use super::*;
use crate::backend::PauseFor;
use crate::backend::memcached::command::{Command, Only};
use bytes::BytesMut;

const LIFE: Life = Life(9);
const NOW: u64 = 1_000_000_000_000;
const AT: Moment = Moment { now: NOW, life: LIFE };

/// The bytes that are there once a command was executed over these.
fn after(value: &Bytes, command: &Command) -> Option<Bytes> {
    match command {
        Command::Store { head, body, .. } => Some([&head[..], &body[..]].concat().into()),
        Command::Append { tail, .. } => Some([&value[..], &tail[..]].concat().into()),
        _ => None,
    }
}

fn found(value: Bytes, cas: u64, is_stale: bool) -> Item {
    let reply = Reply::Value { value, cas, ttl_left: None, note: 0, has_won: false, another_won: false, is_stale };
    match Found::of(reply) {
        Ok(Found::Item(item)) => item,
        other => panic!("expected an item, got {other:?}"),
    }
}

/// What others see of an item, but for the name of its state.
fn shown(item: &Item) -> (Look, Option<Held>, u32, bool) {
    let look = Look { seen: Seen::NOTHING, ..Found::Item(item.clone()).look(AT) };
    (look, item.held(NOW), item.failures(NOW), item.publishes_stale())
}

fn any_event(random: &mut fastrand::Rng) -> What {
    let time = Duration::from_secs(random.u64(0..3) * 10);
    // (A lease that is over may be left out, and cannot be renewed then.)
    let lease = Duration::from_secs(random.u64(1..30));
    match random.u8(..) % 4 {
        0 => What::granted(Token(random.u64(1..5)), lease, NOW),
        1 => What::renewed(lease, NOW),
        2 => What::ended(None, NOW),
        _ => What::ended(Some(PauseFor { failures: random.u32(1..9), pause: time }), NOW),
    }
}

#[test]
fn an_item_that_is_written_anew_says_the_same() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..2_000 {
        let entry = Bytes::from(vec![7; random.usize(0..9)]);
        let command = Item::store(entry, random.bool(), NEVER, Only::Always, NOW);
        let mut appended = after(&Bytes::new(), &command).unwrap();
        let mut anew = appended.clone();
        let mut cas = 1;
        for _ in 0..random.usize(0..12) {
            let is_stale = random.u8(..8) == 0;
            cas += u64::from(is_stale);
            let what = any_event(&mut random);
            for (value, is_whole) in [(&mut appended, false), (&mut anew, random.bool())] {
                let before = found(value.clone(), cas, is_stale);
                *value = after(value, &before.write(what, NOW, is_whole).command).unwrap();
                // What happens to an item leaves the state of its entry.
                assert_eq!(found(value.clone(), cas + 1, false).seen(AT), before.seen(AT), "seed {seed}");
            }
            cas += 1;
            let [one, other] = [&appended, &anew].map(|value| found(value.clone(), cas, false));
            assert_eq!(shown(&one), shown(&other), "seed {seed}");
        }
    }
}

#[test]
fn g7_no_bytes_are_too_odd() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let command = Item::store(Bytes::from_static(b"an entry"), true, NEVER, Only::Always, NOW);
    let mut value = after(&Bytes::new(), &command).unwrap();
    for cas in 1..6 {
        value = after(&value, &found(value.clone(), cas, cas == 3).write(any_event(&mut random), NOW, false).command)
            .unwrap();
    }
    for length in 0..value.len() {
        let item = found(value.slice(..length), 1, false);
        assert!(item.entry.is_none_or(|entry| entry == b"an entry"[..]));
    }
    for _ in 0..50_000 {
        let mut bytes = BytesMut::from(&value[..]);
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        let item = found(bytes.freeze(), random.u64(1..9), random.bool());
        let at = Moment { now: random.u64(..), life: LIFE };
        let _ = Found::Item(item.clone()).look(at);
        let _ = (item.write(What::Freed, at.now, random.bool()), item.touch(Bytes::new(), random.u64(..), at.now));
    }
}

#[test]
fn a_number_is_what_its_holder_must_know() {
    let cas = 0x0000_0789_ABCD_EF01;
    let most = (1 << 14) - 1;
    for (has_entry, events, lives, added) in
        [(false, 0, 0, 0), (false, 1, 0, 1), (false, 3, 0, most), (true, 15, most, 0), (true, 0, 7, 0)]
    {
        let number = Number { cas, is_slow: false, has_entry, events, lives, added };
        let grant = number.grant(Token(5), LIFE);
        assert_eq!((Number::of(grant.cas), grant.token, grant.life), (number, Token(5), LIFE));
        // A holder of what does not fit looks first.
        let (large, many) = (1 << 44, 16);
        for odd in
            [Number { is_slow: true, ..number }, Number { cas: large, ..number }, Number { events: many, ..number }]
        {
            let slow = Number { cas: odd.cas, added, ..Number::ANY };
            assert_eq!(Number::of(odd.grant(Token(5), LIFE).cas), slow);
        }
    }
    // What does not fit in any way is the number of any grant.
    for any in [Number::ANY, Number { cas: 1 << 50, added: 3, ..Number::ANY }] {
        assert_eq!(Number::of(any.grant(Token(5), LIFE).cas), Number::ANY);
    }
    assert_eq!(Number::ANY.grant(Token(5), LIFE).cas, u64::MAX);
}

/// A number says until when an item lives, as far as its holder may have to know.
#[test]
fn g9_a_holder_that_may_not_know_how_long_an_item_lives_looks_first() {
    let seconds = |seconds: u64| Duration::from_secs(seconds);
    for begun in [NOW, NOW + 999, (NOW / 16_384_000 + 1) * 16_384_000 - 1] {
        let number = |lives: u64| Number { has_entry: true, lives: short(lives, begun), ..Number::of_stub(7) };
        let appends = |lives, lease, now| number(lives).write(What::renewed(lease, now), now).is_some();
        let ends = begun + 60_000;
        assert!(appends(ends, seconds(59), begun) && !appends(ends, seconds(61), begun));
        assert!(appends(ends, seconds(10), begun + 49_000) && !appends(ends, seconds(10), begun + 51_000));
        assert!(!appends(ends, seconds(1), begun + 61_000) && !appends(ends, seconds(1), begun + 3_600_000));
        for lives in [NEVER, begun + 24 * 3_600_000] {
            assert!(appends(lives, seconds(3600), begun) && appends(lives, seconds(3600), begun + 3_599_000));
            assert!(!appends(lives, seconds(2 * 3600 + 1), begun) && !appends(lives, Duration::MAX, begun));
        }
        // The end of a grant needs no time, but for its pause and the mark of that.
        let pause = |pause| What::ended(Some(PauseFor { failures: 1, pause: seconds(pause) }), begun);
        for (what, is_known) in [(What::Freed, true), (pause(29), true), (pause(31), false)] {
            assert_eq!(number(ends).write(what, begun).is_some(), is_known, "{what:?}");
        }
    }
}
