//! The scripts of the Redis backend on a real server do what the model says that they do.
//!
//! Random calls run on both sides: as the scripts on a server whose clock the test moves, and as the functions that the
//! model checker drives (`cache/tests/round/redis/scripts.rs`). After each call the reply, the texts of all keys, their
//! lifetimes and what was signalled are the same. So what the model shows of the functions holds for the scripts.
//!
//! Times are whole minutes: on the server time goes on while the test runs, by less than one. What a script takes from
//! the server's `TIME` is read from the grant that it has written, and given to the function.
//!
//! The seed is printed if the two differ; `DOGPILE_CACHE_SEED` repeats it.

#[allow(dead_code)] // The faults are the model's.
#[path = "../../cache/tests/round/redis/scripts.rs"]
mod scripts;
#[allow(dead_code)]
#[path = "../../cache/tests/round/redis/store.rs"]
mod store;

use dogpile_servers::{Client, RedisServer, Value};
use fastrand::Rng;
use scripts::{Faults, Keys, Resp, Run, told};
use store::{Item, Store};

macro_rules! script {
    ($file:literal) => {
        concat!(
            include_str!("../../cache/src/backend/redis/scripts/shared.lua"),
            include_str!(concat!("../../cache/src/backend/redis/scripts/", $file))
        )
    };
}

const MINUTE: u64 = 60_000;
const GRANT: &str = "{place}@grant";
const PAUSE: &str = "{place}@pause";
const ENTRIES: [&str; 2] = ["{place}@1.1", "{place}@2.1"];
const COUNT: &str = "{place}@count";
/// The script signals by the command that it is given: this one leaves what it says.
const SAYS: [&str; 2] = ["RPUSH", "said"];
const LIVES: [&str; 2] = ["00000000000000a1", "00000000000000a2"];
const TOKENS: [&str; 3] = ["0000000000000001", "0000000000000002", "ffffffffffffffff"];

/// A call: the script, its keys and arguments, and what the function is run with.
struct Pair<'a> {
    server: &'a RedisServer,
    client: Client,
    store: Store<&'static str>,
    milliseconds: i64,
    rng: Rng,
    /// Numbers and beats of grants that were seen.
    numbers: Vec<String>,
    beats: Vec<(String, String)>,
}

fn keys(entries: &'static [&'static str]) -> Keys<'static, &'static str> {
    Keys { lease: &GRANT, pause: &PAUSE, entries }
}

fn resp(value: &Value) -> Resp {
    match value {
        Value::Int(number) => Resp::Number(*number),
        Value::Array(parts) => Resp::Array(parts.iter().map(resp).collect()),
        Value::Bulk(bytes) => Resp::Text(bytes.clone()),
        Value::Simple(text) => Resp::Text(text.clone().into_bytes()),
        other => panic!("a script has answered {other:?}"),
    }
}

/// Rounds what is left of a lease or a pause up to whole minutes.
fn rounded(mut reply: Resp) -> Resp {
    if let Resp::Array(parts) = &mut reply {
        let at = match parts.first() {
            Some(Resp::Text(what)) if what == b"held" => 3,
            Some(Resp::Text(what)) if what == b"paused" => 2,
            _ => return reply,
        };
        if let Resp::Number(left) = &mut parts[at] {
            *left = minutes(*left);
        }
    }
    reply
}

fn minutes(left: i64) -> i64 {
    let minute = i64::try_from(MINUTE).unwrap();
    if left <= 0 { left } else { (left + minute - 1) / minute }
}

/// A state that was seen, as the scripts take it.
fn equal_to(seen: &[u8]) -> Vec<u8> {
    [b"=", seen].concat()
}

fn lifetime(text: &str) -> Option<u64> {
    (!text.is_empty()).then(|| text.parse().unwrap())
}

