//! What a client asks of the scripts, and how it takes their replies.

use super::scripts::{Claimed, Keys, Run};
use super::server::{ENTRIES, Key, Redis, milliseconds, ticks};
use crate::messages::{Op, Picture, Reply};
use crate::names::Beside;
use crate::server::{Data, Entry, Rest, Rules, Tick, Version};
use dogpile_cache::backend::{Grant, Life, Over, Refusal, Token};

/// The keys of the one place that there is.
pub const KEYS: Keys<'static, Key> = Keys { lease: &Key::Lease, pause: &Key::Pause, entries: &ENTRIES };

/// The state of bytes that are none of ours.
const JUNK: Version = 255;

/// What a stranger writes as an entry.
pub const JUNK_ENTRY: &[u8] = b"none of ours";

/// The bytes of an entry: its state, and what stands for its envelope.
pub fn bytes(number: Version, version: Version, fresh_until: Tick, life: u8) -> [u8; 13] {
    [0xD9, 0, 0, 0, 0, 0, 0, 0, 0, number, version, fresh_until, life]
}

pub fn entry(bytes: &[u8]) -> Option<Entry> {
    match *bytes {
        [] => None,
        [0xD9, mark, _, _, _, _, _, _, _, number, version, fresh_until, life] => {
            Some(Entry { version, fresh_until, is_marked: mark == 1, life, state: number * 2 + mark })
        }
        _ => Some(Entry { version: 0, fresh_until: 0, is_marked: false, life: 0, state: JUNK }),
    }
}

/// The first ten bytes of an entry in that state.
fn seen(state: Version) -> Vec<u8> {
    match state {
        0 => Vec::new(),
        JUNK => JUNK_ENTRY[..10].to_vec(),
        state => bytes(state / 2, 0, 0, 0).map(|byte| byte)[..10]
            .iter()
            .enumerate()
            .map(|(at, byte)| if at == 1 { state % 2 } else { *byte })
            .collect(),
    }
}

fn picture(entry: Option<Entry>, greeting: u8, now: Tick, rules: &Rules) -> Picture {
    let freshness = Data { entry, ..Data::NOTHING }.freshness(now, greeting, rules);
    let (value, state) = entry.map_or((0, 0), |entry| (entry.version, entry.state));
    Picture { value, state: Beside(state), freshness, rest: None }
}

/// Durations that are whole ticks.
pub fn lifetime(ticks: Tick) -> u64 {
    (u64::from(ticks) * 2).saturating_sub(1)
}

/// The number of a grant, as the server's clock gives it.
fn number(cas: u64) -> String {
    (cas << 8).to_string()
}

fn refusal(why: &str) -> Refusal {
    match why {
        "voided" => Refusal::Voided,
        "overtaken" => Refusal::Overtaken,
        _ => Refusal::Gone,
    }
}

impl Redis {
    /// `TIME`, when this operation is executed.
    fn microseconds(&self, op: &Op, count: Version) -> u64 {
        let token = match op {
            Op::Claim { token, .. } => *token,
            Op::Renew(grant, _) => grant.token.0,
            _ => 0,
        };
        match self.data.rest {
            Rest::Granted { token: theirs, beat, .. } if theirs == token => u64::from(beat) + 1,
            _ => (u64::from(count) + 1) << 8,
        }
    }

    pub fn run(&mut self, now: Tick, microseconds: u64, rules: &Rules) -> Run<'_, Key> {
        let (milliseconds, faults) = (milliseconds(now), rules.broken.redis);
        Run { store: &mut self.store, milliseconds, microseconds, may_signal: true, said: None, faults }
    }

    /// Sends an operation on a connection that knows that life, and returns what the client makes of the reply.
    pub fn ask(&mut self, op: &Op, greeting: u8, now: Tick, rules: &Rules, count: Version) -> Reply {
        let life = format!("{greeting:x}");
        let is_of_this = |grant: &Grant| grant.life == Life(greeting.into()) || rules.broken.redis.counts_any_life;
        let microseconds = self.microseconds(op, count);
        let mut run = self.run(now, microseconds, rules);
        let reply = match op {
            Op::Look => return Reply::Looked(picture(self.data.entry, greeting, now, rules)),
            Op::Subscribe => return Reply::Subscribed,
            Op::Renew(grant, _) if !is_of_this(grant) => return Reply::Renewed(Err(Refusal::OtherLife)),
            Op::Publish(grant, _) if !is_of_this(grant) => return Reply::Published(Err(Refusal::OtherLife)),
            Op::End { grant, .. } if !is_of_this(grant) => return Reply::Ended,
            Op::Tell(number) => {
                run.invalidate(KEYS, &life, Some(lifetime(rules.void_pause)), true);
                Reply::Told(*number)
            }
            Op::Claim { token, seen: state, lease, over, through_pause, .. } => {
                let (text, lease) = (format!("{token:016x}"), Some(lifetime(*lease)));
                let over = match over {
                    Over::Nobody => String::new(),
                    Over::Dead(token, beat) => format!("{:016x} {beat}", token.0),
                    Over::Anyone => "*".to_owned(),
                };
                let seen = state.map(seen);
                let claimed = run.claim(KEYS, (&life, &text, lease), seen.as_deref(), &over, *through_pause);
                claimed_by(*token, claimed, greeting, now, rules)
            }
            Op::Renew(grant, lease) => {
                let (token, number) = (format!("{:016x}", grant.token.0), number(grant.cas));
                match run.renew(KEYS, (&life, &token, &number), Some(lifetime(*lease))) {
                    "yes" => Reply::Renewed(Ok(*grant)),
                    why => Reply::Renewed(Err(refusal(why))),
                }
            }
            Op::Publish(grant, version) => {
                let (token, number) = (format!("{:016x}", grant.token.0), number(grant.cas));
                let entry = bytes(*version, *version, now + rules.fresh_for, greeting);
                match run.publish(KEYS, (&life, &token, &number), &entry, None, true).0 {
                    "fresh" => Reply::Published(Ok(false)),
                    "stale" => Reply::Published(Ok(true)),
                    why => Reply::Published(Err(refusal(why))),
                }
            }
            Op::End { grant, pauses, failures } => {
                let (token, number) = (format!("{:016x}", grant.token.0), number(grant.cas));
                let length = lifetime(rules.pause);
                let pause = (*pauses && length > 0).then_some((failures.0.into(), length, 2 * length));
                run.end(KEYS, (&life, &token, &number), pause, true);
                Reply::Ended
            }
            Op::Release(token) => {
                run.end(KEYS, (&life, &format!("{token:016x}"), "0"), None, true);
                Reply::Ended
            }
        };
        self.signals |= run.said.is_some();
        reply
    }
}

fn claimed_by(token: u64, claimed: Claimed, greeting: u8, now: Tick, rules: &Rules) -> Reply {
    let small = |text: &str| text.parse().unwrap_or(u8::MAX);
    match claimed {
        Claimed::Granted { number, failures } => {
            let cas = number.parse::<u64>().expect("a number") >> 8;
            Reply::Granted(Grant { token: Token(token), life: Life(greeting.into()), cas }, small(&failures))
        }
        Claimed::Held { token, beat, left, is_void } => Reply::Held {
            token: u64::from_str_radix(&token, 16).expect("a token"),
            beat: beat.parse().expect("a beat"),
            left: ticks(left),
            is_void,
        },
        Claimed::Paused { failures, left } => Reply::Paused { failures: small(&failures), left: ticks(left) },
        Claimed::Changed(found) => Reply::Changed(picture(entry(&found), greeting, now, rules)),
    }
}
