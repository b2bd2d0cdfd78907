//! Wakes a task at a set moment.
//!
//! A thread that waits sleeps until the moment at which a creation can be declared dead, or at which its soft time-out
//! is over. A task cannot do that, and this crate does not know the timers of the task's runtime. So one thread does it
//! for all tasks. The thread exists only while a task waits like that. A task does so for the end of a [soft
//! time-out](crate::AsyncAccess::soft_timeout); and where a policy has a
//! [`creation_timeout`](crate::PolicyBuilder::creation_timeout), and the clock goes at the pace of real time. (For a
//! clock that [wakes](crate::Clock::wake_at) by itself, as a runtime's timer could, a `creation_timeout` needs no
//! thread.) The thread has some hundred lines and no dependency. With a dependency, tasks would be a feature to switch
//! on.
//!
//! | what | is | until |
//! |---|---|---|
//! | an alarm that is set | an entry: a moment, a number of its own, a waker | the alarm is set anew, or dropped; or it has gone off |
//! | the thread | asleep until the first moment | there has been no entry for ten seconds |
//!
//! (A child made by fork(2) [begins](crate::sync::process) without entries and without the thread. An alarm that is set
//! there goes off, and an alarm that was set before does not.)
//!
//! An alarm that becomes the first entry wakes the thread. An alarm that finds no thread starts it. Both happen under
//! the mutex under which the thread goes to sleep. The thread wakes tasks outside the mutex: see
//! [`wakers`](crate::wakers). There is one thread for all alarms, so a waker that takes long delays the alarms of
//! others.

#[cfg(not(dogpile_loom))]
pub(crate) use real::Alarm;

#[cfg(not(dogpile_loom))]
mod real {
    use crate::sync::monitor::Monitor;
    use crate::sync::process::PerProcess;
    use crate::sync::{Deadline, unique};
    use crate::wakers::{Sleeper, wake_all};
    use std::collections::BTreeMap;
    use std::mem;
    use std::task::Waker;
    use std::thread;
    use std::time::{Duration, Instant};

    /// For how long the thread stays without anything to do.
    const IDLE: Duration = Duration::from_secs(10);

    #[derive(Default)]
    struct Entries {
        by_time: BTreeMap<(Instant, u64), Sleeper>,
        /// There is a thread.
        runs: bool,
    }

    static ENTRIES: PerProcess<Monitor<Entries>> = PerProcess::new();

    fn here() -> &'static Monitor<Entries> {
        ENTRIES.get_or_init(Monitor::default)
    }

    /// Wakes a task once, unless it is set anew or dropped before that.
    #[derive(Debug, Default)]
    pub(crate) struct Alarm(Option<(Instant, u64)>);

    impl Alarm {
        /// Sets the alarm to that moment, if that ever comes, in place of any earlier one.
        pub(crate) fn set(&mut self, at: Option<Deadline>, waker: &Waker) {
            let new = at.and_then(Deadline::at).map(|at| ((at, unique()), Sleeper::of(waker)));
            let old = mem::replace(&mut self.0, new.as_ref().map(|(key, _)| *key));
            if old.is_some() || new.is_some() {
                replace(old, new);
            }
        }
    }

    impl Drop for Alarm {
        fn drop(&mut self) {
            if let Some(old) = self.0.take() {
                replace(Some(old), None);
            }
        }
    }

    fn replace(old: Option<(Instant, u64)>, new: Option<((Instant, u64), Sleeper)>) {
        let monitor = here();
        let mut entries = monitor.lock();
        let gone = old.and_then(|key| entries.by_time.remove(&key));
        let mut unheard = Sleeper::default();
        if let Some((key, sleeper)) = new {
            entries.by_time.insert(key, sleeper);
            if !entries.runs {
                entries.runs = thread::Builder::new().name("dogpile".to_owned()).spawn(|| run(monitor)).is_ok();
            } else if entries.by_time.first_key_value().is_some_and(|(first, _)| *first == key) {
                monitor.tell_one();
            }
            if !entries.runs {
                unheard = entries.by_time.remove(&key).unwrap_or_default();
            }
        }
        drop(entries);
        drop(gone); // a waker
        // No thread could be started. The task is woken now, so that it asks again and again, rather than never.
        wake_all(&mut unheard);
    }

    fn run(monitor: &Monitor<Entries>) {
        let mut entries = monitor.lock();
        loop {
            let later = entries.by_time.split_off(&(Instant::now(), u64::MAX));
            let mut due = mem::replace(&mut entries.by_time, later);
            if !due.is_empty() {
                drop(entries);
                wake_all(&mut due);
                drop(due);
                entries = monitor.lock();
            } else if let Some(((first, _), _)) = entries.by_time.first_key_value() {
                let left = first.saturating_duration_since(Instant::now());
                (entries, _) = monitor.wait(entries, left);
            } else {
                let out_of_time;
                (entries, out_of_time) = monitor.wait(entries, IDLE);
                if out_of_time && entries.by_time.is_empty() {
                    entries.runs = false;
                    return;
                }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::sync::block_until;
        use std::task::Poll;

        fn after(milliseconds: u64) -> Deadline {
            Deadline::after(Duration::from_millis(milliseconds))
        }

        /// Waits for as many wake-ups, and for nothing else.
        fn wait_for(wakes: usize, mut set: impl FnMut(&Waker)) {
            let mut polled = 0;
            let waited = block_until(Deadline::after(Duration::MAX), |waker| {
                polled += 1;
                if polled > wakes {
                    return Poll::Ready(());
                }
                set(waker);
                Poll::Pending
            });
            assert!(waited.is_some());
        }

        #[test]
        fn it_wakes_however_often_it_is_set() {
            let mut alarm = Alarm::default();
            wait_for(3, |waker| {
                alarm.set(Some(after(3_600_000)), waker);
                alarm.set(Some(after(1)), waker);
            });
        }

        #[test]
        fn the_sooner_of_two_wakes_first() {
            let (mut late, mut soon) = (Alarm::default(), Alarm::default());
            wait_for(1, |waker| {
                late.set(Some(after(3_600_000)), Waker::noop());
                soon.set(Some(after(1)), waker);
            });
            assert!(here().lock().by_time.contains_key(&late.0.unwrap()));
        }

        #[test]
        fn what_is_dropped_or_set_to_never_leaves_nothing() {
            let mut alarm = Alarm::default();
            alarm.set(Some(after(3_600_000)), Waker::noop());
            let (first, mut other) = (alarm.0.unwrap(), Alarm::default());
            other.set(Some(after(3_600_000)), Waker::noop());
            let second = other.0.unwrap();
            drop(alarm);
            other.set(None, Waker::noop());
            let entries = here().lock();
            assert!(!entries.by_time.contains_key(&first) && !entries.by_time.contains_key(&second));
        }
    }
}

/// Does nothing: no model has a clock that goes by itself.
#[cfg(dogpile_loom)]
#[derive(Debug, Default)]
pub(crate) struct Alarm(());

#[cfg(dogpile_loom)]
impl Alarm {
    #[allow(clippy::unused_self)]
    pub(crate) fn set(&mut self, _: Option<crate::sync::Deadline>, _: &std::task::Waker) {}
}
