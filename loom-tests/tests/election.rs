//! The election without a value: which access creates, which waits, and which waiter is called.
#![cfg(dogpile_loom)]

use Verdict::{Elected, Failed, LookAgain, Moved, Paused, Served, WouldDeadlock};
use dogpile::Finished;
use dogpile::model::{Birth, Deadline, Election, State, Timer, Verdict, Waiter, block_until};
use dogpile_loom_tests::{Reached, Slot, Wakes, check, spawn};
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use loom::sync::{Condvar, Mutex};
use loom::thread;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

/// What the threads of a model share: the election, and what its creators write.
struct Model {
    election: Election,
    slot: Slot,
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self { election: Election::new(), slot: Slot::new() })
    }

    /// Creates the same with a creation that runs already.
    fn creating() -> (Arc<Self>, State, Birth) {
        let shared = Self::new();
        let born = shared.elect().expect("nobody else creates");
        let seen = shared.election.look();
        (shared, seen, born)
    }

    fn elect(&self) -> Option<Birth> {
        self.election.elect(self.election.look(), None)
    }

    /// Returns the creation that runs, if it cannot be declared dead.
    fn immortal(&self) -> Birth {
        Birth { generation: self.election.look().generation(), ticket: 0, started: 0, buried: None }
    }

    /// Waits as a thread does, for that creation only.
    fn wait(&self, seen: State) -> Verdict {
        self.wait_until(Deadline::after(Duration::MAX), seen).expect("a wait without an end")
    }

    fn wait_until(&self, deadline: Deadline, seen: State) -> Option<Verdict> {
        let mut waiter = self.election.wait(seen, false);
        block_until(deadline, |waker| waiter.poll(waker, None))
    }

    /// Returns two waiters in the queue, one after the other, and the counts of their wakers.
    fn two_waiters(&self, seen: State) -> ([Waiter<'_>; 2], [Arc<Wakes>; 2]) {
        let wakes = [(); 2].map(|()| Arc::new(Wakes::default()));
        let mut waiters = [(); 2].map(|()| self.election.wait(seen, false));
        for (waiter, wakes) in waiters.iter_mut().zip(&wakes) {
            assert_eq!(waiter.poll(&wakes.waker(), None), Poll::Pending);
        }
        (waiters, wakes)
    }

    /// Waits or is elected, whichever comes first, as an access to a missing value does.
    fn turn(&self) -> Option<Birth> {
        loop {
            let seen = self.election.look();
            if seen.is_creating() {
                match self.wait(seen) {
                    Served => return None,
                    Elected(born) => return Some(born),
                    Moved | LookAgain | Paused(_) | Failed(_) | WouldDeadlock(_) => {}
                }
            } else if let Some(born) = self.election.elect(seen, None) {
                return Some(born);
            }
        }
    }

    /// Creates, with success.
    fn create(&self, born: Birth) -> Finished {
        self.slot.write(self.slot.read() + 1);
        self.election.finish(born, false, None, |_, _| ())
    }

    /// Writes to the slot, and fails.
    fn fail(&self) {
        self.slot.write(self.slot.read() + 1);
        self.election.abandon(self.immortal(), None, None, || ());
    }

    /// Returns, at the end of a model, whether no creation runs and no waiter is left behind.
    fn is_at_rest(&self) -> bool {
        !self.election.look().is_creating() && self.election.waiting() == 0
    }
}

#[test]
fn l1_of_three_accesses_that_saw_the_same_word_one_is_elected() {
    check(|| {
        let shared = Model::new();
        let seen = shared.election.look();
        let others = [(); 2].map(|()| spawn(&shared, move |shared| shared.election.elect(seen, None).is_some()));
        let here = shared.election.elect(seen, None).is_some();
        let elected = others.map(|other| other.join().unwrap()).into_iter().chain([here]).filter(|elected| *elected);
        assert_eq!(elected.count(), 1);
    });
}

