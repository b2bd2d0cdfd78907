//! What each script of the Redis backend does, as a function on the server's keys.
//!
//! Written from `src/backend/redis/scripts`, line by line; a function has the name of its script, or of the script's
//! function. It depends on `store.rs` alone, so that a test can run the same calls on a real server and here, and
//! compare the replies ([`Resp`]), the keys and the signals.
//!
//! The caller gives the server's clock, in both of its forms: `PX`, `PTTL` and the expiry of keys go by milliseconds,
//! `TIME` by microseconds. A real server takes both from one clock, once for each script.
//!
//! [`Faults`] are mistakes that the model must find. Without any of them a function is its script.

use super::store::Store;

/// The keys of a place.
#[derive(Debug)]
pub struct Keys<'a, K> {
    /// `KEYS[1]`: the grant, or its tombstone.
    pub lease: &'a K,
    /// `KEYS[2]`.
    pub pause: &'a K,
    /// `KEYS[3]` and those that follow: the entry of the caller's shape first.
    pub entries: &'a [K],
}

// (Derived, these would ask the key for the same.)
impl<K> Clone for Keys<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Keys<'_, K> {}

/// A reply, as it comes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resp {
    Number(i64),
    Text(Vec<u8>),
    Array(Vec<Resp>),
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    Granted { number: String, failures: String },
    Held { token: String, beat: String, left: i64, is_void: bool },
    Paused { failures: String, left: i64 },
    Changed(Vec<u8>),
}

/// The answer to a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    Yes { was_there: bool, voided: bool, unsignalled: bool },
    Refused(Vec<u8>),
}

/// The answer to a publication or an end: how it went, and whether the right to the channel is missing.
pub type Told = (&'static str, bool);

/// The answer of a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    Now(String),
    TooLarge(String),
}

fn text(text: &str) -> Resp {
    Resp::Text(text.as_bytes().to_vec())
}

impl Claimed {
    pub fn resp(&self) -> Resp {
        Resp::Array(match self {
            Claimed::Granted { number, failures } => vec![text("granted"), text(number), text(failures)],
            Claimed::Held { token, beat, left, is_void } => {
                vec![text("held"), text(token), text(beat), Resp::Number(*left), Resp::Number((*is_void).into())]
            }
            Claimed::Paused { failures, left } => vec![text("paused"), text(failures), Resp::Number(*left)],
            Claimed::Changed(entry) => vec![text("changed"), Resp::Text(entry.clone())],
        })
    }
}

impl Changed {
    pub fn resp(&self) -> Resp {
        Resp::Array(match self {
            Changed::Yes { was_there, voided, unsignalled } => {
                let flags = [was_there, voided, unsignalled].map(|flag| Resp::Number((*flag).into()));
                [text("yes")].into_iter().chain(flags).collect()
            }
            Changed::Refused(entry) => vec![text("refused"), Resp::Text(entry.clone())],
        })
    }
}

impl Counted {
    pub fn resp(&self) -> Resp {
        Resp::Array(match self {
            Counted::Now(value) => vec![text("now"), text(value)],
            Counted::TooLarge(value) => vec![text("too large"), text(value)],
        })
    }
}

/// Returns the reply of `publish` and `end` as it comes over the wire.
pub fn told((how, unsignalled): Told) -> Resp {
    Resp::Array(vec![text(how), Resp::Number(unsignalled.into())])
}

/// Stands for any number of a grant.
const ANY: &str = "*";

/// What is broken: nothing, but in the tests of the model.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // One for each fault.
pub struct Faults {
    /// A claim is a bare `SET NX`: it does not look at what was seen.
    pub claims_what_was_not_seen: bool,
    pub publishes_without_a_token: bool,
    pub publishes_without_a_number: bool,
    pub claims_over_tombstones: bool,
    pub counts_any_life: bool,
    pub believes_a_lease_for_ever: bool,
    pub invalidation_leaves_the_lease: bool,
    pub claims_through_pauses: bool,
}

/// `anyones`: the grant, or its tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub is_void: bool,
    pub life: String,
    pub token: String,
    pub number: String,
    pub beat: String,
    pub is_marked: bool,
    pub left: i64,
}

