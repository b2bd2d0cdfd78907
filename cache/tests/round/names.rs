//! States that differ in names alone are one.

use crate::messages::{Held, Op, Reply};
use crate::model::Bounds;
use crate::process::{Flight, Stage, World, tick, time};
use crate::server::Server;
use dogpile_cache::backend::Token;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// What model (i) leaves as it begins, and what is not hashed then. The order of processes and tasks goes by digests,
/// so states that know nothing of model (ii) keep the order that they have without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside<T>(pub T);

impl<T: Hash + Default + PartialEq> Hash for Beside<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        if self.0 != T::default() {
            self.0.hash(hasher);
        }
    }
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl<S: Server> Bounds<S> {
    /// Takes a state for all that are alike but for names.
    pub fn normalize(&self, world: &mut World<S>) {
        let known = world.known_tokens();
        for process in &mut world.processes {
            let now = time(world.now);
            process.memory.forget_the_past(&self.frame.settings, now);
            process.backend.forget_the_past(now);
            if process.memory.watched().is_some_and(|token| !known.contains(&token.0)) {
                process.memory.forget_watched();
            }
            if process.is_idle() {
                process.memory.forget_marks();
            }
            if tick(self.frame.settings.longest_pause) > self.ticks {
                process.memory.forget_pauses();
                process.paused = None;
            }
            for until in [&mut process.quiet_until, &mut process.down_until, &mut process.own_pause_until] {
                if *until <= world.now {
                    *until = 0;
                }
            }
            if process.tasks.len() == 2 && digest(&process.tasks[0]) > digest(&process.tasks[1]) {
                process.tasks.swap(0, 1);
                let swap = |task: &mut Option<usize>| *task = task.map(|task| 1 - task);
                swap(&mut process.turn);
                process.tasks.iter_mut().for_each(|task| swap(&mut task.waits_for));
            }
        }
        let mut tasks = world.processes.iter().flat_map(|process| &process.tasks);
        if !tasks.any(|task| task.waits_since.is_some()) {
            world.history.free_at = 0;
        }
        world.processes.sort_by_cached_key(digest);
        world.ghosts.sort_by_cached_key(digest);
    }
}

impl<S: Server> World<S> {
    /// Returns the smallest token that nobody knows.
    pub fn unknown_token(&self) -> Token {
        let mut known = self.known_tokens();
        known.extend(self.processes.iter().filter_map(|process| process.memory.watched()).map(|token| token.0));
        Token((1..u64::MAX).find(|token| !known.contains(token)).expect("few are known"))
    }

    /// Returns all tokens that can still be met.
    pub fn known_tokens(&self) -> Vec<u64> {
        let of_op = |op: &Op| match op {
            Op::Claim { token, .. } | Op::Release(token) => *token,
            Op::Renew(grant, _) | Op::Publish(grant, _) | Op::End { grant, .. } => grant.token.0,
            Op::Tell(_) | Op::Look | Op::Subscribe => 0,
        };
        let of_reply = |reply: &Reply| match reply {
            Reply::Held { token, .. } => *token,
            Reply::Looked(picture) | Reply::Changed(picture) => match picture.rest {
                Some(Held::Held { token, .. }) => token,
                _ => 0,
            },
            _ => 0,
        };
        let mut known: Vec<u64> = self.ghosts.iter().map(|(op, _)| of_op(op)).collect();
        self.server.tokens(&mut known);
        for process in &self.processes {
            known.extend(process.releases.iter().map(|flight| of_op(&flight.op)));
            for task in &process.tasks {
                known.push(task.token);
                if let Some(Flight { stage: Stage::Replied(reply), .. }) = &task.flight {
                    known.push(of_reply(reply));
                }
            }
        }
        known
    }
}
