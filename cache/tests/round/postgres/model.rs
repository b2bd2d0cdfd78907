//! The search.

use super::client::{Client, Phase, Program};
use super::session::Owner;
use super::statements::At;
use super::world::{Kind, Plant, Sight, World};
use crate::explore;
use crate::history::Law;
use crate::server::{Rules, Tick};
use stateright::{Model, Property};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Begin(usize),
    /// The server executes the next statement of a session. After the last one, its answer comes.
    Execute(usize),
    Publish(usize),
    Renew(usize),
    /// A client that was answered *locked* goes.
    GoesOn(usize),
    Say(usize),
    Probe(usize),
    Probed(usize),
    Wake(usize),
    Poll(usize),
    /// The signal is sent, and comes.
    Signal,
    UserCommits(usize),
    UserRollsBack(usize),
    Tick,
    Client(Kind, usize),
    Server(Kind),
}

/// A model with its bounds.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub name: &'static str,
    pub clients: Vec<Client>,
    pub ticks: Tick,
    /// How many things happen, and which.
    pub steps: u8,
    pub menu: Vec<Kind>,
    pub rules: Rules,
    pub plant: Plant,
    /// Whether each function must do what the ideal backend does in one step.
    pub refines: bool,
    /// What the search has seen.
    pub sights: Arc<AtomicU32>,
    /// The statements that the search has executed.
    pub executed: Arc<AtomicU64>,
}

impl Bounds {
    pub fn checks_at_once(&self) -> bool {
        !self.menu.contains(&Kind::Anew) && self.plant != Plant::PublishesBySnapshot
    }

    fn steps_of_client(&self, world: &World, c: usize, steps: &mut Vec<Step>) {
        let may = |kind: &Kind| world.spent < self.steps && self.menu.contains(kind);
        let client = &world.clients[c];
        let mut kinds: &[Kind] = &[];
        match client.phase {
            Phase::Idle if client.left > 0 => steps.push(Step::Begin(c)),
            Phase::Idle => {}
            Phase::Asks(_) => {
                kinds = &[Kind::GiveUp, Kind::Lose, Kind::Abort, Kind::Kill];
                let session = world.session_of(c).map(|s| &world.sessions[s]);
                let is_free = |call: &super::session::Call| call.holder().is_none();
                if session.is_some_and(|of| of.call.is_claim()) && may(&Kind::Double) {
                    steps.push(Step::Client(Kind::Double, c));
                }
                if session.is_some_and(|of| of.is_again && of.at == At::Check && is_free(&of.call)) {
                    steps.push(Step::GoesOn(c));
                }
            }
            Phase::Creates { .. } => {
                steps.push(Step::Publish(c));
                if client.renewals > 0 {
                    steps.push(Step::Renew(c));
                }
                kinds = &[Kind::Fail, Kind::Drop, Kind::Kill];
            }
            Phase::Says => steps.push(Step::Say(c)),
            Phase::Probes => steps.extend([Step::Probe(c), Step::Poll(c)]),
            Phase::Probed => steps.push(Step::Probed(c)),
            Phase::Sleeps { .. } => {
                steps.push(Step::Poll(c));
                if client.is_called {
                    steps.push(Step::Wake(c));
                }
            }
        }
        steps.extend(kinds.iter().filter(|kind| may(kind)).map(|kind| Step::Client(*kind, c)));
    }
}