/// The parts of `^([gv]) (%x+) (%x+) (%d+) (%d+) ([01])$`, if they could be of the scripts.
fn parts(text: &str) -> Option<[&str; 6]> {
    let parts: Vec<&str> = text.split(' ').collect();
    let parts: [&str; 6] = parts.try_into().ok()?;
    let all = |part: &str, is: fn(&u8) -> bool| !part.is_empty() && part.bytes().all(|byte| is(&byte));
    let [kind, life, token, number, beat, mark] = parts;
    let is_ours = matches!(kind, "g" | "v")
        && [life, token].iter().all(|part| all(part, u8::is_ascii_hexdigit))
        && [number, beat].iter().all(|part| all(part, u8::is_ascii_digit))
        && matches!(mark, "0" | "1")
        && token.len() == 16
        && fits(number, (1 << 53) - 2)
        && fits(beat, u32::MAX.into());
    is_ours.then_some(parts)
}

/// `fits`.
fn fits(number: &str, most: u64) -> bool {
    number.len() <= 16 && number.parse::<u64>().is_ok_and(|number| number <= most)
}

/// A script that runs.
#[derive(Debug)]
pub struct Run<'a, K> {
    pub store: &'a mut Store<K>,
    pub milliseconds: i64,
    pub microseconds: u64,
    /// Whether the user has the right to the channel.
    pub may_signal: bool,
    /// What was said on the channel.
    pub said: Option<&'static str>,
    pub faults: Faults,
}

