//! Random scripts, step by step the same on a backend and on the naive one.
//!
//! The seed of a script that differs is printed; `CONTRACT_SEED=…` runs that script alone, and `CONTRACT_SCRIPTS=…`
//! asks for more of them.

use crate::ground::{Ground, NEXT, SHAPE, block_on};
use crate::naive::{Held, Naive, Stock};
use bytes::Bytes;
use dogpile_cache::backend::{
    Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant, HeldBy, Look, Over, PauseFor, Published,
    Renewed, Rest, Seen, Token,
};
use dogpile_cache::codec::Shape;
use dogpile_cache::key::StoredKey;
use fastrand::Rng;
use libtest_mimic::Failed;
use std::env;
use std::fmt::Write;
use std::time::Duration;

pub const NAME: &str = "random_scripts_as_on_the_naive_one";

pub const SCRIPTS: u32 = 400;
const STEPS: u32 = 120;
/// Times are whole minutes, in seconds: on a server time goes on while a script runs, by less than one.
const UNIT: u64 = 60;
const PLACES: usize = 2;

pub fn run(make: fn() -> Ground, scripts: u32) -> Result<(), Failed> {
    let given = |name| env::var(name).ok().map(|number| number.parse::<u64>().expect(name));
    if let Some(seed) = given("CONTRACT_SEED") {
        return Ok(script(&make(), seed)?);
    }
    let scripts = given("CONTRACT_SCRIPTS").unwrap_or(scripts.into());
    for _ in 0..scripts {
        script(&make(), fastrand::u64(..))?;
    }
    Ok(())
}

/// A backend and the naive one, and what a script remembers of both.
struct Pair<'a> {
    g: &'a Ground,
    naive: Naive,
    rng: Rng,
    keys: Vec<StoredKey>,
    /// For each place, the states that were seen, with their names on both sides.
    seen: Vec<Vec<(Shape, Seen, u64)>>,
    /// For each place, the grants that were given, with their numbers and lives on the naive side.
    grants: Vec<Vec<(Grant, Held)>>,
    /// Tokens and beats that were seen, with the beats of the naive side.
    watched: Vec<(Token, u32, u32)>,
    snapshot: Option<(Box<dyn FnOnce()>, Stock)>,
}

/// Runs one script. An error says where the two differ.
pub fn script(g: &Ground, seed: u64) -> Result<(), String> {
    let keys = (0..PLACES).map(|place| g.key(&place.to_string())).collect();
    let mut pair = Pair {
        g,
        naive: Naive::new(g.backend.limits().has_tombstones, g.server.has_items(), g.sees_rest()),
        rng: Rng::with_seed(seed),
        keys,
        seen: vec![vec![(SHAPE, Seen::NOTHING, 0), (NEXT, Seen::NOTHING, 0)]; PLACES],
        grants: vec![Vec::new(); PLACES],
        watched: Vec::new(),
        snapshot: None,
    };
    let mut trace = String::new();
    for step in 0..STEPS {
        let (what, real, naive) = pair.step();
        writeln!(trace, "{step:4}  {what}\n      → {real}").unwrap();
        if real != naive {
            return Err(format!("CONTRACT_SEED={seed}\n{trace}      expected {naive}"));
        }
    }
    Ok(())
}

fn left(duration: Duration) -> String {
    if duration == Duration::MAX {
        return "ever".into();
    }
    let units = duration.as_millis().div_ceil(u128::from(UNIT) * 1000);
    (units * u128::from(UNIT)).to_string()
}

fn rest(rest: &Rest) -> String {
    match rest {
        Rest::Free => "free".into(),
        Rest::Held(by) => {
            let void = if by.is_void { " void" } else { "" };
            format!("held {:?} {}{void}", by.token, left(by.lease_left))
        }
        Rest::Paused(pause) => format!("paused {} {}", pause.failures, left(pause.left)),
        Rest::Granted(grant) => format!("a look has claimed: {grant:?}"),
    }
}

fn look(look: &Look) -> String {
    let rest = look.rest.as_ref().map_or("unseen".into(), rest);
    match &look.entry {
        Some(bytes) => format!("{bytes:?} {} {rest}", look.is_marked),
        None => format!("nothing {rest}"),
    }
}

