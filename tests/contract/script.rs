//! Random scripts on the settable clock: the real lock and the naive one do the same at each step.
//!
//! A script runs on one thread, so that each step has one right answer. A step that would wait must say so at once.
//! proptest prints the shortest script that differs; `PROPTEST_CASES` asks for more of them.

use crate::naive::{Naive, NaiveTurn};
use crate::policies;
use crate::stage::{ALMOST_A_MINUTE, MINUTE, Mark, Subject};
use dogpile::{AcquireError, Creation, Dogpile, Generation, ManualClock, Turn};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    /// An access that does not wait. If it is elected, the script holds its creation.
    Access,
    Finish,
    Drop,
    /// Stores a value if the creation was not superseded.
    Publish,
    Invalidate,
    NoteGeneration,
    InvalidateIf,
    MarkStale,
    Advance(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Access),
        4 => Just(Step::Finish),
        1 => Just(Step::Drop),
        2 => Just(Step::Publish),
        1 => Just(Step::Invalidate),
        2 => Just(Step::NoteGeneration),
        1 => Just(Step::InvalidateIf),
        1 => Just(Step::MarkStale),
        3 => prop_oneof![
            Just(Duration::from_nanos(1)),
            Just(ALMOST_A_MINUTE),
            Just(MINUTE),
            (0..200u64).prop_map(Duration::from_secs),
        ].prop_map(Step::Advance),
    ]
}

fn expiry() -> impl Strategy<Value = Duration> {
    prop_oneof![
        1 => Just(Duration::ZERO),
        1 => Just(Duration::from_nanos(1)),
        4 => Just(MINUTE),
        1 => Just(Duration::MAX),
    ]
}

/// The naive lock's side of a held creation.
struct NaiveCreation {
    born: u64,
    kept_back: bool,
}

/// Both locks, and the creation that a script holds of each.
struct Pair<'a> {
    real: &'a Dogpile<Arc<ManualClock>>,
    naive: &'a Naive,
    held: Option<(Creation<'a, Dogpile<Arc<ManualClock>>>, NaiveCreation)>,
    noted: Option<(Generation, Mark)>,
}

impl Pair<'_> {
    fn take(&mut self, step: &Step, clock: &ManualClock) {
        match step {
            Step::Access => self.access(),
            Step::Finish => {
                if let Some((real, naive)) = self.held.take() {
                    assert_eq!(Some(real.finish()), self.naive.end(Some(naive.kept_back)));
                }
            }
            Step::Drop => {
                if let Some((real, _)) = self.held.take() {
                    drop(real);
                    self.naive.end(None);
                }
            }
            Step::Publish => {
                if let Some((real, naive)) = &mut self.held {
                    let superseded = self.naive.generation() != Mark::Naive(naive.born);
                    assert_eq!(real.is_superseded(), superseded);
                    assert_eq!(real.publish(|| ()).is_err(), superseded);
                    naive.kept_back |= superseded;
                }
            }
            Step::Invalidate => {
                self.real.invalidate();
                self.naive.invalidate();
            }
            Step::NoteGeneration => self.noted = Some((self.real.generation(), self.naive.generation())),
            Step::InvalidateIf => {
                if let Some((real, naive)) = self.noted {
                    assert_eq!(self.real.invalidate_if(real), self.naive.invalidate_if(naive));
                }
            }
            Step::MarkStale => {
                self.real.mark_stale();
                self.naive.mark_stale();
            }
            Step::Advance(by) => clock.advance(*by),
        }
    }

    fn access(&mut self) {
        let naive = self.naive.turn(Duration::ZERO, None);
        if naive == NaiveTurn::TimedOut {
            assert!(self.real.try_acquire().is_err());
            assert_eq!(self.real.access().timeout(Duration::ZERO).turn().unwrap_err(), AcquireError::TimedOut);
            return;
        }
        match (self.real.try_acquire(), naive) {
            (Ok(Turn::Fresh), NaiveTurn::Fresh) | (Ok(Turn::Stale), NaiveTurn::Stale) => {}
            (Ok(Turn::Create(creation)), NaiveTurn::Elected { born }) => {
                let before = self.held.replace((creation, NaiveCreation { born, kept_back: false }));
                assert!(before.is_none(), "two creations at once (L1)");
            }
            (real, naive) => panic!("the real lock says {real:?}, the naive one {naive:?}"),
        }
    }

    fn compare(&self) {
        assert_eq!(self.real.freshness(), self.naive.freshness());
        assert_eq!(self.real.age(), self.naive.age());
        assert_eq!(self.real.is_creating(), self.naive.is_creating());
        assert_eq!(self.real.waiting(), 0);
        if let Some((real, naive)) = self.noted {
            assert_eq!(self.real.generation() == real, self.naive.generation() == naive);
            assert!(self.real.generation() >= real);
        }
    }
}

/// The name of this test in the list of tests.
pub const NAME: &str = "script::the_real_lock_does_what_the_naive_one_does";

pub fn the_real_lock_does_what_the_naive_one_does() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(expires_after in expiry(), script in prop::collection::vec(step(), 1..60))| {
        let clock = Arc::new(ManualClock::new());
        let real = Dogpile::with_clock(expires_after, Arc::clone(&clock));
        let naive = Naive::new(expires_after, Arc::clone(&clock), &policies::NONE);
        let mut pair = Pair { real: &real, naive: &naive, held: None, noted: None };
        for step in script {
            pair.take(&step, &clock);
            pair.compare();
        }
    });
}