/// One creation runs at a time, whether creations fail or not. Each sees what the ones before it wrote.
#[test]
fn l1_creations_exclude_each_other_and_are_ordered() {
    static BOTH: Reached = Reached::new();
    check(|| {
        let shared = Model::new();
        let other = spawn(&shared, |shared| shared.elect().map(|_| shared.fail()).is_some());
        let here = shared.elect().map(|born| assert_eq!(shared.create(born), Finished::Published)).is_some();
        let there = other.join().unwrap();
        assert!(here || there, "the first to come is elected");
        BOTH.here_if(here && there);
        assert_eq!(shared.slot.read(), usize::from(here) + usize::from(there));
        assert!(shared.is_at_rest());
    });
    BOTH.at_least_once();
}

#[test]
fn l1_failures_of_three_exclude_each_other_and_are_ordered() {
    check(|| {
        let shared = Model::new();
        let others = [(); 2].map(|()| spawn(&shared, |shared| shared.elect().map(|_| shared.fail()).is_some()));
        let here = shared.elect().map(|_| shared.fail()).is_some();
        let created = others.map(|other| usize::from(other.join().unwrap()));
        assert_eq!(shared.slot.read(), created[0] + created[1] + usize::from(here));
    });
}

/// Two accesses: each creates or is served, and sees what was created.
#[test]
fn l1_l4_of_two_accesses_each_creates_or_is_served() {
    static SERVED: Reached = Reached::new();
    check(|| {
        let shared = Model::new();
        let access = |shared: &Model| {
            if let Some(born) = shared.turn() {
                assert_eq!(shared.create(born), Finished::Published);
            } else {
                SERVED.here();
                assert_eq!(shared.slot.read(), 1);
            }
        };
        let other = spawn(&shared, access);
        access(&shared);
        other.join().unwrap();
        assert!(shared.is_at_rest());
    });
    SERVED.at_least_once();
}

#[test]
fn l3_one_creation_serves_all_its_waiters() {
    static ALL: Reached = Reached::new();
    check(|| {
        let (shared, seen, born) = Model::creating();
        let others = [(); 2].map(|()| {
            spawn(&shared, move |shared| {
                let verdict = shared.wait(seen);
                if verdict == Served {
                    assert_eq!(shared.slot.read(), 1);
                }
                verdict
            })
        });
        assert_eq!(shared.create(born), Finished::Published);
        let verdicts = others.map(|other| other.join().unwrap());
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Served | Moved)), "{verdicts:?}");
        ALL.here_if(verdicts == [const { Served }; 2]);
        assert!(shared.is_at_rest());
    });
    ALL.at_least_once();
}

/// A task waits, and a thread behind it. The waker of the task waits for the thread, which is woken by the same end of
/// a creation. Threads are woken first; otherwise this would hang.
#[test]
fn f5_a_waker_that_waits_for_a_thread() {
    #[derive(Default)]
    struct CameBack(Mutex<bool>, Condvar);

    impl Wake for CameBack {
        fn wake(self: Arc<Self>) {
            let mut came_back = self.0.lock().unwrap();
            while !*came_back {
                came_back = self.1.wait(came_back).unwrap();
            }
        }
    }

    static QUEUED: Reached = Reached::new();
    check(|| {
        let (shared, seen, born) = Model::creating();
        let came_back = Arc::<CameBack>::default();
        let mut task = shared.election.wait(seen, false);
        assert_eq!(task.poll(&Waker::from(Arc::clone(&came_back)), None), Poll::Pending);
        let thread = spawn(&shared, move |shared| {
            QUEUED.here_if(shared.wait(seen) == Served);
            *came_back.0.lock().unwrap() = true;
            came_back.1.notify_all();
        });
        shared.create(born);
        thread.join().unwrap();
        assert_eq!(task.poll(Waker::noop(), None), Poll::Ready(Served));
        assert!(shared.is_at_rest());
    });
    QUEUED.at_least_once();
}

/// A creation ends between an access's look and its queueing. The access does not queue, and is not left behind.
#[test]
fn c16_a_creation_that_ends_before_an_access_queues_is_not_waited_for() {
    static QUEUED: Reached = Reached::new();
    static LATE: Reached = Reached::new();
    check(|| {
        let (shared, seen, born) = Model::creating();
        let waiter = spawn(&shared, move |shared| shared.wait(seen));
        shared.create(born);
        match waiter.join().unwrap() {
            Served => QUEUED.here(),
            Moved | LookAgain | Paused(_) | Failed(_) | WouldDeadlock(_) => LATE.here(),
            Elected(_) => panic!("a creation that did not fail elects nobody"),
        }
        assert!(shared.is_at_rest());
    });
    QUEUED.at_least_once();
    LATE.at_least_once();
}

