//! How the accesses to many keys wait: for others of their process, and for other processes, all at once. The module
//! `drive/waiting.rs` says it for one access.

use super::{Flow, Gone, Halt, Many, One};
use crate::backend::Signal;
use crate::drive::joining::Joined;
use crate::drive::polls::Polls;
use crate::drive::waiting::look_at;
use crate::round::Event;
use std::future::poll_fn;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// What has ended a wait.
enum Next<V> {
    /// Another access of this process has ended.
    Joined(usize, Joined<V>),
    /// A signal was heard.
    Heard,
    /// It is time to look.
    Look,
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> One<O, V> {
    /// Returns when the access looks, if it waits for another process, and has heard a signal.
    fn heard(&self) -> Option<Duration> {
        if let Halt::Waits { heard, .. } = self.halt { heard } else { None }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Flow<O, V> {
    /// Lets the accesses listen that would wait for other processes. Returns whether there are any.
    pub(super) fn listen(&mut self, ones: &mut [One<O, V>]) -> bool {
        let mut any = false;
        for (at, one) in ones.iter_mut().enumerate() {
            if !matches!(one.halt, Halt::Listens) {
                continue;
            }
            let Some(mut drive) = one.drive.take() else { continue };
            (one.halt, any) = (Halt::Goes, true);
            self.going.push(async move {
                let event = drive.listen().await;
                let action = drive.run.step(event);
                let halt = drive.go(action).await;
                Gone { at, drive, halt }
            });
        }
        any
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Many<O, V> {
    /// Waits until one of the accesses that wait can go on.
    pub(super) async fn wait(&mut self, flow: &mut Flow<O, V>) {
        let (mut until, mut took, mut listens) = (Duration::MAX, None, true);
        for (at, one) in self.ones.iter_mut().enumerate() {
            flow.queue(at, one);
            if let (Halt::Waits { until: one, .. }, Some(drive)) = (&one.halt, &one.drive) {
                until = until.min(*one);
                took = took.into_iter().chain(drive.old.as_ref().map(|old| old.times.took)).min();
                listens &= drive.has_signals();
            }
        }
        let core = Arc::clone(&self.core);
        if until < Duration::MAX {
            let longest = core.settings.poll;
            let poll = if listens { Polls::longest(longest) } else { self.polls.next(took, longest) };
            until = until.min(core.time.now().saturating_add(poll));
        }
        loop {
            let look = self.ones.iter().filter_map(One::heard).min();
            let mut sleep = pin!(core.time.sleep_until(look.map_or(until, |look| look.min(until))));
            let next = poll_fn(|cx| {
                if let Poll::Ready(Some((at, joined))) = flow.joining.poll_next(cx) {
                    return Poll::Ready(Next::Joined(at, joined));
                }
                // Before the signals: what is signalled again and again keeps no access from its look.
                if sleep.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Next::Look);
                }
                if self.hear(cx, core.time.now()) { Poll::Ready(Next::Heard) } else { Poll::Pending }
            });
            match next.await {
                Next::Joined(at, joined) => return flow.joined(&mut self.ones, at, joined),
                Next::Heard => {}
                Next::Look => break,
            }
        }
        let now = core.time.now();
        for (at, one) in self.ones.iter_mut().enumerate() {
            let looks = now >= until || one.heard().is_some_and(|heard| heard <= now);
            if let (Halt::Waits { .. }, true, Some(drive)) = (&one.halt, looks, &mut one.drive) {
                // The wait for another process is apart from what the backend may take.
                drive.budget = core.backend_timeout;
                flow.tell(at, one, Event::Woken);
            }
        }
    }

    /// Takes the signals of the accesses that wait. Returns whether one of them is to look earlier now.
    fn hear(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        // One look for all that have heard of something for which they need not look at once.
        let mut later = self.ones.iter().filter_map(One::heard).filter(|heard| *heard > now).min();
        let mut has_heard = false;
        for one in &mut self.ones {
            let (Halt::Waits { heard, .. }, Some(drive)) = (&mut one.halt, &mut one.drive) else { continue };
            let Poll::Ready(signal) = drive.poll_heard(cx) else { continue };
            let look = match signal {
                Signal::Changed => now,
                signal => *later.get_or_insert_with(|| look_at(signal, now)),
            };
            *heard = Some(heard.map_or(look, |before| before.min(look)));
            has_heard = true;
        }
        has_heard
    }
}
