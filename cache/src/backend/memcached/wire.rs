//! What is asked, as bytes of the wire.
//!
//! | asked | the line | what follows the line |
//! |---|---|---|
//! | [`Get`](Command::Get) | `mg KEY v c t O…`, with `N…` | |
//! | [`Head`](Command::Head) | `mg KEY s t f O…` | |
//! | [`Store`](Command::Store) | `ms KEY LENGTH c T… O…`, with `C…` or `ME` | the value |
//! | [`Append`](Command::Append) | `ms KEY LENGTH c MA C… O…` | what is appended |
//! | [`Delete`](Command::Delete) | `md KEY O…`, with `C…` | |
//! | [`Mark`](Command::Mark) | `md KEY I O…` | |
//! | [`Move`](Command::Move) | `ma KEY v D… O…`, with `MD`, with `C…` | |
//! | version, statistics, settings | `version`, `stats`, `stats settings` | |
//!
//! `O` is the *opaque*: a number that the server repeats in its reply. Replies come in the order of the questions, and
//! the opaque shows that none was lost or doubled.
//!
//! # A value is never a command
//!
//! A server that refuses the line of an `ms` does not swallow the value behind it: it takes the value for commands. So
//! the key is checked before its first byte is written, and the length is that of the value. A connection whose server
//! has refused a line is [closed](super::connection).

use super::LONGEST_KEY;
use super::command::{Command, Only, Request, Slot, Ttl};
use super::node::LARGE;
use crate::backend::{BackendError, BackendErrorKind};
use crate::key::StoredKey;
use bytes::Bytes;
use std::borrow::Cow;

/// What is asked on a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    /// A request, for the place of a key.
    Of(&'a StoredKey, &'a Request),
    /// What the server is.
    Version,
    /// How the server is.
    Stats,
    /// How the server was started.
    Settings,
}

/// Which replies there are to what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expects {
    Item,
    Head,
    Stored,
    Done,
    Number,
    Version,
    Stats,
}

impl Asked<'_> {
    pub(super) fn expects(&self) -> Expects {
        match self {
            Asked::Of(_, request) => match request.command {
                Command::Get { .. } => Expects::Item,
                Command::Head => Expects::Head,
                Command::Store { .. } | Command::Append { .. } => Expects::Stored,
                Command::Delete { .. } | Command::Mark => Expects::Done,
                Command::Move { .. } => Expects::Number,
            },
            Asked::Version => Expects::Version,
            Asked::Stats | Asked::Settings => Expects::Stats,
        }
    }

    /// The line of what is asked of no key.
    fn question(&self) -> &'static [u8] {
        match self {
            Asked::Of(..) => b"",
            Asked::Version => b"version\r\n",
            Asked::Stats => b"stats\r\n",
            Asked::Settings => b"stats settings\r\n",
        }
    }

    /// Appends the bytes. Returns a value that was left out since it is [large](LARGE): it follows, and behind it a
    /// line's end. A key that the server does not take is an error, and appends nothing.
    pub(super) fn write(&self, opaque: u16, to: &mut Vec<u8>) -> Result<Option<Bytes>, BackendError> {
        let (key, request) = match self {
            Asked::Of(key, request) => (key, request),
            Asked::Version | Asked::Stats | Asked::Settings => {
                to.extend_from_slice(self.question());
                return Ok(None);
            }
        };
        let key = text(key, request.slot);
        check(&key)?;
        let key = key.as_bytes();
        let line = |to: &mut Vec<u8>, verb: &[u8], flags: &[u8]| {
            to.extend_from_slice(verb);
            to.extend_from_slice(key);
            to.extend_from_slice(flags);
        };
        let mut value: Option<[&Bytes; 2]> = None;
        let none = Bytes::new();
        match &request.command {
            Command::Get { win } => {
                line(to, b"mg ", if request.slot == Slot::Count { b" v c t f" } else { b" v c t" });
                if let Some(seconds) = win {
                    flag(to, b" N", u64::from(seconds.get()));
                }
            }
            Command::Head => line(to, b"mg ", b" s t f"),
            Command::Store { head, body, note, ttl, only } => {
                value = Some([head, body]);
                line(to, b"ms ", b"");
                flag(to, b" ", (head.len() + body.len()) as u64);
                to.extend_from_slice(b" c");
                if *note != 0 {
                    flag(to, b" F", u64::from(*note));
                }
                match ttl {
                    Ttl::Nothing => to.extend_from_slice(b" T-1"),
                    Ttl::Seconds(seconds) => flag(to, b" T", u64::from(seconds.get())),
                    Ttl::Until(second) => flag(to, b" T", u64::from(*second)),
                    Ttl::ForEver => to.extend_from_slice(b" T0"),
                }
                match only {
                    Only::Always => {}
                    Only::Missing => to.extend_from_slice(b" ME"),
                    Only::Cas(cas) => flag(to, b" C", *cas),
                }
            }
            Command::Append { tail, cas } => {
                value = Some([tail, &none]);
                line(to, b"ms ", b"");
                flag(to, b" ", tail.len() as u64);
                flag(to, b" c MA C", *cas);
            }
            Command::Delete { cas } => {
                line(to, b"md ", b"");
                as_it_was(to, *cas);
            }
            Command::Mark => line(to, b"md ", b" I"),
            Command::Move { by, is_down, cas } => {
                line(to, b"ma ", if *is_down { b" v MD" } else { b" v" });
                flag(to, b" D", *by);
                as_it_was(to, *cas);
            }
        }
        flag(to, b" O", u64::from(opaque));
        to.extend_from_slice(b"\r\n");
        if let Some([head, body]) = value {
            to.extend_from_slice(head);
            if body.len() >= LARGE {
                return Ok(Some(body.clone()));
            }
            to.extend_from_slice(body);
            to.extend_from_slice(b"\r\n");
        }
        Ok(None)
    }
}