/// An access that saw one creation does not queue for the next: there may be a value by now, stale but good enough. The
/// second creation does not end until the access has returned.
#[test]
fn l2_an_access_that_saw_one_creation_does_not_wait_for_the_next() {
    static LATE: Reached = Reached::new();
    check(|| {
        let (shared, seen, born) = Model::creating();
        let waiter = spawn(&shared, move |shared| shared.wait(seen));
        shared.create(born);
        let next = shared.elect().expect("nobody else creates");
        match waiter.join().unwrap() {
            Served => {}
            Moved | LookAgain | Paused(_) | Failed(_) | WouldDeadlock(_) => LATE.here(),
            Elected(_) => panic!("a creation that did not fail elects nobody"),
        }
        shared.create(next);
        assert!(shared.is_at_rest());
    });
    LATE.at_least_once();
}

#[test]
fn c16_a_creation_that_fails_before_an_access_queues_is_not_waited_for() {
    static QUEUED: Reached = Reached::new();
    static LATE: Reached = Reached::new();
    check(|| {
        let (shared, seen, first) = Model::creating();
        let waiter = spawn(&shared, move |shared| match shared.wait(seen) {
            Elected(born) => {
                QUEUED.here();
                assert_eq!(born, first, "a failure does not move the generation");
                assert_eq!(shared.slot.read(), 1);
                shared.create(born);
            }
            Moved | LookAgain | Paused(_) | Failed(_) | WouldDeadlock(_) => LATE.here(),
            Served => panic!("there was nothing to be served with"),
        });
        shared.fail();
        waiter.join().unwrap();
        assert!(shared.is_at_rest());
    });
    QUEUED.at_least_once();
    LATE.at_least_once();
}

/// A failure wakes one waiter. It creates, and that serves the other. (C3, for two.)
#[test]
fn l5_a_failure_hands_on_to_exactly_one_of_two_waiters() {
    static HANDED_ON: Reached = Reached::new();
    check(|| {
        let (shared, seen, _) = Model::creating();
        let waiters = [(); 2].map(|()| {
            spawn(&shared, move |shared| {
                let verdict = shared.wait(seen);
                match verdict {
                    Elected(born) => assert_eq!(shared.create(born), Finished::Published),
                    Served => assert_eq!(shared.slot.read(), 2),
                    Moved | LookAgain | Paused(_) | Failed(_) | WouldDeadlock(_) => {}
                }
                verdict
            })
        });
        shared.fail();
        let verdicts = waiters.map(|waiter| waiter.join().unwrap());
        let elected = verdicts.iter().filter(|verdict| matches!(verdict, Elected(_))).count();
        let served = verdicts.iter().filter(|verdict| **verdict == Served).count();
        assert!(elected <= 1 && served <= elected, "{verdicts:?}");
        HANDED_ON.here_if(served == 1);
        assert!(shared.is_at_rest());
    });
    HANDED_ON.at_least_once();
}

/// Both are queued for certain, as tasks. The failure wakes one waker, and the creation that follows wakes the other.
#[test]
fn l5_a_failure_wakes_exactly_one_waker() {
    check(|| {
        let (shared, seen, _) = Model::creating();
        let (mut waiters, wakes) = shared.two_waiters(seen);
        let creator = spawn(&shared, Model::fail);
        // This waiter looks too early or just in time, but another one is called.
        assert_eq!(waiters[1].poll(&wakes[1].waker(), None), Poll::Pending);
        creator.join().unwrap();
        assert_eq!([wakes[0].count(), wakes[1].count()], [1, 0]);
        assert_eq!(waiters[1].poll(&wakes[1].waker(), None), Poll::Pending);
        let Poll::Ready(Elected(born)) = waiters[0].poll(&wakes[0].waker(), None) else {
            panic!("called, yet not elected")
        };
        shared.create(born);
        assert_eq!([wakes[0].count(), wakes[1].count()], [1, 1]);
        assert_eq!(waiters[1].poll(&wakes[1].waker(), None), Poll::Ready(Served));
        assert!(shared.is_at_rest());
    });
}

