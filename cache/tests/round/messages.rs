//! What goes between a process and the server.

use crate::names::Beside;
use crate::process::{tick, time};
use crate::server::{Broken, Tick, Version};
use bytes::Bytes;
use dogpile_cache::backend::{
    Claim, Grant, HeldBy, Over, Pause, Published, Refusal, Renewed, Rest as Shown, Seen, Token,
};
use dogpile_cache::round::{Event, Found, Freshness, Reply as Judged};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    Tell(u64),
    Look,
    Claim {
        token: u64,
        seen: Option<Version>,
        lease: Tick,
        over: Over,
        through_pause: bool,
        /// Whether the caller creates although what is there may be fresh.
        wants_another: bool,
    },
    Subscribe,
    Renew(Grant, Tick),
    Publish(Grant, Version),
    End {
        grant: Grant,
        pauses: bool,
        /// The number of failures of the pause, by the paper.
        failures: Beside<u8>,
    },
    Release(u64),
}

/// A state of the entry, as it was seen; 0 is nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Picture {
    pub value: Version,
    /// What a claim compares, if that is not the version.
    pub state: Beside<Version>,
    pub freshness: Freshness,
    pub rest: Option<Held>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::enum_variant_names)] // `Held::Held` is what a look shows of a grant.
pub enum Held {
    Free,
    Held { token: u64, beat: u32, left: Tick, is_void: bool },
    Paused { failures: u8, left: Tick },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    Told(u64),
    Looked(Picture),
    Granted(Grant, u8),
    Changed(Picture),
    Held { token: u64, beat: u32, left: Tick, is_void: bool },
    Paused { failures: u8, left: Tick },
    Subscribed,
    Renewed(Result<Grant, Refusal>),
    Published(Result<bool, Refusal>),
    Ended,
}

/// The versions, so that naming a state allocates nothing.
static VERSIONS: [u8; 256] = {
    let mut all = [0; 256];
    let mut version: u8 = 0;
    while version < u8::MAX {
        version += 1;
        all[version as usize] = version;
    }
    all
};

fn seen(version: Version) -> Seen {
    let at = usize::from(version);
    if version == 0 { Seen::NOTHING } else { Seen::entry(Bytes::from_static(&VERSIONS[at..=at])) }
}

fn held(token: u64, beat: u32, left: Tick, is_void: bool) -> HeldBy {
    HeldBy { token: Token(token), beat, lease_left: time(left), is_void }
}

fn pause(failures: u8, left: Tick) -> Pause {
    Pause { failures: failures.into(), left: time(left) }
}

impl Op {
    pub fn claim(claim: &Claim, wants_another: bool, broken: Broken) -> Op {
        let seen = claim.seen.as_ref().map(|seen| seen.state().map_or(0, |state| state[0]));
        let seen = seen.filter(|_| !broken.claims_blindly);
        let over = if broken.never_claims_over { Over::Nobody } else { claim.over };
        let (token, lease, through_pause) = (claim.token.0, tick(claim.lease), claim.through_pause);
        Op::Claim { token, seen, lease, over, through_pause, wants_another }
    }
}

impl Picture {
    /// What is found by an access that refuses a version.
    fn found(&self, refused: Version) -> Found<Version> {
        let is_refused = self.value == refused;
        let freshness = if is_refused { Freshness::Missing } else { self.freshness };
        Found {
            value: Some(self.value).filter(|_| freshness != Freshness::Missing),
            freshness,
            seen: seen(if self.state.0 > 0 { self.state.0 } else { self.value }),
            rest: self.rest.map(|rest| match rest {
                Held::Free => Shown::Free,
                Held::Held { token, beat, left, is_void } => Shown::Held(held(token, beat, left, is_void)),
                Held::Paused { failures, left } => Shown::Paused(pause(failures, left)),
            }),
        }
    }
}

impl Reply {
    pub fn event(&self, refused: Version) -> Event<Version> {
        match self {
            Reply::Told(number) => Event::Told(*number),
            Reply::Looked(picture) => Event::Looked(picture.found(refused)),
            Reply::Granted(grant, failures) => {
                Event::Claimed(Judged::Granted { grant: *grant, failures: (*failures).into() })
            }
            Reply::Changed(picture) => Event::Claimed(Judged::Changed(picture.found(refused))),
            Reply::Held { token, beat, left, is_void } => {
                Event::Claimed(Judged::Held(held(*token, *beat, *left, *is_void)))
            }
            Reply::Paused { failures, left } => Event::Claimed(Judged::Paused(pause(*failures, *left))),
            Reply::Subscribed => Event::Subscribed,
            Reply::Renewed(Ok(grant)) => Event::Renewed(Renewed::Yes(*grant)),
            Reply::Renewed(Err(refusal)) => Event::Renewed(Renewed::Lost(*refusal)),
            Reply::Published(Ok(false)) => Event::Published(Published::Fresh),
            Reply::Published(Ok(true)) => Event::Published(Published::Stale),
            Reply::Published(Err(refusal)) => Event::Published(Published::Refused(*refusal)),
            Reply::Ended => Event::Ended,
        }
    }
}
