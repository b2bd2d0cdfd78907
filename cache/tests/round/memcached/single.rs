//! Single operations, without a search: the steps over the model of the server, one by one.

mod counters;
mod entries;
mod grants;
mod lifetimes;

use super::store::Store;
use bytes::Bytes;
use dogpile_cache::backend::memcached::command::{Command, Only, Reply, Slot, Ttl};
use dogpile_cache::backend::memcached::steps::{
    Changing, Claiming, Counting, Ending, Moment, Publishing, Renewing, Run, Sending, Step, looked, looking,
};
use dogpile_cache::backend::{
    Ask, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant, Life, Look, Over, Pause, PauseFor,
    Published, Refusal, Renewed, Rest, Seen, Token,
};
use dogpile_cache::codec::{Format, Shape};
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(10);
const SHAPE: Shape = Shape { schema: 1, format: Format::RAW };
const NEXT: Shape = Shape { schema: 2, format: Format::RAW };
const ME: Token = Token(7);
const OTHER: Token = Token(8);

/// A server with one place, its clock, and how many round trips there were.
struct Ground {
    store: Store,
    at: Moment,
    trips: usize,
    claims: u64,
}

impl Ground {
    fn new() -> Ground {
        Ground { store: Store::default(), at: Moment { now: 1_000_000_000_000, life: Life(1) }, trips: 0, claims: 0 }
    }

    fn wait(&mut self, seconds: u64) {
        self.at.now += seconds * 1000;
    }

    fn restart(&mut self) {
        self.store = Store::default();
        self.at.life = Life(self.at.life.0 + 1);
    }

    fn send(&mut self, slot: Slot, command: &Command) -> Reply {
        self.store.execute(slot, command, self.at.now / 1000)
    }

    fn run<R: Run>(&mut self, run: R) -> R::Answer {
        self.run_and(run, |_| {})
    }

    /// As [`run`](Ground::run), but something happens behind the first round trip.
    fn run_and<R: Run>(&mut self, mut run: R, between: impl FnOnce(&mut Ground)) -> R::Answer {
        let mut between = Some(between);
        let mut step = run.begin(self.at);
        loop {
            match step {
                Step::Done(answer) => return answer,
                Step::Ask(requests) => {
                    self.trips += 1;
                    let replies = requests.iter().map(|request| self.send(request.slot, &request.command)).collect();
                    if let Some(between) = between.take() {
                        between(self);
                    }
                    step = run.take(replies, self.at).expect("a reply of the command");
                }
            }
        }
    }

    fn trips<T>(&mut self, run: impl FnOnce(&mut Ground) -> T) -> (T, usize) {
        let before = self.trips;
        let answer = run(self);
        (answer, self.trips - before)
    }
}

/// The operations.
impl Ground {
    fn look(&mut self) -> Look {
        self.look_for(None)
    }

    fn look_for(&mut self, ask: Option<Ask>) -> Look {
        let request = looking(ask);
        let reply = self.send(request.slot, &request.command);
        looked(ask, reply, self.at).expect("a reply of the command")
    }

    fn claim(&mut self, claim: Claim) -> Claimed {
        let run = self.claiming(claim);
        self.run(run)
    }

    fn claiming(&mut self, claim: Claim) -> Claiming {
        self.claims += 1;
        Claiming::new(claim, Sending::after(self.claims))
    }

    /// Wins a stub.
    fn won(&mut self, token: Token) -> Grant {
        match self.look_for(Some(Ask { token, lease: LEASE })).rest {
            Some(Rest::Granted(grant)) => grant,
            other => panic!("expected a grant, got {other:?}"),
        }
    }

    fn renew(&mut self, grant: Grant) -> Renewed {
        self.run(Renewing::new(grant, LEASE))
    }

    fn publish(&mut self, grant: Grant, bytes: &'static str) -> Published {
        self.run(Publishing::new(grant, entry(bytes)))
    }

    fn end(&mut self, grant: Grant, pause: Option<PauseFor>) -> Ended {
        self.run(Ending::new(grant, pause))
    }

    fn change(&mut self, change: Change) -> Changed {
        self.run(Changing::new(SHAPE, change))
    }

    fn set(&mut self, bytes: &'static str) -> Changed {
        self.change(Change::Set { entry: entry(bytes), void_pause: LEASE })
    }

    fn set_if(&mut self, bytes: &'static str, seen: Seen) -> Changed {
        self.change(Change::SetIf { entry: entry(bytes), seen, void_pause: LEASE })
    }

    fn mark(&mut self) -> Changed {
        self.change(Change::MarkStale { beside: vec![] })
    }

    fn invalidate(&mut self) -> Changed {
        self.change(Change::Invalidate { beside: vec![], void_pause: LEASE })
    }

    fn count(&mut self, count: Count) -> Counted {
        self.run(Counting::new(count))
    }
}

fn entry(bytes: &'static str) -> Entry {
    Entry { bytes: Bytes::from_static(bytes.as_bytes()), lifetime: None }
}

fn claim(token: Token, seen: impl Into<Option<Seen>>) -> Claim {
    let mut claim = Claim::new(token, LEASE);
    claim.seen = seen.into();
    claim
}

#[track_caller]
fn granted(claimed: Claimed) -> Grant {
    match claimed {
        Claimed::Granted { grant, .. } => grant,
        other => panic!("expected a grant, got {other:?}"),
    }
}

#[track_caller]
fn renewed(renewed: Renewed) -> Grant {
    match renewed {
        Renewed::Yes(grant) => grant,
        Renewed::Lost(why) => panic!("the grant is lost: {why:?}"),
    }
}

fn yes(was_there: bool, voided: bool) -> Changed {
    Changed::Yes { was_there, voided }
}

#[allow(clippy::unnecessary_wraps)] // as `Ending` takes it
fn pause(failures: u32) -> Option<PauseFor> {
    Some(PauseFor { failures, pause: Duration::from_secs(20) })
}
