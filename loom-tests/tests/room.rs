//! The room in which threads park on Linux: no wake-up is lost, and none reaches another thread. Loom's kernel keeps a
//! thread asleep unless its own bit rings, so a lost wake-up is a deadlock.
#![cfg(dogpile_loom)]

use dogpile::model::{Deadline, Room};
use dogpile_loom_tests::{Slot, check, spawn};
use std::sync::Arc;
use std::time::Duration;

/// A room, and memory that is written before a thread is woken.
struct Model {
    room: Room,
    slots: [Slot; 2],
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self { room: Room::new(), slots: [Slot::new(), Slot::new()] })
    }

    fn park(&self, place: usize) {
        assert!(self.room.park(1 << place, Deadline::after(Duration::MAX)));
        assert_eq!(self.slots[place].read(), 1, "what was done before waking is seen");
    }

    fn wake(&self, place: usize) {
        self.slots[place].write(1);
        self.room.give_tokens(1 << place);
        self.room.ring(1 << place);
    }
}

/// C16: the wake-up comes before, while and after the thread falls asleep.
#[test]
fn c16_one_thread_is_woken() {
    check(|| {
        let shared = Model::new();
        let waker = spawn(&shared, |shared| shared.wake(0));
        shared.park(0);
        waker.join().unwrap();
    });
}

/// Each thread is woken by a waker of its own, and both wakers ring the same bell.
#[test]
fn c16_two_threads_are_woken_one_by_one() {
    check(|| {
        let shared = Model::new();
        let wakers = [0, 1].map(|place| spawn(&shared, move |shared| shared.wake(place)));
        let other = spawn(&shared, |shared| shared.park(1));
        shared.park(0);
        other.join().unwrap();
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

/// One ring wakes both threads.
#[test]
fn c16_two_threads_are_woken_together() {
    check(|| {
        let shared = Model::new();
        let waker = spawn(&shared, |shared| {
            for place in 0..2 {
                shared.slots[place].write(1);
                shared.room.give_tokens(1 << place);
            }
            shared.room.ring(0b11);
        });
        let other = spawn(&shared, |shared| shared.park(1));
        shared.park(0);
        other.join().unwrap();
        waker.join().unwrap();
    });
}

/// L5: a ring for one thread leaves the other asleep, with its token untouched, so that the other can still be woken
/// for good.
#[test]
fn l5_a_ring_for_one_is_not_for_another() {
    check(|| {
        let shared = Model::new();
        let waker = spawn(&shared, |shared| {
            shared.wake(0);
            shared.room.ring(1 << 1); // without a token: the thread looks, and sleeps again
            shared.wake(1);
        });
        let other = spawn(&shared, |shared| shared.park(1));
        shared.park(0);
        other.join().unwrap();
        waker.join().unwrap();
    });
}

/// L10: the thread runs out of time at the first chance. The token that comes later stays for the next wait.
#[test]
fn l10_a_thread_that_is_out_of_time_leaves() {
    check(|| {
        let shared = Model::new();
        let waker = spawn(&shared, |shared| shared.wake(0));
        if !shared.room.park(1, Deadline::after(Duration::ZERO)) {
            shared.park(0);
        }
        waker.join().unwrap();
    });
}