impl Model for Bounds {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.clients)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let may = |kind: Kind| world.spent < self.steps && self.menu.contains(&kind);
        (0..world.clients.len()).for_each(|c| self.steps_of_client(world, c, steps));
        for (s, session) in world.sessions.iter().enumerate() {
            if world.may_step(s) {
                steps.push(Step::Execute(s));
            }
            if session.owner == Owner::User && session.at == At::Open {
                steps.extend([Step::UserCommits(s), Step::UserRollsBack(s)]);
            }
        }
        if world.is_telling {
            steps.push(Step::Signal);
        }
        let kinds = Kind::OF_THE_SERVER.into_iter().filter(|kind| may(*kind) && world.may(*kind));
        steps.extend(kinds.map(Step::Server));
        let is_over = |client: &Client| client.phase == Phase::Idle && client.left == 0;
        if world.now < self.ticks && !world.clients.iter().all(is_over) {
            if world.may_tick() {
                steps.push(Step::Tick);
            } else if may(Kind::Slow) {
                steps.push(Step::Server(Kind::Slow));
            }
        }
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = last.clone();
        let (rules, plant) = (&self.rules, self.plant);
        match step {
            Step::Begin(c) => world.begin(c, rules),
            Step::Execute(s) => world.step(s, self),
            Step::Publish(c) => world.publish(c, plant),
            Step::Renew(c) => world.renew(c, rules, plant),
            Step::GoesOn(c) => world.gives_up(c),
            Step::Say(c) => world.say(c, plant),
            Step::Probe(c) => world.probe(c),
            Step::Probed(c) => world.probed(c),
            Step::Wake(c) => world.wake(c),
            Step::Poll(c) => world.poll(c),
            Step::Signal => world.signal(),
            Step::UserCommits(s) => world.user_commits(s, rules),
            Step::UserRollsBack(s) => world.user_rolls_back(s),
            Step::Tick => world.tick(rules),
            Step::Client(kind, c) => {
                world.spent += 1;
                match kind {
                    Kind::Fail | Kind::Drop => world.end(c, kind == Kind::Fail, plant),
                    _ => world.happens_to(kind, c),
                }
            }
            Step::Server(kind) => {
                world.spent += 1;
                if kind == Kind::Slow { world.tick(rules) } else { world.happens(kind, rules) }
            }
        }
        world.checks(rules);
        world.normalize();
        self.sights.fetch_or(world.take_sights(), Ordering::Relaxed);
        self.executed.fetch_or(world.take_executed(), Ordering::Relaxed);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn law(name: &'static str, law: fn(&Bounds, &World) -> bool) -> Property<Bounds> {
            Property::always(name, law)
        }
        vec![
            law("G1", |_, world| world.history.keeps(Law::G1)),
            law("G2", |_, world| world.history.keeps(Law::G2)),
            law("G3", |_, world| world.history.keeps(Law::G3)),
            law("G5", |_, world| world.history.keeps(Law::G5)),
            law("G8", |_, world| world.history.keeps(Law::G8)),
            law("G9", |_, world| world.history.keeps(Law::G9)),
            law("G10", |_, world| world.history.keeps(Law::G10)),
            law("refines", |bounds, world| !bounds.refines || world.history.keeps(Law::Refines)),
        ]
    }
}

/// Searches all runs within the bounds. Returns the law that was broken, and prints how.
pub fn search(bounds: &Bounds) -> Option<&'static str> {
    let is_planted = bounds.plant != Plant::Nothing;
    let seen = || {
        let sights = bounds.sights.load(Ordering::Relaxed);
        let sights: Vec<Sight> = Sight::ALL.into_iter().filter(|sight| sights & (1 << *sight as u8) != 0).collect();
        format!("; seen: {sights:?}")
    };
    explore(bounds.clone(), bounds.name, is_planted, seen, |world| format!("{world:?}"))
}

/// The search is exhausted, no law is broken, and the run has shown at least these.
pub fn holds(bounds: &Bounds, sights: &[Sight]) {
    assert_eq!(search(bounds), None, "a law is broken");
    let seen = bounds.sights.load(Ordering::Relaxed);
    for sight in sights {
        assert!(seen & (1 << *sight as u8) != 0, "{}: {sight:?} was never met", bounds.name);
    }
}

/// A client that gets.
pub fn gets(left: u8, renewals: u8) -> Client {
    Client::new(Program::Gets, left, renewals)
}
