//! Single scripts, with what the searches do not use: other keys, other forms, counters, the limits of numbers.

use super::scripts::{Changed, Claimed, Counted, Faults, Keys, Resp, Run, told};
use super::store::{Item, Store, Value};

const KEYS: Keys<'static, &str> = Keys { lease: &"l", pause: &"p", entries: &["e", "f"] };
const SEVEN: &str = "0000000000000007";
const EIGHT: &str = "0000000000000008";
const OLD: &[u8] = b"\xD9\0oldstate and more";

/// A script that runs at that millisecond.
fn at<'a>(store: &'a mut Store<&'static str>, milliseconds: i64) -> Run<'a, &'static str> {
    let microseconds = milliseconds.unsigned_abs() * 1000;
    Run { store, milliseconds, microseconds, may_signal: true, said: None, faults: Faults::default() }
}

fn text(store: &Store<&'static str>, key: &'static str) -> String {
    let text = String::from_utf8(store.get(&key, 0).expect("a text").unwrap_or_default().to_vec()).expect("text");
    text.replace("000000000000000", "")
}

/// A grant as the scripts write it: with a token of sixteen digits.
fn long(text: &str) -> Vec<u8> {
    text.replace("a1 7", "a1 0000000000000007").into_bytes()
}

fn put(store: &mut Store<&'static str>, key: &'static str, text: &[u8], until: Option<i64>) {
    store.put(&key, Item { value: Value::Text(text.to_vec()), until });
}

fn granted(number: &str, failures: &str) -> Claimed {
    Claimed::Granted { number: number.to_owned(), failures: failures.to_owned() }
}

#[test]
fn a_place_from_a_claim_to_a_publication() {
    let mut store = Store::default();
    assert_eq!(at(&mut store, 5).claim(KEYS, ("a1", SEVEN, Some(10)), Some(b""), "", false), granted("5000", "0"));
    assert_eq!(text(&store, "l"), "g a1 7 5000 5000 0");
    let held = Claimed::Held { token: SEVEN.into(), beat: "5000".into(), left: 9, is_void: false };
    assert_eq!(at(&mut store, 6).claim(KEYS, ("a1", EIGHT, Some(10)), None, "0000000000000007 4999", false), held);
    // Sent again, in the same microsecond: the lease begins anew, with another beat.
    assert_eq!(at(&mut store, 5).claim(KEYS, ("a1", SEVEN, Some(10)), None, "", false), granted("5000", "0"));
    assert_eq!(text(&store, "l"), "g a1 7 5000 5001 0");
    assert_eq!(at(&mut store, 6).renew(KEYS, ("a1", SEVEN, "5001"), Some(10)), "gone");
    assert_eq!(at(&mut store, 6).renew(KEYS, ("a1", SEVEN, "5000"), Some(10)), "yes");
    assert!(matches!(at(&mut store, 6).mark(KEYS, "a1", b"newstate", true), Changed::Yes { was_there: false, .. }));
    assert_eq!(text(&store, "l"), "g a1 7 5000 6000 1");

    let mut run = at(&mut store, 15);
    let published = run.publish(KEYS, ("a1", SEVEN, "5000"), OLD, Some(50), true);
    assert_eq!((published, run.said), (("stale", false), Some("stored")));
    assert_eq!(told(published), Resp::Array(vec![Resp::Text(b"stale".to_vec()), Resp::Number(0)]));
    assert_eq!(store.get(&"e", 65).expect("a text").expect("an entry")[..10], *b"\xD9\x01oldstate");
    assert_eq!((store.pttl(&"e", 65), store.pttl(&"e", 66), store.pttl(&"l", 15)), (0, -2, -2));
}

#[test]
fn a_lease_is_over_in_its_last_millisecond() {
    // The server keeps a key through the whole millisecond in which it ends; the scripts do not count on that.
    for (now, is_held) in [(13, true), (14, true), (15, false), (16, false)] {
        let mut store = Store::default();
        at(&mut store, 5).claim(KEYS, ("a1", SEVEN, Some(10)), None, "", false);
        let claimed = at(&mut store, now).claim(KEYS, ("a1", EIGHT, Some(10)), None, "", false);
        assert_eq!(matches!(claimed, Claimed::Held { .. }), is_held, "at {now}");
    }
}

