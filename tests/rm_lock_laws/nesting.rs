//! More guards on one thread than its record holds.

use super::{DEEP, Holder, stays, until};
use dogpile::RmLock;
use std::iter;
use std::thread;

/// The orders in which guards are dropped: as they were taken, in reverse, and every other one first.
fn orders() -> [Vec<usize>; 3] {
    let every_other = (0..DEEP).step_by(2).chain((1..DEEP).step_by(2));
    [(0..DEEP).collect(), (0..DEEP).rev().collect(), every_other.collect()]
}

/// Takes guards of the locks in turn. After so many guards, a writer comes to each lock. It goes in when the last guard
/// of its lock is gone, neither earlier nor later.
fn nested(locks: usize, before_the_writers: usize) {
    for order in orders() {
        let locks: Vec<_> = iter::repeat_with(|| RmLock::new(0)).take(locks).collect();
        thread::scope(|scope| {
            let take = |at: usize| Some(locks[at % locks.len()].read());
            let mut guards: Vec<_> = (0..before_the_writers).map(take).collect();
            let writers: Vec<_> = locks.iter().map(|lock| Holder::begins(scope, || *lock.write() += 1)).collect();
            until(|| locks.iter().all(|lock| lock.waiting_writers() == 1));
            guards.extend((before_the_writers..DEEP).map(take));
            for at in order {
                let which = at % locks.len();
                stays(|| locks[which].waiting_writers() == 1 && !writers[which].is_in());
                assert_eq!(guards[at].take().as_deref(), Some(&0));
                let is_last = (which..DEEP).step_by(locks.len()).all(|at| guards[at].is_none());
                if is_last {
                    writers[which].see_in();
                }
            }
            writers.into_iter().for_each(Holder::lets_go);
        });
        assert!(locks.iter().all(|lock| *lock.read() == 1));
        assert!(locks.iter().all(|lock| lock.try_write().is_ok()));
    }
}

pub fn c15_deeper_than_a_record_in_one_lock() {
    nested(1, 1);
    nested(1, DEEP / 2);
    nested(1, DEEP);
}

pub fn c15_deeper_than_a_record_in_three_locks() {
    nested(3, 3);
    nested(3, DEEP / 2);
    nested(3, DEEP);
}

pub fn c15_deeper_than_a_record_in_twenty_locks() {
    nested(DEEP, DEEP);
}
