//! The search.

use super::client::{Client, Phase};
use super::paper::Tick;
use super::world::{Kind, Plant, Sight, World};
use crate::explore;
use crate::history::Law;
use stateright::{Model, Property};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Begin(usize),
    /// The server executes a command, and its reply comes.
    Execute(usize),
    Publish(usize),
    Renew(usize),
    ExecuteGhost(usize),
    /// A second passes, while no operation is under way.
    Tick,
    /// Of a client.
    Client(Kind, usize),
    Server(Kind),
}

/// A model with its bounds.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub name: &'static str,
    pub clients: Vec<Client>,
    pub ticks: Tick,
    /// How long entries live; `None`: for ever.
    pub lifetime: Option<Tick>,
    /// How many steps the environment makes, and which.
    pub steps: u8,
    pub menu: Vec<Kind>,
    pub plant: Plant,
    /// Whether what lies there must be what the paper says, after each step.
    pub refines: bool,
    /// What the search has seen.
    pub sights: Arc<AtomicU16>,
}

impl Model for Bounds {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.clients, self.lifetime)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let may = |kind: Kind| world.spent < self.steps && self.menu.contains(&kind);
        for (c, client) in world.clients.iter().enumerate() {
            match &client.phase {
                Phase::Idle if client.left > 0 => steps.push(Step::Begin(c)),
                Phase::Idle => {}
                Phase::Runs(_) => {
                    steps.push(Step::Execute(c));
                    let kinds = [Kind::Lose, Kind::GiveUp, Kind::Double, Kind::Kill];
                    steps.extend(kinds.into_iter().filter(|kind| may(*kind)).map(|kind| Step::Client(kind, c)));
                }
                Phase::Creates(_) => {
                    steps.push(Step::Publish(c));
                    if client.renewals > 0 {
                        steps.push(Step::Renew(c));
                    }
                    let kinds = [Kind::Fail, Kind::Drop, Kind::Kill];
                    steps.extend(kinds.into_iter().filter(|kind| may(*kind)).map(|kind| Step::Client(kind, c)));
                }
            }
        }
        steps.extend((0..world.ghosts.len()).map(Step::ExecuteGhost));
        let kinds = Kind::OF_THE_SERVER.into_iter().filter(|kind| may(*kind) && world.may(*kind));
        steps.extend(kinds.map(Step::Server));
        let is_over = world.clients.iter().all(|client| client.phase == Phase::Idle && client.left == 0);
        let is_busy = world.clients.iter().any(|client| matches!(client.phase, Phase::Runs(_)));
        if world.now < self.ticks && !is_over && !is_busy {
            steps.push(Step::Tick);
        }
        if world.now < self.ticks && is_busy && may(Kind::Slow) {
            steps.push(Step::Server(Kind::Slow));
        }
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = last.clone();
        let plant = self.plant;
        match step {
            Step::Begin(c) => world.begin(c),
            Step::Execute(c) => world.execute(c, false, plant),
            Step::Publish(c) => world.publish(c, plant),
            Step::Renew(c) => world.renew(c, plant),
            Step::ExecuteGhost(ghost) => world.execute_ghost(ghost, plant),
            Step::Tick => world.tick(),
            Step::Server(kind) => {
                world.spent += 1;
                world.happens(kind);
            }
            Step::Client(kind, c) => {
                world.spent += 1;
                let running = match &world.clients[c].phase {
                    Phase::Runs(running) => Some((**running).clone()),
                    _ => None,
                };
                match (kind, running) {
                    (Kind::Fail, _) => world.end(c, true, plant),
                    (Kind::Drop, _) => world.end(c, false, plant),
                    (Kind::Lose, _) => world.execute(c, true, plant),
                    (Kind::GiveUp, Some(running)) => {
                        world.ghosts.push((c, running));
                        world.fails(c);
                    }
                    (Kind::Double, Some(running)) => {
                        world.ghosts.push((c, running));
                        world.execute(c, false, plant);
                    }
                    (_, running) => {
                        world.ghosts.extend(running.map(|running| (c, running)));
                        world.kills(c);
                    }
                }
            }
        }
        world.settles();
        if self.refines {
            world.checks_the_place();
        }
        self.sights.fetch_or(world.take_sights(), Ordering::Relaxed);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn law(name: &'static str, law: fn(&Bounds, &World) -> bool) -> Property<Bounds> {
            Property::always(name, law)
        }
        vec![
            law("G1", |_, world| world.paper.keeps(Law::G1)),
            law("G2", |_, world| world.paper.keeps(Law::G2)),
            law("G3", |_, world| world.paper.keeps(Law::G3)),
            law("G6", |_, world| world.paper.keeps(Law::G6)),
            law("G8", |_, world| world.paper.keeps(Law::G8)),
            law("G9", |_, world| world.paper.keeps(Law::G9)),
            law("G10", |_, world| world.paper.keeps(Law::G10)),
            law("refines", |_, world| world.paper.keeps(Law::Refines)),
        ]
    }
}

/// Searches all runs within the bounds. Returns the law that was broken, and prints how.
pub fn search(bounds: &Bounds) -> Option<&'static str> {
    let is_planted = bounds.plant != Plant::Nothing;
    explore(bounds.clone(), bounds.name, is_planted, String::new, |world| format!("{world:?}"))
}

/// The search is exhausted, no law is broken, and the run has shown at least these.
pub fn holds(bounds: &Bounds, sights: &[Sight]) {
    assert_eq!(search(bounds), None, "a law is broken");
    let seen = bounds.sights.load(Ordering::Relaxed);
    for sight in sights {
        assert!(seen & (1 << *sight as u8) != 0, "{}: {sight:?} was never met", bounds.name);
    }
}