/// One of two waiters runs out of time before it is called, just after that, or is not queued at all. The creator
/// fails.
#[test]
fn c4_a_waiter_that_gives_up_passes_the_baton_on() {
    static GAVE_UP: Reached = Reached::new();
    check(|| {
        let (shared, seen, _) = Model::creating();
        let impatient = spawn(&shared, move |shared| shared.wait_until(Deadline::after(Duration::ZERO), seen));
        let patient = spawn(&shared, move |shared| {
            let verdict = shared.wait(seen);
            if let Elected(born) = verdict {
                shared.create(born);
            }
            verdict
        });
        shared.fail();
        let impatient = impatient.join().unwrap();
        let patient = patient.join().unwrap();
        assert!(matches!(impatient, None | Some(Moved)));
        assert!(matches!(patient, Elected(_) | Moved));
        GAVE_UP.here_if(impatient.is_none() && matches!(patient, Elected(_)));
        assert!(shared.is_at_rest());
    });
    GAVE_UP.at_least_once();
}

/// The first in line, queued for certain, leaves while the creation fails. Either the leaving waiter or the failure
/// calls the second.
#[test]
fn c4_the_first_in_line_leaves_while_the_creation_fails() {
    static WAS_CALLED: Reached = Reached::new();
    static WAS_NOT: Reached = Reached::new();
    check(|| {
        let (shared, seen, _) = Model::creating();
        let ([first, mut second], wakes) = shared.two_waiters(seen);
        let creator = spawn(&shared, Model::fail);
        drop(first);
        creator.join().unwrap();
        if wakes[0].count() == 0 {
            WAS_NOT.here();
        } else {
            WAS_CALLED.here();
        }
        assert_eq!(wakes[1].count(), 1);
        assert!(matches!(second.poll(&wakes[1].waker(), None), Poll::Ready(Elected(_))));
        shared.election.abandon(shared.immortal(), None, None, || ());
        assert!(shared.is_at_rest());
    });
    WAS_CALLED.at_least_once();
    WAS_NOT.at_least_once();
}

/// A waiter with the baton leaves while a newcomer is elected. The second in line is served, or called at the latest
/// when the newcomer fails.
#[test]
fn c4_the_waiter_that_is_called_leaves_while_a_newcomer_creates() {
    static OVERTAKEN: Reached = Reached::new();
    check(|| {
        let (shared, seen, _) = Model::creating();
        let ([first, mut second], wakes) = shared.two_waiters(seen);
        shared.fail();
        let newcomer = spawn(&shared, |shared| {
            OVERTAKEN.here_if(shared.elect().map(|_| shared.fail()).is_some());
        });
        drop(first);
        newcomer.join().unwrap();
        assert!(wakes[1].count() >= 1);
        assert!(matches!(second.poll(&wakes[1].waker(), None), Poll::Ready(Elected(_))));
        shared.election.abandon(shared.immortal(), None, None, || ());
        assert!(shared.is_at_rest());
    });
    OVERTAKEN.at_least_once();
}

/// The waiter is called, but a newcomer is faster: the newcomer's creation serves the waiter.
#[test]
fn l5_a_newcomer_that_overtakes_the_called_waiter_serves_it() {
    static ELECTED: Reached = Reached::new();
    static OVERTAKEN: Reached = Reached::new();
    check(|| {
        let (shared, seen, _) = Model::creating();
        let waiter = spawn(&shared, move |shared| {
            let verdict = shared.wait(seen);
            if let Elected(born) = verdict {
                ELECTED.here();
                shared.create(born);
            }
            verdict
        });
        shared.fail();
        let newcomer = shared.elect().map(|born| shared.create(born));
        let verdict = waiter.join().unwrap();
        match verdict {
            Elected(_) | Moved | LookAgain | Paused(_) | Failed(_) | WouldDeadlock(_) => {}
            Served => {
                OVERTAKEN.here();
                assert_eq!(newcomer, Some(Finished::Published));
            }
        }
        assert!(shared.is_at_rest());
    });
    ELECTED.at_least_once();
    OVERTAKEN.at_least_once();
}

