//! What comes from the wire: replies, one behind the other.
//!
//! A reply is a line, with a value behind it if it begins by `VA`; of `stats`, all lines up to `END`. Whatever is none
//! of these ends the connection, since nobody can know where the next reply begins. No byte of a server makes this take
//! memory beyond what a reply may have: a line [`LONGEST_LINE`], statistics [`LONGEST_STATS`], a value what the server
//! itself says that its items may have (G7).

use super::command::Reply;
use super::wire::Expects;
use bytes::{Buf, Bytes, BytesMut};

/// The longest line.
const LONGEST_LINE: usize = 2048;

/// The longest statistics.
const LONGEST_STATS: usize = 256 << 10;

/// The longest value that is copied out of the bytes that were read. A longer one keeps those bytes alive: a small one
/// that did so would keep many times its length.
const COPIED: usize = 16 << 10;

/// What has come is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoReply;

/// A reply, as far as it can be read without what was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Meta(Meta),
    /// Behind `VERSION`, or all lines of statistics.
    Text(Expects, Bytes),
    /// `SERVER_ERROR`, which ends with the line.
    Failed(Failed),
    /// `CLIENT_ERROR` or `ERROR`: the server may take what follows the command for commands.
    Refused,
}

/// What a server has failed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    TooLarge,
    OutOfMemory,
    /// Nobody can know what the server does with what follows.
    Otherwise,
}

/// A reply to a meta command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    code: Code,
    value: Bytes,
    cas: Option<u64>,
    /// In seconds; below 0: for ever.
    ttl_left: Option<i64>,
    /// Of the value that was not asked for.
    size: Option<u64>,
    note: u32,
    pub(super) opaque: Option<u16>,
    has_won: bool,
    another_won: bool,
    is_stale: bool,
}

/// The first word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Code {
    #[default]
    Done,
    Value,
    Missing,
    Exists,
    NotFound,
    NotStored,
}

/// Takes the next reply. `None`: it is not there as a whole. `largest` is the longest value.
pub(super) fn parse(from: &mut BytesMut, largest: usize) -> Result<Option<Line>, NoReply> {
    if from.starts_with(b"STAT ") || from.starts_with(b"END") {
        return stats(from);
    }
    let within = from.len().min(LONGEST_LINE);
    let Some(end) = from[..within].iter().position(|byte| *byte == b'\n') else {
        return if within < LONGEST_LINE { Ok(None) } else { Err(NoReply) };
    };
    let line = from[..end].strip_suffix(b"\r").ok_or(NoReply)?;
    let behind = end + 1;
    let line = match line.get(..2) {
        Some(b"VA") => return value(from, behind, largest),
        Some(b"HD") => Line::Meta(meta(Code::Done, &line[2..])?),
        Some(b"EN") => Line::Meta(meta(Code::Missing, &line[2..])?),
        Some(b"EX") => Line::Meta(meta(Code::Exists, &line[2..])?),
        Some(b"NF") => Line::Meta(meta(Code::NotFound, &line[2..])?),
        Some(b"NS") => Line::Meta(meta(Code::NotStored, &line[2..])?),
        _ => other(line)?,
    };
    from.advance(behind);
    Ok(Some(line))
}

fn other(line: &[u8]) -> Result<Line, NoReply> {
    if let Some(version) = line.strip_prefix(b"VERSION ") {
        return Ok(Line::Text(Expects::Version, Bytes::copy_from_slice(version)));
    }
    if line == b"ERROR" || line.starts_with(b"CLIENT_ERROR") {
        return Ok(Line::Refused);
    }
    let why = line.strip_prefix(b"SERVER_ERROR ").ok_or(NoReply)?.to_ascii_lowercase();
    Ok(Line::Failed(match &why[..] {
        why if why.starts_with(b"object too large") => Failed::TooLarge,
        b"out of memory storing object" | b"out of memory during read" => Failed::OutOfMemory,
        _ => Failed::Otherwise,
    }))
}

/// `VA LENGTH FLAGS…`, and the value.
fn value(from: &mut BytesMut, behind: usize, largest: usize) -> Result<Option<Line>, NoReply> {
    let words = from[..behind - 2].strip_prefix(b"VA ").ok_or(NoReply)?;
    let end = words.iter().position(|byte| *byte == b' ').unwrap_or(words.len());
    let length = usize::try_from(number(&words[..end])?).map_err(|_| NoReply)?;
    if length > largest {
        return Err(NoReply);
    }
    let whole = behind + length + 2;
    if from.len() < whole {
        // (The rest is read into one piece of memory.)
        from.reserve(whole - from.len());
        return Ok(None);
    }
    let mut meta = meta(Code::Value, &words[end..])?;
    if from[whole - 2..whole] != *b"\r\n" {
        return Err(NoReply);
    }
    if length <= COPIED {
        meta.value = Bytes::copy_from_slice(&from[behind..behind + length]);
        from.advance(whole);
    } else {
        from.advance(behind);
        meta.value = from.split_to(length).freeze();
        from.advance(2);
    }
    Ok(Some(Line::Meta(meta)))
}

