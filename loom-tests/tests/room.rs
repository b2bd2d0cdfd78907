//! The room that threads park in on Linux: no wake-up is lost, and none is given to another. Loom's kernel keeps asleep
//! whoever is not rung by the bit of its own, so a lost wake-up is a deadlock.
#![cfg(dogpile_loom)]

use dogpile::model::{Deadline, Room};
use dogpile_loom_tests::{Slot, check, spawn};
use std::sync::Arc;
use std::time::Duration;

/// A room, and what is written before somebody is woken.
struct Shared {
    room: Room,
    slots: [Slot; 2],
}

impl Shared {
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

/// C16: before, while and after it falls asleep.
#[test]
fn c16_one_is_woken() {
    check(|| {
        let shared = Shared::new();
        let waker = spawn(&shared, |shared| shared.wake(0));
        shared.park(0);
        waker.join().unwrap();
    });
}

/// Each is woken by a waker of its own, who rings the same bell.
#[test]
fn c16_two_are_woken_one_by_one() {
    check(|| {
        let shared = Shared::new();
        let wakers = [0, 1].map(|place| spawn(&shared, move |shared| shared.wake(place)));
        let other = spawn(&shared, |shared| shared.park(1));
        shared.park(0);
        other.join().unwrap();
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

/// Both by one ring.
#[test]
fn c16_two_are_woken_together() {
    check(|| {
        let shared = Shared::new();
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

/// L5: a ring for one leaves the other asleep, and its token to itself: it is still there to be woken for good.
#[test]
fn l5_a_ring_for_one_is_not_for_another() {
    check(|| {
        let shared = Shared::new();
        let waker = spawn(&shared, |shared| {
            shared.wake(0);
            shared.room.ring(1 << 1); // without a token: it looks, and sleeps again
            shared.wake(1);
        });
        let other = spawn(&shared, |shared| shared.park(1));
        shared.park(0);
        other.join().unwrap();
        waker.join().unwrap();
    });
}

/// L10: out of time at the first chance, the token that comes later stays for the next wait.
#[test]
fn l10_who_is_out_of_time_goes() {
    check(|| {
        let shared = Shared::new();
        let waker = spawn(&shared, |shared| shared.wake(0));
        if !shared.room.park(1, Deadline::after(Duration::ZERO)) {
            shared.park(0);
        }
        waker.join().unwrap();
    });
}