/// As before, but the newcomer fails, too, perhaps twice. The waiter has kept its place, and is called again.
#[test]
fn l5_an_overtaken_waiter_is_called_again_if_newcomers_fail() {
    static TWICE: Reached = Reached::new();
    check(|| {
        let (shared, seen, _) = Model::creating();
        let waiter = spawn(&shared, move |shared| {
            let verdict = shared.wait(seen);
            if let Elected(born) = verdict {
                shared.create(born);
            }
            verdict
        });
        shared.fail();
        let overtaking = [(); 2].map(|()| shared.elect().map(|_| shared.fail()).is_some());
        let verdict = waiter.join().unwrap();
        assert!(matches!(verdict, Elected(_) | Moved), "{verdict:?}");
        TWICE.here_if(overtaking == [true; 2] && verdict != Moved);
        assert!(shared.is_at_rest());
    });
    TWICE.at_least_once();
}

/// The queue is first come, first served, even for a waiter that was called and overtaken.
#[test]
fn l5_an_overtaken_waiter_stays_first_in_line() {
    static OVERTAKEN: Reached = Reached::new();
    check(|| {
        let (shared, seen, _) = Model::creating();
        let ([mut first, mut second], wakes) = shared.two_waiters(seen);
        shared.fail();
        let newcomer = spawn(&shared, |shared| {
            if shared.elect().is_some() {
                shared.fail();
            }
        });
        let elected = match first.poll(&wakes[0].waker(), None) {
            Poll::Ready(elected) => elected,
            Poll::Pending => {
                newcomer.join().unwrap();
                OVERTAKEN.here();
                assert_eq!([wakes[0].count(), wakes[1].count()], [2, 0]);
                let Poll::Ready(elected) = first.poll(&wakes[0].waker(), None) else { panic!("lost its place") };
                elected
            }
        };
        let Elected(born) = elected else { panic!("{elected:?}") };
        shared.create(born);
        assert_eq!(second.poll(&wakes[1].waker(), None), Poll::Ready(Served));
    });
    OVERTAKEN.at_least_once();
}

/// A waiter from before an invalidation is served by the creation that it superseded. An access that comes after the
/// invalidation is not: it creates anew once that creation has ended.
#[test]
fn l6_a_superseded_creation_serves_only_waiters_from_before() {
    static SUPERSEDED: Reached = Reached::new();
    static PUBLISHED: Reached = Reached::new();
    static WAITED: Reached = Reached::new();
    check(|| {
        let (shared, seen, born) = Model::creating();
        let wakes = Arc::new(Wakes::default());
        let mut before = shared.election.wait(seen, false);
        assert_eq!(before.poll(&wakes.waker(), None), Poll::Pending);
        let after = spawn(&shared, |shared| {
            assert!(shared.election.invalidate(None, || ()).is_some());
            let seen = shared.election.look();
            let born = if seen.is_creating() {
                match shared.wait(seen) {
                    Elected(born) => {
                        WAITED.here();
                        born
                    }
                    Moved | LookAgain | Paused(_) | Failed(_) | WouldDeadlock(_) => {
                        shared.elect().expect("nobody else creates")
                    }
                    Served => panic!("served with old news"),
                }
            } else {
                shared.election.elect(seen, None).expect("nobody else creates")
            };
            assert_eq!(shared.create(born), Finished::Published);
        });
        match shared.create(born) {
            Finished::Published => PUBLISHED.here(),
            Finished::Superseded => SUPERSEDED.here(),
            finished => panic!("{finished:?}"),
        }
        after.join().unwrap();
        assert_eq!(wakes.count(), 1);
        assert_eq!(before.poll(&wakes.waker(), None), Poll::Ready(Served));
        assert!(shared.is_at_rest());
    });
    SUPERSEDED.at_least_once();
    PUBLISHED.at_least_once();
    WAITED.at_least_once();
}