#[test]
fn what_was_not_written_by_these_scripts_counts_as_missing() {
    let texts = ["x", "g a1 7 5 5", "g a1 7 5 5 2", "t a1 7 5 5 0", "g a1 7g 5 5 0", "g a1 7 -5 5 0", "g b2 7 5 5 0"];
    let ours = ["g a1 7 5 5 0"];
    // Numbers that are larger than any of these scripts.
    let large = ["g a1 7 9007199254740991 5 0", "g a1 7 5 4294967296 0", "g a1 70 5 5 0"];
    let texts = texts.into_iter().chain(large).map(|text| (text, Some(99)));
    for (text, until) in texts.chain(ours.map(|text| (text, None))) {
        let mut store = Store::default();
        put(&mut store, "l", &long(text), until);
        assert_eq!(at(&mut store, 9).claim(KEYS, ("a1", EIGHT, Some(10)), None, "", false), granted("9000", "0"));
    }
    let mut store = Store::default();
    for key in ["l", "p", "e"] {
        store.put(&key, Item { value: Value::Other, until: None });
    }
    assert_eq!(at(&mut store, 9).claim(KEYS, ("a1", EIGHT, Some(10)), Some(b""), "", false), granted("9000", "0"));
    assert_eq!(at(&mut store, 9).end(KEYS, ("a1", EIGHT, "0"), Some((1, 5, 10)), true), ("yes", false));
    assert_eq!(text(&store, "p"), "1 5");
    assert_eq!(at(&mut store, 9).set(KEYS, "a1", (OLD, None), Some(b""), None, false).resp(), {
        Resp::Array(vec![Resp::Text(b"yes".to_vec()), Resp::Number(0), Resp::Number(0), Resp::Number(0)])
    });
}

#[test]
fn a_pause_is_over_before_its_mark() {
    let mut store = Store::default();
    at(&mut store, 0).claim(KEYS, ("a1", SEVEN, Some(10)), None, "", false);
    at(&mut store, 0).end(KEYS, ("a1", SEVEN, "0"), Some((3, 10, 20)), true);
    let paused = Claimed::Paused { failures: "3".into(), left: 1 };
    assert_eq!(at(&mut store, 9).claim(KEYS, ("a1", EIGHT, Some(1)), None, "", false), paused);
    assert_eq!(at(&mut store, 9).claim(KEYS, ("a1", EIGHT, Some(0)), None, "", true), granted("9000", "3"));
    assert_eq!(at(&mut store, 10).claim(KEYS, ("a1", EIGHT, Some(0)), None, "", false), granted("10000", "3"));
    assert_eq!(at(&mut store, 21).claim(KEYS, ("a1", EIGHT, Some(0)), None, "", false), granted("21000", "0"));
}

#[test]
fn a_number_is_larger_than_that_of_the_grant_that_is_passed_over() {
    let mut store = Store::default();
    put(&mut store, "l", &long("g a1 7 9000 5 0"), Some(99));
    // The clock was set back.
    assert_eq!(
        at(&mut store, 3).claim(KEYS, ("a1", EIGHT, Some(10)), None, "0000000000000007 5", false),
        granted("9001", "0")
    );
    put(&mut store, "l", &long("v a1 7 9000 9001 0"), Some(99));
    assert!(matches!(
        at(&mut store, 3).claim(KEYS, ("a1", EIGHT, None), None, "0000000000000007 9001", false),
        Claimed::Held { .. }
    ));
    assert_eq!(at(&mut store, 3).claim(KEYS, ("a1", EIGHT, None), None, "*", false), granted("9001", "0"));
    // The beat differs from that of the grant before, even so.
    assert_eq!(text(&store, "l"), "g a1 8 9001 9002 0");
}