impl Pair<'_> {
    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())]
    }

    fn minutes(&mut self) -> String {
        (MINUTE * self.choose(&[1, 2, 3, 10])).to_string()
    }

    fn lifetime(&mut self) -> String {
        match self.rng.u32(..8) {
            0 => "0".to_owned(),
            1 | 2 => String::new(),
            _ => self.minutes(),
        }
    }

    fn entry(&mut self) -> Vec<u8> {
        let mut entry = vec![0xD9, 0];
        entry.extend(self.rng.u64(..).to_be_bytes());
        entry.extend(&b"the envelope"[..self.rng.usize(..12)]);
        entry
    }

    fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        match self.client.command(&["GET", key]).unwrap() {
            Value::Bulk(text) => Some(text),
            _ => None,
        }
    }

    /// The state of the first entry, or another one.
    fn seen(&mut self) -> Vec<u8> {
        match self.rng.u32(..6) {
            0 => Vec::new(),
            1 => vec![0xD9, 0, 1, 2, 3, 4, 5, 6, 7, 8],
            _ => self.get(ENTRIES[0]).map(|text| text[..text.len().min(10)].to_vec()).unwrap_or_default(),
        }
    }

    /// Token and number of a grant: most often of the one that is there.
    fn held(&mut self) -> (&'static str, String) {
        let text = self.get(GRANT).and_then(|text| String::from_utf8(text).ok()).unwrap_or_default();
        let parts: Vec<&str> = text.split(' ').collect();
        if parts.len() == 6 && self.rng.u32(..4) > 0 {
            let token = TOKENS.into_iter().find(|token| *token == parts[2]);
            if let Some(token) = token {
                return (token, parts[3].to_owned());
            }
        }
        let known =
            if self.numbers.is_empty() { "7".to_owned() } else { self.rng.choice(&self.numbers).unwrap().clone() };
        (self.choose(&TOKENS), if self.rng.u32(..4) == 0 { "0".to_owned() } else { known })
    }

    fn eval(&mut self, code: &str, keys: &[&str], arguments: &[&[u8]]) -> Resp {
        let count = keys.len().to_string();
        let mut words: Vec<&[u8]> = vec![b"EVAL", code.as_bytes(), count.as_bytes()];
        words.extend(keys.iter().map(|key| key.as_bytes()));
        words.extend(arguments);
        let reply = self.client.command(&words).unwrap();
        resp(&reply)
    }

    /// Runs the function, with what the script has taken from the server's time.
    fn function<T>(&mut self, run: impl FnOnce(&mut Run<'_, &'static str>) -> T) -> (T, Option<&'static str>) {
        let text = self.get(GRANT).and_then(|text| String::from_utf8(text).ok()).unwrap_or_default();
        let parts: Vec<&str> = text.split(' ').collect();
        let microseconds = match parts[..] {
            ["g" | "v", _, _, number, beat, _] => {
                let is_new = !self.numbers.iter().any(|known| known == number);
                if is_new {
                    self.numbers.push(number.to_owned());
                }
                self.beats.push((parts[2].to_owned(), beat.to_owned()));
                (if is_new { number } else { beat }).parse().unwrap_or(0)
            }
            _ => 0,
        };
        let milliseconds = self.milliseconds;
        let faults = Faults::default();
        let store = &mut self.store;
        let mut running = Run { store, milliseconds, microseconds, may_signal: true, said: None, faults };
        let answer = run(&mut running);
        (answer, running.said)
    }

    fn claim(&mut self) -> (String, Resp, Resp, Option<&'static str>) {
        let (life, token, lease, seen) = (self.choose(&LIVES), self.choose(&TOKENS), self.lifetime(), self.seen());
        let lease = if lease.is_empty() { "0".to_owned() } else { lease };
        let any = self.rng.u32(..4) == 0;
        let over = match self.rng.u32(..6) {
            0 => "*".to_owned(),
            1 | 2 => self.beats.last().map(|(token, beat)| format!("{token} {beat}")).unwrap_or_default(),
            _ => String::new(),
        };
        let through = self.rng.bool();
        let equals = equal_to(&seen);
        let arguments: [&[u8]; 6] = [
            life.as_bytes(),
            token.as_bytes(),
            lease.as_bytes(),
            if any { b"*" } else { &equals },
            over.as_bytes(),
            if through { b"1" } else { b"0" },
        ];
        let real = self.eval(script!("claim.lua"), &[GRANT, PAUSE, ENTRIES[0]], &arguments);
        // (The grant of a lease of nothing is not there to be read.)
        let number = match &real {
            Resp::Array(parts) if parts[0] == Resp::Text(b"granted".to_vec()) && lease == "0" => Some(parts[1].clone()),
            _ => None,
        };
        let (answer, said) = self.function(|run| {
            if let Some(Resp::Text(number)) = &number {
                run.microseconds = String::from_utf8_lossy(number).parse().unwrap();
            }
            let (lease, seen) = (lifetime(&lease), (!any).then_some(&seen[..]));
            run.claim(keys(&ENTRIES[..1]), (life, token, lease), seen, &over, through)
        });
        (format!("claim {life} {token} {lease} {over:?} {through}"), real, answer.resp(), said)
    }

    fn holder(&mut self) -> (String, Resp, Resp, Option<&'static str>) {
        let (life, (token, number)) = (self.choose(&LIVES), self.held());
        let held = (life, token, &*number);
        let mut arguments: Vec<&[u8]> = vec![life.as_bytes(), token.as_bytes(), number.as_bytes()];
        let all = [GRANT, PAUSE, ENTRIES[0]];
        match self.rng.u32(..3) {
            0 => {
                let lease = self.minutes();
                arguments.push(lease.as_bytes());
                let real = self.eval(script!("renew.lua"), &all, &arguments);
                let (why, said) = self.function(|run| run.renew(keys(&ENTRIES[..1]), held, lifetime(&lease)));
                (format!("renew {held:?}"), real, Resp::Text(why.as_bytes().to_vec()), said)
            }
            1 => {
                let (entry, time) = (self.entry(), self.lifetime());
                arguments.extend([&entry[..], time.as_bytes(), SAYS[0].as_bytes(), SAYS[1].as_bytes()]);
                let real = self.eval(script!("publish.lua"), &all, &arguments);
                let published =
                    |run: &mut Run<'_, _>| run.publish(keys(&ENTRIES[..1]), held, &entry, lifetime(&time), true);
                let (answer, said) = self.function(published);
                (format!("publish {held:?} {time:?}"), real, told(answer), said)
            }
            _ => {
                let (pauses, length) = (self.rng.bool(), MINUTE * self.choose(&[1, 2, 5]));
                let (one, two) =
                    if pauses { (length.to_string(), (2 * length).to_string()) } else { ("0".into(), "0".into()) };
                arguments.extend([b"3", one.as_bytes(), two.as_bytes(), SAYS[0].as_bytes(), SAYS[1].as_bytes()]);
                let real = self.eval(script!("end.lua"), &all, &arguments);
                let pause = pauses.then_some((3, length, 2 * length));
                let (answer, said) = self.function(|run| run.end(keys(&ENTRIES[..1]), held, pause, true));
                (format!("end {held:?} {pause:?}"), real, told(answer), said)
            }
        }
    }

    fn change(&mut self) -> (String, Resp, Resp, Option<&'static str>) {
        let (life, all) = (self.choose(&LIVES), [GRANT, PAUSE, ENTRIES[0], ENTRIES[1]]);
        let (entry, time, tombstone, seen) = (self.entry(), self.lifetime(), self.lifetime(), self.seen());
        let tombstone = if tombstone.is_empty() { MINUTE.to_string() } else { tombstone };
        let [rpush, to] = SAYS.map(str::as_bytes);
        let life_bytes = life.as_bytes();
        let equals = equal_to(&seen);
        match self.rng.u32(..4) {
            0 => {
                let any = self.rng.bool();
                let seen_bytes: &[u8] = if any { b"*" } else { &equals };
                let arguments = [life_bytes, &entry, time.as_bytes(), seen_bytes, tombstone.as_bytes(), rpush, to];
                let real = self.eval(script!("set.lua"), &all[..3], &arguments);
                let (answer, said) = self.function(|run| {
                    let stored = (&entry[..], lifetime(&time));
                    let seen = (!any).then_some(&seen[..]);
                    run.set(keys(&ENTRIES[..1]), life, stored, seen, lifetime(&tombstone), true)
                });
                (format!("set {any} {time:?}"), real, answer.resp(), said)
            }
            1 => {
                let arguments = [life_bytes, &entry, time.as_bytes(), &equals, rpush, to];
                let real = self.eval(script!("touch.lua"), &all[..3], &arguments);
                let (answer, said) =
                    self.function(|run| run.touch(keys(&ENTRIES[..1]), (&entry, lifetime(&time)), &seen, true));
                (format!("touch {time:?}"), real, answer.resp(), said)
            }
            2 => {
                let new = self.rng.u64(..).to_be_bytes();
                let real = self.eval(script!("mark.lua"), &all, &[life_bytes, &new, rpush, to]);
                let (answer, said) = self.function(|run| run.mark(keys(&ENTRIES), life, &new, true));
                ("mark".to_owned(), real, answer.resp(), said)
            }
            _ => {
                let arguments = [life_bytes, tombstone.as_bytes(), rpush, to];
                let real = self.eval(script!("invalidate.lua"), &all, &arguments);
                let (answer, said) =
                    self.function(|run| run.invalidate(keys(&ENTRIES), life, lifetime(&tombstone), true));
                (format!("invalidate {tombstone}"), real, answer.resp(), said)
            }
        }
    }

    fn count(&mut self) -> (String, Resp, Resp, Option<&'static str>) {
        let delta = self.choose(&[1, 1, 2, 5, 0, -1, -3, i64::MAX, i64::MAX - 1, i64::MIN]);
        let largest = self.choose(&["", "0", "1", "10", "9223372036854775806", "9223372036854775807"]);
        // As the backend asks: a sum never leaves the range.
        let room = i64::MAX - delta.max(0);
        let largest = if lifetime(largest).is_some_and(|largest| largest > room.unsigned_abs()) {
            room.to_string()
        } else {
            largest.to_owned()
        };
        let time = self.lifetime();
        let code = include_str!("../../cache/src/backend/redis/scripts/count.lua");
        let arguments = [delta.to_string(), largest.clone(), time.clone()];
        let arguments: Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
        let real = self.eval(code, &[COUNT], &arguments);
        let (answer, said) = self.function(|run| run.count(&COUNT, delta, lifetime(&largest), lifetime(&time)));
        (format!("count {delta} {largest:?} {time:?}"), real, answer.resp(), said)
    }

    /// What others do to the keys, and what time does.
    fn stranger(&mut self) -> String {
        let key = self.choose(&[GRANT, PAUSE, ENTRIES[0], ENTRIES[1], COUNT]);
        match self.rng.u32(..6) {
            0 => {
                self.client.command(&["DEL", key]).unwrap();
                self.store.delete(&key);
                format!("DEL {key}")
            }
            1 => {
                self.client.command(&["PERSIST", key]).unwrap();
                if self.store.item(&key, self.milliseconds).is_some() {
                    self.store.persist(&key);
                }
                format!("PERSIST {key}")
            }
            2 => {
                self.client.command(&["DEL", key]).unwrap();
                self.client.command(&["RPUSH", key, "a list"]).unwrap();
                self.store.put(&key, Item { value: store::Value::Other, until: None });
                format!("RPUSH {key}")
            }
            3 => {
                let junk =
                    self.choose(&["", "x", "12", "007", "9223372036854775808", "3 60000", "g x y", "0123456789ab"]);
                self.client.command(&["SET", key, junk]).unwrap();
                self.store.set(&key, junk.as_bytes(), self.milliseconds, None);
                format!("SET {key} {junk:?}")
            }
            _ => {
                let minutes = self.choose(&[1, 1, 2, 5]);
                self.server.advance(std::time::Duration::from_millis(minutes * MINUTE)).unwrap();
                self.milliseconds += i64::try_from(minutes * MINUTE).unwrap();
                format!("{minutes} minutes pass")
            }
        }
    }

    /// What lies at each key, and for how long, on both sides.
    fn compare(&mut self) -> Result<(), String> {
        for key in [GRANT, PAUSE, ENTRIES[0], ENTRIES[1], COUNT] {
            let Value::Int(left) = self.client.command(&["PTTL", key]).unwrap() else { panic!("PTTL is a number") };
            let kind = self.client.command(&["TYPE", key]).unwrap();
            let text = if kind == Value::Simple("list".into()) { Err(store::WrongType) } else { Ok(self.get(key)) };
            let mine = self.store.get(&key, self.milliseconds).map(|text| text.map(<[u8]>::to_vec));
            let left_here = self.store.pttl(&key, self.milliseconds);
            // A key whose time is over this very minute is over on the server, where time has gone on.
            if left_here == 0 {
                self.store.delete(&key);
                continue;
            }
            if (&text.clone().ok(), minutes(left)) != (&mine.clone().ok(), minutes(left_here)) {
                return Err(format!("{key}: {text:?} for {left} ms, expected {mine:?} for {left_here} ms"));
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<String, String> {
        let (what, real, model, said) = match self.rng.u32(..20) {
            0..7 => self.claim(),
            7..12 => self.holder(),
            12..16 => self.change(),
            16..18 => self.count(),
            _ => {
                let what = self.stranger();
                return self.compare().map(|()| what.clone()).map_err(|why| format!("{what}\n{why}"));
            }
        };
        let (real, model) = (rounded(real), rounded(model));
        if real != model {
            return Err(format!("{what}\n{real:?}, expected {model:?}"));
        }
        let signalled = self.client.command(&["LPOP", SAYS[1]]).unwrap();
        let expected = said.map_or(Value::Nil, Value::bulk);
        if signalled != expected {
            return Err(format!("{what}\nsaid {signalled:?}, expected {expected:?}"));
        }
        self.compare().map(|()| what.clone()).map_err(|why| format!("{what}\n{why}"))
    }
}

#[test]
fn the_scripts_do_what_the_model_says() {
    let given = std::env::var("DOGPILE_CACHE_SEED").ok().map(|seed| seed.parse().expect("a seed"));
    let server = RedisServer::builder().fake_time().start().unwrap();
    for _ in 0..if given.is_some() { 1 } else { 60 } {
        let seed = given.unwrap_or_else(|| fastrand::u64(..));
        server.flush().unwrap();
        let (client, store, rng) = (server.client().unwrap(), Store::default(), Rng::with_seed(seed));
        let (numbers, beats) = (Vec::new(), Vec::new());
        let mut pair = Pair { server: &server, client, store, milliseconds: 0, rng, numbers, beats };
        let mut trace = String::new();
        for _ in 0..120 {
            match pair.step() {
                Ok(what) => trace += &(what + "\n"),
                Err(why) => panic!("DOGPILE_CACHE_SEED={seed}\n{trace}{why}"),
            }
        }
    }
}