/// One waiter came before the invalidation and one after it, both queued for certain. The first is served, and the
/// second is called. A creation that has kept its value back serves neither, and calls the first.
#[test]
fn l6_the_queue_is_split_at_the_invalidation() {
    static KEPT_BACK: Reached = Reached::new();
    check(|| {
        let (shared, seen, born) = Model::creating();
        let wakes = [(); 2].map(|()| Arc::new(Wakes::default()));
        let mut before = shared.election.wait(seen, false);
        assert_eq!(before.poll(&wakes[0].waker(), None), Poll::Pending);
        let creator = spawn(&shared, move |shared| {
            while shared.election.waiting() < 2 {
                thread::yield_now();
            }
            // The value is kept back as by a refused `publish`, or published as by a creator that does not ask.
            let kept_back = !shared.election.is_current(born);
            assert_eq!(
                shared.election.finish(born, kept_back, None, |ended, _| assert_eq!(
                    (ended, kept_back),
                    (Finished::Superseded, false)
                )),
                Finished::Superseded
            );
            kept_back
        });
        assert!(shared.election.invalidate(None, || ()).is_some());
        let mut after = shared.election.wait(shared.election.look(), false);
        assert_eq!(after.poll(&wakes[1].waker(), None), Poll::Pending);
        if creator.join().unwrap() {
            KEPT_BACK.here();
            assert_eq!([wakes[0].count(), wakes[1].count()], [1, 0]);
            assert!(matches!(before.poll(&wakes[0].waker(), None), Poll::Ready(Elected(_))));
            shared.election.abandon(shared.immortal(), None, None, || ());
        } else {
            assert_eq!(before.poll(&wakes[0].waker(), None), Poll::Ready(Served));
        }
        assert_eq!([wakes[0].count(), wakes[1].count()], [1, 1]);
        let Poll::Ready(Elected(born)) = after.poll(&wakes[1].waker(), None) else { panic!("called, yet not elected") };
        assert_eq!(shared.create(born), Finished::Published);
        assert!(shared.is_at_rest());
    });
    KEPT_BACK.at_least_once();
}