/// The key on the server; without a copy where the slot is that of the key itself.
fn text(key: &StoredKey, slot: Slot) -> Cow<'_, str> {
    match slot {
        Slot::Entry => Cow::Borrowed(key.full()),
        other => Cow::Owned(other.text(key)),
    }
}

/// A key of the crate's has no space and no control character. That is checked all the same, since everything depends
/// on it.
fn check(key: &str) -> Result<(), BackendError> {
    let why = if key.len() > LONGEST_KEY {
        format!("a key of {} bytes is longer than {LONGEST_KEY}", key.len())
    } else if key.is_empty() || key.bytes().any(|byte| byte <= b' ' || byte == 0x7F) {
        "a key is empty, or has a space or a control character".to_owned()
    } else {
        return Ok(());
    };
    Err(BackendError::new(BackendErrorKind::Refused).caused_by(why))
}

fn as_it_was(to: &mut Vec<u8>, cas: Option<u64>) {
    if let Some(cas) = cas {
        flag(to, b" C", cas);
    }
}

fn flag(to: &mut Vec<u8>, letter: &[u8], number: u64) {
    to.extend_from_slice(letter);
    decimal(to, number);
}

/// Appends a number in decimal digits. (By `fmt` it takes three times as long, of a request that takes little else.)
fn decimal(to: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
        if number == 0 {
            return to.extend_from_slice(&digits[at..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Format, Shape};
    use crate::key::{KeyLimit, Namespace};
    use std::num::NonZeroU32;

    fn key(name: &str, limit: KeyLimit) -> StoredKey {
        StoredKey::new(&Namespace::new("wire").unwrap(), name, Shape { schema: 3, format: Format::RAW }, limit)
    }

    fn written(slot: Slot, command: Command) -> String {
        let mut bytes = Vec::new();
        let request = Request { slot, command };
        let large = Asked::Of(&key("a", KeyLimit::NONE), &request).write(65_535, &mut bytes).unwrap();
        assert_eq!(large, None);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_command_is_a_line() {
        let full = key("a", KeyLimit::NONE).full().to_owned();
        let entry = |command| written(Slot::Entry, command).replace(&full, "KEY");
        let three = NonZeroU32::new(3);
        assert_eq!(entry(Command::Get { win: None }), "mg KEY v c t O65535\r\n");
        assert_eq!(entry(Command::Get { win: three }), "mg KEY v c t N3 O65535\r\n");
        assert_eq!(entry(Command::Head), "mg KEY s t f O65535\r\n");
        assert_eq!(entry(Command::Delete { cas: None }), "md KEY O65535\r\n");
        assert_eq!(entry(Command::Delete { cas: Some(u64::MAX) }), format!("md KEY C{} O65535\r\n", u64::MAX));
        assert_eq!(entry(Command::Mark), "md KEY I O65535\r\n");
        let store = |ttl, only| {
            let (head, body) = (Bytes::from_static(b"md victim\r\n"), Bytes::from_static(b"\r\nmn"));
            entry(Command::Store { head, body, note: 0, ttl, only })
        };
        let value = "md victim\r\n\r\nmn\r\n";
        for (ttl, only, flags) in [
            (Ttl::Nothing, Only::Always, "T-1"),
            (Ttl::Seconds(three.unwrap()), Only::Missing, "T3 ME"),
            (Ttl::Until(2_592_001), Only::Cas(10), "T2592001 C10"),
            (Ttl::ForEver, Only::Cas(0), "T0 C0"),
        ] {
            assert_eq!(store(ttl, only), format!("ms KEY 15 c {flags} O65535\r\n{value}"));
        }
        let tail = Bytes::from_static(b"\r\nmn");
        assert_eq!(entry(Command::Append { tail, cas: 5 }), "ms KEY 4 c MA C5 O65535\r\n\r\nmn\r\n");
        let (head, body, ttl, only) = (Bytes::new(), Bytes::from_static(b"7"), Ttl::ForEver, Only::Missing);
        let counter = written(Slot::Count, Command::Store { head, body, note: u32::MAX, ttl, only });
        assert_eq!(counter, "ms wire:a@count 1 c F4294967295 T0 ME O65535\r\n7\r\n");
        assert_eq!(written(Slot::Count, Command::Get { win: None }), "mg wire:a@count v c t f O65535\r\n");
        let count = |is_down, cas| written(Slot::Count, Command::Move { by: 100, is_down, cas });
        assert_eq!(count(false, None), "ma wire:a@count v D100 O65535\r\n");
        assert_eq!(count(true, Some(4)), "ma wire:a@count v MD D100 C4 O65535\r\n");
    }

    #[test]
    fn a_large_value_is_not_copied() {
        for (size, is_large) in [(LARGE - 1, false), (LARGE, true)] {
            let (head, body) = (Bytes::from_static(b"head"), Bytes::from(vec![b'l'; size]));
            let command = Command::Store { head, body: body.clone(), note: 0, ttl: Ttl::ForEver, only: Only::Always };
            let request = Request { slot: Slot::Entry, command };
            let mut bytes = Vec::new();
            let large = Asked::Of(&key("a", KeyLimit::NONE), &request).write(1, &mut bytes).unwrap();
            assert_eq!(large, is_large.then(|| body.clone()));
            let line = format!("ms {} {} c T0 O1\r\nhead", key("a", KeyLimit::NONE).full(), size + 4);
            let behind = if is_large { Vec::new() } else { [&body[..], b"\r\n"].concat() };
            assert_eq!(bytes, [line.as_bytes(), &behind].concat());
        }
    }

    #[test]
    fn a_key_that_the_server_would_refuse_is_never_written() {
        let request = Request { slot: Slot::Entry, command: Command::Get { win: None } };
        let mut bytes = Vec::new();
        let longest = key(&"k".repeat(1000), KeyLimit::bytes(LONGEST_KEY));
        assert!(longest.full().len() <= LONGEST_KEY);
        assert_eq!(Asked::Of(&longest, &request).write(1, &mut bytes).unwrap(), None);
        let written = bytes.len();
        let long = key(&"k".repeat(LONGEST_KEY), KeyLimit::NONE);
        let error = Asked::Of(&long, &request).write(1, &mut bytes).unwrap_err();
        assert_eq!((error.kind(), bytes.len()), (BackendErrorKind::Refused, written));
        for bad in ["", "a b", "a\r\nmd victim", "a\0", "a\u{7F}", "a\t"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check("schön").is_ok());
    }
}