#[test]
fn a_voided_grant_ends_with_its_holder() {
    for ends in [true, false] {
        let mut store = Store::default();
        at(&mut store, 1).claim(KEYS, ("a1", SEVEN, Some(10)), None, "", false);
        let voided = at(&mut store, 1).invalidate(KEYS, "a1", Some(5), true);
        assert_eq!(voided, Changed::Yes { was_there: false, voided: true, unsignalled: false });
        assert_eq!(at(&mut store, 2).renew(KEYS, ("a1", SEVEN, "1000"), Some(10)), "voided");
        assert_eq!(at(&mut store, 2).publish(KEYS, ("a1", EIGHT, "1000"), OLD, None, true).0, "overtaken");
        let mut run = at(&mut store, 2);
        let (how, _) = if ends {
            run.end(KEYS, ("a1", SEVEN, "1000"), Some((1, 5, 10)), true)
        } else {
            run.publish(KEYS, ("a1", SEVEN, "1000"), OLD, None, true)
        };
        assert_eq!((how, run.said), ("voided", Some("ended")));
        assert!(["l", "p", "e"].iter().all(|key| store.item(key, 2).is_none()));
    }
}

#[test]
fn a_touch_keeps_the_mark_and_a_mark_changes_the_state() {
    let mut store = Store::default();
    put(&mut store, "e", OLD, Some(9));
    put(&mut store, "f", b"\xD9 short", None);
    at(&mut store, 1).mark(KEYS, "a1", b"newstate", false);
    assert_eq!(store.get(&"e", 1), Ok(Some(&b"\xD9\x01newstate and more"[..])));
    assert_eq!(store.get(&"f", 1), Ok(Some(&b"\xD9 short"[..])));
    let refused = at(&mut store, 1).touch(KEYS, (OLD, None), &OLD[..10], false);
    assert_eq!(refused, Changed::Refused(b"\xD9\x01newstate and more".to_vec()));
    let mut run = at(&mut store, 1);
    run.may_signal = false;
    let touched = run.touch(KEYS, (OLD, Some(4)), b"\xD9\x01newstate", true);
    assert_eq!((touched, run.said), (Changed::Yes { was_there: true, voided: false, unsignalled: true }, None));
    assert_eq!(store.get(&"e", 1), Ok(Some(&b"\xD9\x01oldstate and more"[..])));
    assert_eq!(store.pttl(&"e", 1), 4);
}

#[test]
fn counters_stay_in_their_bounds() {
    let mut store = Store::default();
    let now = |value: &str| Counted::Now(value.to_owned());
    let mut count = |delta, largest| at(&mut store, 0).count(&"c", delta, largest, Some(10));
    assert_eq!([count(-1, None), count(0, Some(5)), count(2, Some(5))], [now("0"), now("0"), now("2")]);
    assert_eq!([count(1, Some(1)), count(1, None)], [(); 2].map(|()| Counted::TooLarge("2".into())));
    assert_eq!([count(i64::MAX - 2, Some(2)), count(i64::MIN, None)], [now("9223372036854775807"), now("0")]);
    assert_eq!(store.pttl(&"c", 0), 10);
    for (text, value) in [("05", "1"), ("9223372036854775808", "1"), ("-1", "1"), ("", "1"), ("5", "6")] {
        put(&mut store, "c", text.as_bytes(), None);
        assert_eq!(at(&mut store, 0).count(&"c", 1, Some(99), None).resp(), now(value).resp(), "{text}");
    }
    assert_eq!(now("1").resp(), Resp::Array(vec![Resp::Text(b"now".to_vec()), Resp::Text(b"1".to_vec())]));
    let held = Claimed::Held { token: SEVEN.into(), beat: "5".into(), left: 9, is_void: true };
    let [seven, five] = [SEVEN, "5"].map(|text| Resp::Text(text.into()));
    let parts = vec![Resp::Text("held".into()), seven, five, Resp::Number(9), Resp::Number(1)];
    assert_eq!(held.resp(), Resp::Array(parts));
}