/// The flags of a reply, with a space before each.
fn meta(code: Code, flags: &[u8]) -> Result<Meta, NoReply> {
    let mut meta = Meta { code, ..Meta::default() };
    let mut words = flags.split(|byte| *byte == b' ');
    if words.next() != Some(b"") {
        return Err(NoReply);
    }
    for word in words {
        let (letter, rest) = match word {
            [] => continue,
            [letter, rest @ ..] => (letter, rest),
        };
        match (letter, rest) {
            (b'c', rest) => meta.cas = Some(number(rest)?),
            (b't', b"-1") => meta.ttl_left = Some(-1),
            (b't', rest) => meta.ttl_left = Some(small::<u32>(rest)?.into()),
            (b's', rest) => meta.size = Some(number(rest)?),
            (b'f', rest) => meta.note = small(rest)?,
            (b'O', rest) => meta.opaque = Some(small(rest)?),
            (b'W', b"") => meta.has_won = true,
            (b'Z', b"") => meta.another_won = true,
            (b'X', b"") => meta.is_stale = true,
            _ => return Err(NoReply),
        }
    }
    Ok(meta)
}

/// All lines `STAT …`, and the line `END` behind them.
fn stats(from: &mut BytesMut) -> Result<Option<Line>, NoReply> {
    const END: &[u8] = b"END\r\n";
    let within = &from[..from.len().min(LONGEST_STATS)];
    let length = if within.starts_with(END) {
        0
    } else if let Some(at) = within.windows(END.len() + 2).position(|window| window == b"\r\nEND\r\n") {
        at + 2
    } else {
        return if within.len() < LONGEST_STATS { Ok(None) } else { Err(NoReply) };
    };
    let text = Bytes::copy_from_slice(&within[..length]);
    from.advance(length + END.len());
    Ok(Some(Line::Text(Expects::Stats, text)))
}

fn small<T: TryFrom<u64>>(digits: &[u8]) -> Result<T, NoReply> {
    T::try_from(number(digits)?).map_err(|_| NoReply)
}

fn number(digits: &[u8]) -> Result<u64, NoReply> {
    if digits.is_empty() {
        return Err(NoReply);
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0')).ok_or(NoReply)?;
        sum.checked_mul(10).and_then(|sum| sum.checked_add(digit)).ok_or(NoReply)
    })
}