impl<K: Ord + Clone> Run<'_, K> {
    fn text(&self, key: &K) -> &[u8] {
        self.store.get(key, self.milliseconds).ok().flatten().unwrap_or_default()
    }

    /// `keep`: a lifetime of 0 is not at all, `None` is for ever.
    fn keep(&mut self, key: &K, value: &[u8], lifetime: Option<u64>) {
        match lifetime {
            Some(0) => self.store.delete(key),
            lifetime => self.store.set(key, value, self.milliseconds, lifetime),
        }
    }

    fn state(&self, key: &K) -> Vec<u8> {
        let found = self.text(key);
        found[..found.len().min(10)].to_vec()
    }

    fn is_ours(seen: &[u8]) -> bool {
        seen.len() == 10 && seen[0] == 0xD9
    }

    /// `anyones`.
    fn anyones(&self, keys: Keys<'_, K>) -> Option<Held> {
        let [kind, life, token, number, beat, mark] = parts(std::str::from_utf8(self.text(keys.lease)).ok()?)?;
        let left = self.store.pttl(keys.lease, self.milliseconds);
        if left < 1 && !self.faults.believes_a_lease_for_ever {
            return None;
        }
        let [life, token, number, beat] = [life, token, number, beat].map(str::to_owned);
        Some(Held { is_void: kind == "v", life, token, number, beat, is_marked: mark == "1", left })
    }

    /// `held`.
    pub fn held(&self, keys: Keys<'_, K>, life: &str) -> Option<Held> {
        self.anyones(keys).filter(|grant| grant.life == life || self.faults.counts_any_life)
    }

    fn written(kind: char, grant: &Held) -> Vec<u8> {
        let Held { life, token, number, beat, is_marked, .. } = grant;
        format!("{kind} {life} {token} {number} {beat} {}", u8::from(*is_marked)).into_bytes()
    }

    fn beat(now: u64, before: Option<&Held>) -> String {
        let beat = (now % (1 << 32)).to_string();
        if before.is_some_and(|before| before.beat == beat) { ((now + 1) % (1 << 32)).to_string() } else { beat }
    }

    fn lost(grant: Option<&Held>, token: &str, number: &str) -> Option<&'static str> {
        match grant {
            None => Some("gone"),
            Some(grant) if grant.token != token => Some("overtaken"),
            Some(grant) if grant.is_void => Some("voided"),
            Some(grant) if number != ANY && grant.number != number => Some("gone"),
            Some(_) => None,
        }
    }

    /// `paused`: the number of failures, and how long the pause lasts, less than 1 where only its mark is left.
    pub fn paused(&self, keys: Keys<'_, K>) -> (String, i64) {
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let found = std::str::from_utf8(self.text(keys.pause)).ok().and_then(|text| text.split_once(' '));
        let found = found.filter(|(failures, length)| all_digits(failures) && all_digits(length));
        let found = found.filter(|(failures, _)| fits(failures, u32::MAX.into()));
        let Some((failures, length)) = found else { return ("0".to_owned(), 0) };
        let length = length.parse().unwrap_or(i64::MAX);
        (failures.to_owned(), self.store.pttl(keys.pause, self.milliseconds).saturating_sub(length))
    }

    fn void(&mut self, keys: Keys<'_, K>, life: &str, lifetime: Option<u64>) -> bool {
        self.store.delete(keys.pause);
        match self.anyones(keys) {
            Some(grant) if !grant.is_void && !self.faults.invalidation_leaves_the_lease => {
                self.keep(keys.lease, &Self::written('v', &grant), lifetime);
                grant.life == life
            }
            _ => false,
        }
    }

    /// `signal`. Without a channel nothing is said. Returns whether the right to it is missing.
    fn signal(&mut self, has_channel: bool, what: &'static str) -> bool {
        if has_channel && self.may_signal {
            self.said = Some(what);
        }
        has_channel && !self.may_signal
    }

    /// `claim.lua`. `seen`: `None` is any. `over`: as the script takes it.
    pub fn claim(
        &mut self,
        keys: Keys<'_, K>,
        (life, token, lease): (&str, &str, Option<u64>),
        seen: Option<&[u8]>,
        over: &str,
        through: bool,
    ) -> Claimed {
        let (mut now, grant) = (self.microseconds, self.held(keys, life));
        let (failures, left) = self.paused(keys);
        if let Some(grant) = &grant {
            if grant.token == token && !grant.is_void {
                let grant = Held { beat: Self::beat(now, Some(grant)), ..grant.clone() };
                self.keep(keys.lease, &Self::written('g', &grant), lease);
                return Claimed::Granted { number: grant.number, failures };
            }
            let is_passed = over == "*"
                || (!grant.is_void && over == format!("{} {}", grant.token, grant.beat))
                || (grant.is_void && self.faults.claims_over_tombstones);
            if !is_passed {
                let Held { token, beat, left, is_void, .. } = grant.clone();
                return Claimed::Held { token, beat, left, is_void };
            }
        }
        if left > 0 && !through && !self.faults.claims_through_pauses {
            return Claimed::Paused { failures, left };
        }
        let is_other = seen.is_some_and(|seen| seen != self.state(&keys.entries[0]));
        if is_other && !self.faults.claims_what_was_not_seen {
            return Claimed::Changed(self.text(&keys.entries[0]).to_vec());
        }
        // (The script's numbers are floats: these two are the same below 2^53.)
        let before = grant.as_ref().and_then(|grant| grant.number.parse::<u64>().ok());
        if let Some(before) = before.filter(|before| now <= *before) {
            now = before + 1;
        }
        let beat = Self::beat(now, grant.as_ref());
        let (life, token, number) = (life.to_owned(), token.to_owned(), now.to_string());
        let new = Held { is_void: false, life, token, number, beat, is_marked: false, left: 0 };
        self.keep(keys.lease, &Self::written('g', &new), lease);
        Claimed::Granted { number: new.number, failures }
    }

    /// `renew.lua`.
    pub fn renew(
        &mut self,
        keys: Keys<'_, K>,
        (life, token, number): (&str, &str, &str),
        lease: Option<u64>,
    ) -> &'static str {
        let grant = self.held(keys, life);
        let why = Self::lost(grant.as_ref(), token, number);
        let (None, Some(grant)) = (why, grant) else { return why.unwrap_or("gone") };
        let grant = Held { beat: Self::beat(self.microseconds, Some(&grant)), ..grant };
        self.keep(keys.lease, &Self::written('g', &grant), lease);
        "yes"
    }

    /// `publish.lua`.
    pub fn publish(
        &mut self,
        keys: Keys<'_, K>,
        (life, token, number): (&str, &str, &str),
        entry: &[u8],
        lifetime: Option<u64>,
        has_channel: bool,
    ) -> Told {
        let grant = self.held(keys, life);
        let number = if self.faults.publishes_without_a_number { ANY } else { number };
        let why = Self::lost(grant.as_ref(), token, number).filter(|_| !self.faults.publishes_without_a_token);
        match why {
            Some("voided") => {
                self.store.delete(keys.lease);
                return ("voided", self.signal(has_channel, "ended"));
            }
            Some(why) => return (why, false),
            None => {}
        }
        let is_marked = grant.is_some_and(|grant| grant.is_marked);
        let own = &keys.entries[0];
        self.keep(own, entry, lifetime);
        if is_marked && lifetime != Some(0) {
            self.store.set_range(own, 1, &[1], self.milliseconds).expect("a text was just set");
        }
        self.store.delete(keys.lease);
        self.store.delete(keys.pause);
        (if is_marked { "stale" } else { "fresh" }, self.signal(has_channel, "stored"))
    }

    /// `end.lua`. The pause: its failures, its length, and twice that.
    pub fn end(
        &mut self,
        keys: Keys<'_, K>,
        (life, token, number): (&str, &str, &str),
        pause: Option<(u32, u64, u64)>,
        has_channel: bool,
    ) -> Told {
        let number = if number == "0" { ANY } else { number };
        let why = Self::lost(self.held(keys, life).as_ref(), token, number);
        if let Some(why) = why.filter(|why| *why != "voided") {
            return (why, false);
        }
        self.store.delete(keys.lease);
        if let (None, Some((failures, length, twice))) = (why, pause) {
            self.keep(keys.pause, format!("{failures} {length}").as_bytes(), Some(twice));
        }
        (why.unwrap_or("yes"), self.signal(has_channel, "ended"))
    }

    /// `invalidate.lua`.
    pub fn invalidate(&mut self, keys: Keys<'_, K>, life: &str, tombstone: Option<u64>, has_channel: bool) -> Changed {
        let was_there = !self.state(&keys.entries[0]).is_empty();
        for entry in keys.entries {
            self.store.delete(entry);
        }
        let voided = self.void(keys, life, tombstone);
        Changed::Yes { was_there, voided, unsignalled: self.signal(has_channel, "ended") }
    }

    /// `mark.lua`. `new`: the eight bytes of the new state's number.
    pub fn mark(&mut self, keys: Keys<'_, K>, _life: &str, new: &[u8], has_channel: bool) -> Changed {
        let was_there = !self.state(&keys.entries[0]).is_empty();
        for entry in keys.entries {
            if Self::is_ours(&self.state(entry)) {
                let bytes = [&[1], new].concat();
                self.store.set_range(entry, 1, &bytes, self.milliseconds).expect("a text was just read");
            }
        }
        if let Some(mut grant) = self.anyones(keys) {
            grant.is_marked = true;
            let kind = if grant.is_void { 'v' } else { 'g' };
            self.store.set_keeping(keys.lease, &Self::written(kind, &grant), self.milliseconds);
        }
        Changed::Yes { was_there, voided: false, unsignalled: self.signal(has_channel, "stored") }
    }

    /// `set.lua`. `seen`: `None` is any.
    pub fn set(
        &mut self,
        keys: Keys<'_, K>,
        life: &str,
        (entry, lifetime): (&[u8], Option<u64>),
        seen: Option<&[u8]>,
        tombstone: Option<u64>,
        has_channel: bool,
    ) -> Changed {
        let own = &keys.entries[0];
        let before = self.state(own);
        if seen.is_some_and(|seen| seen != before) {
            return Changed::Refused(self.text(own).to_vec());
        }
        self.keep(own, entry, lifetime);
        let voided = self.void(keys, life, tombstone);
        Changed::Yes { was_there: !before.is_empty(), voided, unsignalled: self.signal(has_channel, "stored") }
    }

    /// `touch.lua`.
    pub fn touch(
        &mut self,
        keys: Keys<'_, K>,
        (entry, lifetime): (&[u8], Option<u64>),
        seen: &[u8],
        has_channel: bool,
    ) -> Changed {
        let own = &keys.entries[0];
        let before = self.state(own);
        if before.is_empty() || seen != before {
            return Changed::Refused(self.text(own).to_vec());
        }
        self.keep(own, entry, lifetime);
        if Self::is_ours(&before) && lifetime != Some(0) {
            self.store.set_range(own, 1, &before[1..2], self.milliseconds).expect("a text was just set");
        }
        Changed::Yes { was_there: true, voided: false, unsignalled: self.signal(has_channel, "stored") }
    }

    /// `count.lua`. `largest`: the largest value from which that may be added; `None` (an empty text): none.
    pub fn count(&mut self, counter: &K, delta: i64, largest: Option<u64>, lifetime: Option<u64>) -> Counted {
        let now = Self::counted(self.text(counter));
        let value = now.unwrap_or(0);
        if delta < 0 {
            if now.is_none() || value.unsigned_abs() < delta.unsigned_abs() {
                if now.is_some() {
                    self.store.set_keeping(counter, b"0", self.milliseconds);
                }
                return Counted::Now("0".to_owned());
            }
        } else if largest.is_none_or(|largest| largest < value.unsigned_abs()) {
            return Counted::TooLarge(value.to_string());
        } else if now.is_none() {
            if delta != 0 {
                self.keep(counter, delta.to_string().as_bytes(), lifetime);
            }
            return Counted::Now(delta.to_string());
        }
        let sum = (value + delta).to_string();
        self.store.set_keeping(counter, sum.as_bytes(), self.milliseconds);
        Counted::Now(sum)
    }

    /// The value of a counter: digits without leading zeros, of 2^63 - 1 at most.
    fn counted(found: &[u8]) -> Option<i64> {
        let is_number = found.iter().all(u8::is_ascii_digit) && (found == b"0" || found.first() != Some(&b'0'));
        std::str::from_utf8(found).ok().filter(|_| is_number)?.parse().ok()
    }
}