impl Pair<'_> {
    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())]
    }

    fn duration(&mut self) -> Duration {
        let seconds = self.choose(&[0, 1, 2, 3, 5, 10, 10, 20, u64::MAX]);
        if seconds == u64::MAX { Duration::MAX } else { Duration::from_secs(seconds * UNIT) }
    }

    fn entry(&mut self) -> Entry {
        let bytes = Bytes::from(self.choose(&["", "a", "b", "c"]));
        let lifetime = self.rng.bool().then(|| self.duration());
        Entry { bytes, lifetime }
    }

    /// A state that was seen, most often the newest.
    fn state(&mut self, place: usize, shape: Shape) -> (Seen, u64) {
        let states: Vec<_> = self.seen[place].iter().filter(|(of, _, _)| *of == shape).cloned().collect();
        let back = self.choose(&[0, 0, 0, 1, 2, 10]).min(states.len() - 1);
        let (_, seen, state) = &states[states.len() - 1 - back];
        (seen.clone(), *state)
    }

    /// A grant that was given, most often the newest; or one that never was.
    fn grant(&mut self, place: usize) -> (Grant, Held) {
        let grants = &self.grants[place];
        let back = self.rng.usize(..10);
        let back = if back < 7 { 0 } else { back - 6 };
        if back < grants.len() {
            return grants[grants.len() - 1 - back];
        }
        let life = block_on(self.g.backend.look(&self.keys[..1], None)).unwrap()[0].life;
        let token = Token::random();
        (Grant { token, life, cas: u64::MAX }, (token, u64::MAX, self.naive.life()))
    }

    /// Both sides look, and the states are remembered under both names.
    fn look(&mut self, place: usize, shape: Shape) -> (String, String) {
        let seen = self.g.look(&self.keys[place].in_shape(shape));
        let state = self.naive.state(place, shape);
        self.seen[place].push((shape, seen.seen.clone(), state));
        let beat = match seen.rest {
            Some(Rest::Held(by)) => self.beat(place, shape, &by),
            _ => "",
        };
        (look(&seen) + beat, self.naive.look(place, shape))
    }

    /// Remembers a beat under both names. One has another name than before: says so.
    fn beat(&mut self, place: usize, shape: Shape, by: &HeldBy) -> &'static str {
        let now = (by.token, by.beat, self.naive.beat(place, shape));
        let is_one = |known: &(Token, u32, u32)| known.0 == now.0 && ((known.1 == now.1) != (known.2 == now.2));
        let differs = self.watched.iter().any(is_one);
        self.watched.push(now);
        if differs { ", with the beat of another lease" } else { "" }
    }

    fn claim(&mut self, place: usize, shape: Shape) -> (String, String, String) {
        let (seen, state) = self.state(place, shape);
        let as_seen = self.rng.u32(..4) > 0;
        let dead = (!self.watched.is_empty()).then(|| self.watched[self.watched.len() - 1]);
        let (over, naive_over) = match (self.rng.u32(..8), dead) {
            (0, _) => (Over::Anyone, Over::Anyone),
            (1 | 2, Some((token, beat, naive))) => (Over::Dead(token, beat), Over::Dead(token, naive)),
            _ => (Over::Nobody, Over::Nobody),
        };
        let again = self.rng.u32(..6) == 0;
        let token = if again { self.grant(place).0.token } else { Token::random() };
        let mut claim = Claim::new(token, self.duration());
        claim.seen = as_seen.then_some(seen);
        (claim.over, claim.through_pause) = (naive_over, self.rng.u32(..4) == 0);
        let naive = self.naive.claim(place, shape, &claim, as_seen.then_some(state));
        claim.over = over;
        // (A grant whose lease is zero is over already.)
        let naive_number = self.naive.number();
        let what = format!("claim {place} {shape:?} {claim:?}");
        let real = match self.g.claim(&self.keys[place].in_shape(shape), claim) {
            Claimed::Granted { grant, failures } => {
                self.grants[place].push((grant, (grant.token, naive_number, self.naive.life())));
                format!("granted {failures}")
            }
            Claimed::Held(by) => rest(&Rest::Held(by)) + self.beat(place, shape, &by),
            Claimed::Paused(pause) => rest(&Rest::Paused(pause)),
            Claimed::Changed(there) => format!("changed {}", look(&there)),
        };
        (what, real, naive)
    }

    fn change(&mut self, place: usize, shape: Shape) -> (String, String, String) {
        let (seen, state) = self.state(place, shape);
        let beside = if self.rng.bool() { vec![NEXT, SHAPE] } else { Vec::new() };
        let (entry, void_pause) = (self.entry(), self.duration());
        let change = match self.rng.u32(..7) {
            0 => Change::Set { entry, void_pause },
            1 | 2 => Change::SetIf { entry, seen, void_pause },
            3 | 4 => Change::Touch { entry, seen },
            5 => Change::MarkStale { beside },
            _ => Change::Invalidate { beside, void_pause },
        };
        let what = format!("change {place} {shape:?} {change:?}");
        let naive = self.naive.change(place, shape, change.clone(), state);
        let real = match self.g.change(&self.keys[place].in_shape(shape), change) {
            Changed::Yes { was_there, voided } => format!("changed {was_there} {voided}"),
            Changed::Refused(there) => format!("refused {}", look(&there)),
        };
        (what, real, naive)
    }

    fn count(&mut self, place: usize) -> (String, String, String) {
        let count = match self.rng.u32(..8) {
            0 => Count::Get,
            1 => Count::Reset,
            _ => Count::Add {
                delta: self.choose(&[1, 1, 1, 2, 5, 0, -1, -3, i64::MAX, i64::MIN]),
                ceiling: self.choose(&[0, 1, 5, 10, u64::MAX, u64::MAX]),
                lifetime: self.rng.bool().then(|| self.duration()),
            },
        };
        let naive = self.naive.count(place, count);
        let real = match self.g.count(&self.keys[place], count) {
            Counted::Now(value) => format!("now {value}"),
            Counted::TooLarge(value) => format!("too large {value}"),
        };
        (format!("count {place} {count:?}"), real, naive)
    }

    /// What a server does.
    fn server(&mut self, place: usize, shape: Shape) -> String {
        let key = self.keys[place].in_shape(shape);
        match (self.rng.u32(..6), self.snapshot.take()) {
            (0, _) => {
                self.naive.restart();
                self.g.server.restart();
                "restart".into()
            }
            (1, kept) => {
                self.snapshot = kept;
                self.naive.lose_entry(place, shape);
                self.g.server.lose_entry(&key);
                format!("lose entry {place} {shape:?}")
            }
            (2, kept) => {
                self.snapshot = kept;
                self.naive.lose_rest(place, shape);
                self.g.server.lose_rest(&key);
                format!("lose rest {place} {shape:?}")
            }
            (3 | 4, Some((fail_over, stock))) => {
                self.naive.fail_over(stock);
                fail_over();
                "fail over".into()
            }
            (_, None) if !self.g.server.has_copies() => "nothing".into(),
            _ => {
                self.snapshot = Some((self.g.server.snapshot(), self.naive.stock()));
                "snapshot".into()
            }
        }
    }

    fn looks(&mut self, place: usize, shape: Shape) -> (String, String, String) {
        let (real, naive) = self.look(place, shape);
        (format!("look {place} {shape:?}"), real, naive)
    }

    /// Makes a step on both sides. Returns what it was, and both answers.
    fn step(&mut self) -> (String, String, String) {
        let (place, shape) = (self.rng.usize(..PLACES), self.choose(&[SHAPE, SHAPE, NEXT]));
        let key = self.keys[place].in_shape(shape);
        match self.rng.u32(..40) {
            0..8 => self.looks(place, shape),
            8..17 => self.claim(place, shape),
            17..21 => {
                let ((grant, held), entry) = (self.grant(place), self.entry());
                if self.naive.is_late(held.0) {
                    return self.looks(place, shape);
                }
                let naive = self.naive.publish(place, shape, held, entry.clone());
                let what = format!("publish {place} {shape:?} {grant:?} {entry:?}");
                let real = match self.g.publish_entry(&key, &grant, entry) {
                    Published::Fresh => "fresh".into(),
                    Published::Stale => "stale".into(),
                    Published::Refused(why) => format!("refused {why:?}"),
                };
                (what, real, naive)
            }
            21..24 => {
                let (mut grant, mut held) = self.grant(place);
                if self.naive.is_late(held.0) {
                    return self.looks(place, shape);
                }
                if self.rng.u32(..4) == 0 {
                    (grant.cas, held.1) = (0, 0);
                }
                let failures = self.rng.u32(1..5);
                let pause = self.rng.bool().then(|| PauseFor { failures, pause: self.duration() });
                let naive = self.naive.end(place, shape, held, pause);
                let real = match self.g.end(&key, &grant, pause) {
                    Ended::Yes => "ended".into(),
                    Ended::Lost(why) => format!("lost {why:?}"),
                };
                (format!("end {place} {shape:?} {grant:?} {pause:?}"), real, naive)
            }
            24..26 => {
                let ((grant, held), lease) = (self.grant(place), self.duration());
                if self.naive.is_late(held.0) {
                    return self.looks(place, shape);
                }
                let naive = self.naive.renew(place, shape, held, lease);
                let real = match block_on(self.g.backend.renew(&key, &grant, lease)).unwrap() {
                    Renewed::Yes(_) => "renewed".into(),
                    Renewed::Lost(why) => format!("lost {why:?}"),
                };
                (format!("renew {place} {shape:?} {grant:?} {lease:?}"), real, naive)
            }
            26..32 => self.change(place, shape),
            32..35 => self.count(place),
            35..39 => {
                let seconds = UNIT * self.choose(&[1, 1, 2, 3, 5, 10, 30]);
                self.g.wait(Duration::from_secs(seconds));
                self.naive.wait(seconds);
                let (real, naive) = self.look(place, shape);
                (format!("wait {seconds}, and look {place} {shape:?}"), real, naive)
            }
            _ => {
                let what = self.server(place, shape);
                let (real, naive) = self.look(place, shape);
                (format!("{what}, and look {place} {shape:?}"), real, naive)
            }
        }
    }
}