impl Meta {
    /// Returns the reply to what was asked.
    pub(super) fn reply(self, expects: Expects) -> Result<Reply, NoReply> {
        Ok(match (expects, self.code) {
            (Expects::Item, Code::Value) => Reply::Value {
                value: self.value,
                cas: self.cas.ok_or(NoReply)?,
                ttl_left: u32::try_from(self.ttl_left.ok_or(NoReply)?).ok(),
                note: self.note,
                has_won: self.has_won,
                another_won: self.another_won,
                is_stale: self.is_stale,
            },
            (Expects::Head, Code::Done) => Reply::Head {
                size: self.size.ok_or(NoReply)?,
                ttl_left: u32::try_from(self.ttl_left.ok_or(NoReply)?).ok(),
                note: self.note,
            },
            (Expects::Item | Expects::Head, Code::Missing) => Reply::Missing,
            (Expects::Stored, Code::Done) => Reply::Stored { cas: self.cas.ok_or(NoReply)? },
            (Expects::Stored, Code::NotStored) => Reply::NotStored,
            (Expects::Done, Code::Done) => Reply::Done,
            (Expects::Number, Code::Value) => Reply::Number(number(self.value.trim_ascii_end())?),
            (Expects::Stored | Expects::Done | Expects::Number, Code::Exists) => Reply::Exists,
            (Expects::Stored | Expects::Done | Expects::Number, Code::NotFound) => Reply::NotFound,
            _ => return Err(NoReply),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: usize = 100_000;

    fn all(bytes: &[u8]) -> Result<Vec<Line>, NoReply> {
        let mut from = BytesMut::from(bytes);
        let mut lines = Vec::new();
        while let Some(line) = parse(&mut from, LARGEST)? {
            lines.push(line);
        }
        assert!(from.is_empty(), "bytes are left: {from:?}");
        Ok(lines)
    }

    fn reply(bytes: &[u8], expects: Expects) -> Result<Reply, NoReply> {
        match all(bytes)?.pop() {
            Some(Line::Meta(meta)) => meta.reply(expects),
            _ => Err(NoReply),
        }
    }

    /// As memcached 1.6.18 answers.
    #[test]
    fn replies_are_read_as_what_was_asked() {
        let item = |bytes: &'static str, value: &'static str, cas, ttl_left, won: [bool; 3]| {
            let value = Bytes::from_static(value.as_bytes());
            let [has_won, another_won, is_stale] = won;
            let note = if bytes.contains(" f7") { 7 } else { 0 };
            let expected = Reply::Value { value, cas, ttl_left, note, has_won, another_won, is_stale };
            assert_eq!(reply(bytes.as_bytes(), Expects::Item), Ok(expected), "{bytes:?}");
        };
        item("VA 2 c1 t30 f7 O13\r\n41\r\n", "41", 1, Some(30), [false; 3]);
        item("VA 2 c1 t30 f0 O13\r\n41\r\n", "41", 1, Some(30), [false; 3]);
        item("VA 0 c1 t-1 O13 W\r\n\r\n", "", 1, None, [true, false, false]);
        item("VA 0 c1 t30 O13 Z\r\n\r\n", "", 1, Some(30), [false, true, false]);
        item("VA 6 c3 t60 O7 X W\r\nhe\r\nlo\r\n", "he\r\nlo", 3, Some(60), [true, false, true]);
        assert_eq!(reply(b"EN O12\r\n", Expects::Item), Ok(Reply::Missing));
        assert_eq!(reply(b"EN\r\n", Expects::Item), Ok(Reply::Missing));
        let head = |size, ttl_left, note| Ok(Reply::Head { size, ttl_left, note });
        assert_eq!(reply(b"HD s921600 t60 f7 O3\r\n", Expects::Head), head(921_600, Some(60), 7));
        assert_eq!(reply(b"HD s0 t-1 f0 O3 W\r\n", Expects::Head), head(0, None, 0));
        assert_eq!(reply(b"EN O3\r\n", Expects::Head), Ok(Reply::Missing));
        assert_eq!(reply(b"HD c2 O4\r\n", Expects::Stored), Ok(Reply::Stored { cas: 2 }));
        assert_eq!(reply(b"EX c0 O4\r\n", Expects::Stored), Ok(Reply::Exists));
        assert_eq!(reply(b"NS c0 O5\r\n", Expects::Stored), Ok(Reply::NotStored));
        assert_eq!(reply(b"NF c0 O5\r\n", Expects::Stored), Ok(Reply::NotFound));
        assert_eq!(reply(b"HD O6\r\n", Expects::Done), Ok(Reply::Done));
        assert_eq!(reply(b"EX O6\r\n", Expects::Done), Ok(Reply::Exists));
        assert_eq!(reply(b"NF O9\r\n", Expects::Done), Ok(Reply::NotFound));
        assert_eq!(reply(b"VA 1 O11\r\n6\r\n", Expects::Number), Ok(Reply::Number(6)));
        // (A counter that has become shorter is filled up by spaces.)
        assert_eq!(reply(b"VA 2 O11\r\n9 \r\n", Expects::Number), Ok(Reply::Number(9)));
        assert_eq!(reply(b"EX O11\r\n", Expects::Number), Ok(Reply::Exists));
        assert_eq!(
            all(b"VERSION 1.6.18\r\nSTAT pid 7\r\nSTAT time 8\r\nEND\r\nEND\r\n").unwrap(),
            [
                Line::Text(Expects::Version, Bytes::from_static(b"1.6.18")),
                Line::Text(Expects::Stats, Bytes::from_static(b"STAT pid 7\r\nSTAT time 8\r\n")),
                Line::Text(Expects::Stats, Bytes::new()),
            ]
        );
        assert_eq!(
            all(b"SERVER_ERROR object too large for cache\r\nSERVER_ERROR out of memory storing object\r\n\
                SERVER_ERROR Out of memory during read\r\nSERVER_ERROR x\r\nERROR\r\nCLIENT_ERROR bad data chunk\r\n")
            .unwrap(),
            [
                Line::Failed(Failed::TooLarge),
                Line::Failed(Failed::OutOfMemory),
                Line::Failed(Failed::OutOfMemory),
                Line::Failed(Failed::Otherwise),
                Line::Refused,
                Line::Refused,
            ]
        );
    }

    #[test]
    fn g7_what_is_no_reply_is_an_error() {
        for bytes in [
            "\r\n",
            "HD\n",
            "HDx\r\n",
            "HD q\r\n",
            "HD W1\r\n",
            "HD c\r\n",
            "HD c-1\r\n",
            "HD f4294967296\r\n",
            "HD c18446744073709551616\r\n",
            "HD O65536\r\n",
            "VA\r\n\r\n",
            "VA x\r\nx\r\n",
            "VA 1 c1\r\nxyz\r\n",
            "VA 100001\r\n",
            "VA 4294967296\r\n",
            "VA 18446744073709551616\r\n",
            "VA -1\r\n\r\n",
            "OK\r\n",
            "+PONG\r\n",
            "-ERR unknown command\r\n",
            "VALUE a 0 1\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
        ] {
            assert_eq!(all(bytes.as_bytes()), Err(NoReply), "{bytes:?}");
        }
        let long = vec![b'x'; LONGEST_LINE];
        assert_eq!(all(&long), Err(NoReply));
        assert_eq!(all(&[&b"STAT "[..], &vec![b'x'; LONGEST_STATS]].concat()), Err(NoReply));
        for (bytes, expects) in [
            ("VA 0 t1 O1\r\n\r\n", Expects::Item),
            ("VA 0 c1 O1\r\n\r\n", Expects::Item),
            ("HD O1\r\n", Expects::Item),
            ("HD s1 f0 O1\r\n", Expects::Head),
            ("HD t1 f0 O1\r\n", Expects::Head),
            ("VA 0 s0 t1 f0 O1\r\n\r\n", Expects::Head),
            ("HD O1\r\n", Expects::Stored),
            ("EN O1\r\n", Expects::Done),
            ("NS O1\r\n", Expects::Number),
            ("VA 1 O1\r\nx\r\n", Expects::Number),
            ("VA 0 O1\r\n\r\n", Expects::Number),
        ] {
            assert_eq!(reply(bytes.as_bytes(), expects), Err(NoReply), "{bytes:?}");
        }
    }

    #[test]
    fn a_small_value_keeps_nothing_of_what_was_read_beside_it() {
        for (length, is_copied) in [(1, true), (COPIED, true), (COPIED + 1, false)] {
            let mut from = BytesMut::from(&*format!("VA {length} c1 t1 O1\r\n{}\r\nEN O2\r\n", "v".repeat(length)));
            let Ok(Some(Line::Meta(meta))) = parse(&mut from, LARGEST) else { panic!("{length}") };
            assert_eq!((meta.value.len(), meta.value.is_unique()), (length, is_copied));
        }
    }

    #[test]
    fn a_reply_that_comes_byte_by_byte_is_the_same() {
        let large = format!("VA 20000 c9 t1 O2\r\n{}\r\n", "v".repeat(20_000));
        let bytes = ["VA 6 c3 t60 O7 X W\r\nhe\r\nlo\r\n", "STAT a 1\r\nEND\r\n", &large, "EN O3\r\n"].concat();
        let whole = all(bytes.as_bytes()).unwrap();
        assert_eq!(whole.len(), 4);
        let (mut from, mut lines) = (BytesMut::new(), Vec::new());
        for byte in bytes.bytes() {
            from.extend_from_slice(&[byte]);
            while let Some(line) = parse(&mut from, LARGEST).unwrap() {
                lines.push(line);
            }
        }
        assert_eq!(lines, whole);
    }

    #[test]
    fn g7_random_bytes_make_no_panic() {
        let seed = fastrand::u64(..);
        let mut dice = fastrand::Rng::with_seed(seed);
        let words: [&[u8]; 12] = [
            b"VA ",
            b"HD",
            b" c1",
            b" t-1",
            b"STAT ",
            b"END\r\n",
            b"\r\n",
            b"5",
            b" O7",
            b"EN",
            b"\n",
            b"SERVER_ERROR ",
        ];
        for _ in 0..20_000 {
            let mut bytes = BytesMut::new();
            for _ in 0..dice.usize(0..12) {
                match dice.usize(0..14) {
                    at @ 0..12 => bytes.extend_from_slice(words[at]),
                    _ => bytes.extend_from_slice(&[dice.u8(..)]),
                }
            }
            while let Ok(Some(line)) = parse(&mut bytes, LARGEST) {
                if let Line::Meta(meta) = line {
                    let _either = meta.reply(Expects::Item);
                }
            }
        }
        println!("seed {seed}");
    }
}