/// The waker of a task on an executor of its own. The poll loop below sleeps until the waker is woken.
struct Task {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

/// Polls `poll` as an executor does: with a new waker each time, and only when the newest one was woken.
fn drive<T>(mut poll: impl FnMut(&Waker) -> Poll<T>) -> T {
    loop {
        let task = Arc::new(Task { woken: Mutex::new(false), changed: Condvar::new() });
        if let Poll::Ready(ready) = poll(&Waker::from(Arc::clone(&task))) {
            return ready;
        }
        let mut woken = task.woken.lock().unwrap();
        while !*woken {
            woken = task.changed.wait(woken).unwrap();
        }
    }
}

/// A thread and a task wait in one queue. The creator fails; one of the two creates, and the other is served.
#[test]
fn l5_threads_and_tasks_wait_in_one_queue() {
    static THREAD: Reached = Reached::new();
    static TASK: Reached = Reached::new();
    check(|| {
        let (shared, seen, _) = Model::creating();
        let then = |shared: &Model, verdict| {
            if let Elected(born) = verdict {
                shared.create(born);
            }
            verdict
        };
        let threaded = spawn(&shared, move |shared| then(shared, shared.wait(seen)));
        let task = spawn(&shared, move |shared| {
            let mut waiter = shared.election.wait(seen, false);
            then(shared, drive(|waker| waiter.poll(waker, None)))
        });
        shared.fail();
        let (threaded, task) = (threaded.join().unwrap(), task.join().unwrap());
        THREAD.here_if(matches!((&threaded, &task), (Elected(_), Served)));
        TASK.here_if(matches!((&threaded, &task), (Served, Elected(_))));
        assert!(!matches!((&threaded, &task), (Elected(_), Elected(_))));
        assert!(shared.is_at_rest());
    });
    THREAD.at_least_once();
    TASK.at_least_once();
}

/// A task is polled for reasons of its own, each time with another waker, while the creation ends. The newest waker is
/// woken, or the poll is ready.
#[test]
fn c5_the_newest_waker_is_woken() {
    static NEWEST: Reached = Reached::new();
    static OLD: Reached = Reached::new();
    for fails in [false, true] {
        check(move || {
            let (shared, seen, born) = Model::creating();
            let [old, new] = [(); 2].map(|()| Arc::new(Wakes::default()));
            let mut waiter = shared.election.wait(seen, false);
            assert_eq!(waiter.poll(&old.waker(), None), Poll::Pending);
            let creator = spawn(&shared, move |shared| {
                if fails {
                    shared.fail();
                } else {
                    shared.create(born);
                }
            });
            let verdict = waiter.poll(&new.waker(), None);
            creator.join().unwrap();
            let verdict = match verdict {
                Poll::Ready(verdict) => {
                    OLD.here();
                    assert_eq!([old.count(), new.count()], [1, 0]);
                    verdict
                }
                Poll::Pending => {
                    NEWEST.here();
                    assert_eq!([old.count(), new.count()], [0, 1]);
                    let Poll::Ready(verdict) = waiter.poll(&new.waker(), None) else { panic!("woken for nothing") };
                    verdict
                }
            };
            assert_eq!(verdict, if fails { Elected(born) } else { Served });
        });
    }
    NEWEST.at_least_once();
    OLD.at_least_once();
}

/// Of two invalidations from one generation, exactly one goes through.
#[test]
fn l6_of_two_conditional_invalidations_one_goes_through() {
    check(|| {
        let shared = Model::new();
        let seen = shared.election.look().generation();
        let there = spawn(&shared, move |shared| shared.election.invalidate(Some(seen), || ()).is_some());
        let here = shared.election.invalidate(Some(seen), || ()).is_some();
        assert_ne!(there.join().unwrap(), here);
    });
}

/// A lock takes its first generation once, whether an election or a question is faster, and no other lock has that
/// generation. A creation that runs in it is superseded with it, and none else is.
#[test]
fn f10_the_first_generation_is_taken_once() {
    static SUPERSEDED: Reached = Reached::new();
    static TOO_LATE: Reached = Reached::new();
    static TOO_EARLY: Reached = Reached::new();
    check(|| {
        let (shared, another) = (Model::new(), Model::new());
        let other = another.election.generation();
        let asks = spawn(&shared, move |shared| {
            assert!(shared.election.invalidate(Some(other), || ()).is_none(), "it is another lock's");
            let seen = shared.election.generation();
            (seen, shared.election.invalidate(Some(seen), || ()).is_some())
        });
        let creates = spawn(&shared, |shared| {
            let born = loop {
                // An election that comes between moves no generation, but it changes the word.
                if let Some(born) = shared.elect() {
                    break born;
                }
            };
            (born.generation, shared.create(born))
        });
        let ((seen, invalidated), (born, finished)) = (asks.join().unwrap(), creates.join().unwrap());
        assert!(shared.election.generation() > seen && shared.election.generation() > born);
        match finished {
            Finished::Superseded => assert!(invalidated && born == seen),
            _ => assert!(!invalidated && born <= seen || invalidated && born != seen),
        }
        SUPERSEDED.here_if(finished == Finished::Superseded);
        TOO_LATE.here_if(!invalidated);
        TOO_EARLY.here_if(invalidated && born > seen);
        assert!(shared.is_at_rest());
    });
    SUPERSEDED.at_least_once();
    TOO_LATE.at_least_once();
    TOO_EARLY.at_least_once();
}

/// Either a mark finds the creation, which then carries it, or the creation was elected after the mark and sees what
/// was done before it. The same holds for an invalidation and a creation that it does not supersede.
#[test]
fn l6_a_creation_carries_a_mark_or_sees_what_came_before_it() {
    static CARRIED: Reached = Reached::new();
    static SAW: Reached = Reached::new();
    for by_mark in [true, false] {
        check(move || {
            let shared = Model::new();
            let told = Arc::new(AtomicBool::new(false));
            // Read and written under the election's mutex, as the deadline is.
            let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
            let teller = {
                let (told, ended) = (Arc::clone(&told), Arc::clone(&ended));
                spawn(&shared, move |shared| {
                    told.store(true, Relaxed);
                    let mut too_late = false;
                    let look = || too_late = ended.load(Relaxed);
                    if by_mark {
                        shared.election.mark(look);
                    } else {
                        assert!(shared.election.invalidate(None, look).is_some());
                    }
                    too_late
                })
            };
            // The word moves at most once between a look and the election.
            let born = shared.elect().or_else(|| shared.elect()).expect("nobody else creates");
            let saw = told.load(Relaxed);
            let finished = shared.election.finish(born, false, None, |_, _| ended.store(true, Relaxed));
            let too_late = teller.join().unwrap();
            if finished == Finished::Published && !too_late {
                SAW.here();
                assert!(saw, "neither carried the mark nor saw what came before it");
            } else {
                CARRIED.here_if(finished != Finished::Published);
            }
        });
    }
    CARRIED.at_least_once();
    SAW.at_least_once();
}

/// A creation that stands down lets all waiters look again, and elects none of them.
#[test]
fn l5_a_creation_that_stands_down_lets_all_waiters_look_again() {
    static BOTH_QUEUED: Reached = Reached::new();
    check(|| {
        let (shared, seen, _) = Model::creating();
        let waiters = [(); 2].map(|()| spawn(&shared, move |shared| shared.wait(seen)));
        shared.election.stand_down(shared.immortal(), None);
        let verdicts = waiters.map(|waiter| waiter.join().unwrap());
        assert!(
            verdicts
                .iter()
                .all(|verdict| matches!(verdict, Moved | LookAgain | Paused(_) | Failed(_) | WouldDeadlock(_))),
            "{verdicts:?}"
        );
        BOTH_QUEUED.here_if(verdicts == [const { LookAgain }; 2]);
        assert!(shared.is_at_rest());
    });
    BOTH_QUEUED.at_least_once();
}

/// Before these waiters have looked, a newcomer creates and serves them, or fails and hands on.
#[test]
fn l5_a_newcomer_after_a_stand_down_leaves_no_waiter_behind() {
    static SERVED: Reached = Reached::new();
    static ELECTED: Reached = Reached::new();
    for fails in [false, true] {
        check(move || {
            let (shared, seen, _) = Model::creating();
            let waiters = [(); 2].map(|()| {
                spawn(&shared, move |shared| {
                    let verdict = shared.wait(seen);
                    if let Elected(born) = verdict {
                        shared.create(born);
                    }
                    verdict
                })
            });
            shared.election.stand_down(shared.immortal(), None);
            if let Some(born) = shared.elect() {
                if fails {
                    shared.fail();
                } else {
                    shared.create(born);
                }
            }
            let verdicts = waiters.map(|waiter| waiter.join().unwrap());
            SERVED.here_if(!fails && verdicts == [const { Served }; 2]);
            ELECTED.here_if(fails && verdicts.iter().any(|verdict| matches!(verdict, Elected(_))));
            assert!(shared.is_at_rest());
        });
    }
    SERVED.at_least_once();
    ELECTED.at_least_once();
}

/// A waiter queues behind a creation that is overdue, and before it sleeps a store begins. The waiter sleeps until the
/// store ends, which wakes it.
#[test]
fn c16_a_store_that_begins_behind_a_waiter_wakes_it() {
    check(|| {
        let shared = Model::new();
        let hold = AtomicU64::new(0);
        let timer = |now| Some(Timer { hold: &hold, now, timeout: 10 });
        let born = shared.election.elect(shared.election.look(), timer(0)).expect("nobody else creates");
        let (wakes, stores) = (Arc::new(Wakes::default()), AtomicU64::new(0));
        let mut waiter = shared.election.wait(shared.election.look(), false);
        assert_eq!(waiter.poll(&wakes.waker(), timer(10)), Poll::Pending, "it queues");
        shared.election.begin_store(born, &stores).expect("it lives");
        shared.election.end_store(&stores);
        assert_eq!(wakes.count(), 1);
        let Poll::Ready(Elected(other)) = waiter.poll(&wakes.waker(), timer(10)) else { panic!("it takes over") };
        let rest = spawn(&shared, move |shared| shared.election.finish(born, false, None, |_, _| ()));
        assert_eq!(rest.join().unwrap(), Finished::Dead);
        assert_eq!(shared.create(other), Finished::Published);
        assert!(shared.is_at_rest());
    });
}
