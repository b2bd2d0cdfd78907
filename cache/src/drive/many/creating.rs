//! One creator for all keys that a call was elected for.

use super::{Gone, Halt, Many};
use crate::drive::Drive;
use crate::region::made::Made;
use crate::region::outcome::Outcome;
use crate::together::Together;
use std::fmt::Display;
use std::future::poll_fn;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Many<O, V> {
    /// Returns the keys that the call was elected for.
    pub(crate) fn elected_keys(&self) -> Vec<O> {
        self.elected().map(|one| one.slot.key().clone()).collect()
    }

    /// Runs a creator as the creation of all keys that the call was elected for.
    pub(crate) async fn create<R>(&mut self, creator: impl AsyncFnOnce() -> R) -> R {
        let core = Arc::clone(&self.core);
        let mut keeping = Together::new();
        let (mut turns, mut are_in_creator) = (Vec::new(), Vec::new());
        let mut name = None;
        for one in &mut self.ones {
            let (Halt::Creates { wake }, Some(drive)) = (&one.halt, &mut one.drive) else { continue };
            drive.keep(*wake);
            name.get_or_insert_with(|| core.key_of(&one.slot));
            if !core.store.has_leases() {
                keeping.push(Arc::clone(&drive.run).keep_creation(*wake));
            }
            let Drive { turn, is_in_creator, .. } = &mut **drive;
            turns.push(turn.as_ref().expect("only the access with the turn creates"));
            are_in_creator.push(is_in_creator);
        }
        // One span, of the first of the keys: a span of each would say that they were created one within another.
        let span = core.seen.span_of_creation(&name.expect("the call was elected"));
        let mut creating = pin!(dogpile::Creation::within_all_async(turns, creator));
        poll_fn(|cx| {
            // A panic while this is set is the creator's.
            for is in &mut are_in_creator {
                **is = true;
            }
            let polled = span.in_scope(|| creating.as_mut().poll(cx));
            for is in &mut are_in_creator {
                **is = false;
            }
            if polled.is_pending() {
                while let Poll::Ready(Some(())) = keeping.poll_next(cx) {}
            }
            polled
        })
        .await
    }

    /// Publishes what the creator has made, in the order of the keys that it was given, and ends these accesses.
    pub(crate) async fn settle(&mut self, made: Vec<Made<V>>) {
        let mut settling = Together::new();
        let elected = self.ones.iter_mut().enumerate().filter(|(_, one)| matches!(one.halt, Halt::Creates { .. }));
        for ((at, one), made) in elected.zip(made) {
            let Some(mut drive) = one.drive.take() else { continue };
            one.halt = Halt::Goes;
            settling.push(async move {
                let answer = drive.settle(made).await;
                let halt = drive.conclude(answer).map(Halt::ended);
                Gone { at, drive, halt }
            });
        }
        while let Some(gone) = settling.next().await {
            self.halted(gone);
        }
    }

    /// Returns the text of an error, if anybody is told of it.
    pub(crate) fn cause(&self, cause: &dyn Display) -> Option<String> {
        self.core.seen.has_observer().then(|| cause.to_string())
    }

    /// Ends these accesses after the creator has failed. Returns whether all of them go on with their old values.
    pub(crate) async fn fail(&mut self, cause: Option<String>) -> bool {
        let serves_stale = self.core.serves_stale_on_error();
        let (mut failing, mut all_go_on) = (Together::new(), true);
        for one in &mut self.ones {
            if !matches!(one.halt, Halt::Creates { .. }) {
                continue;
            }
            let Some(mut drive) = one.drive.take() else { continue };
            let old = if serves_stale { drive.usable_old(Outcome::StaleOnError) } else { None };
            all_go_on &= old.is_some();
            one.halt = Halt::Ended(old);
            let cause = cause.clone();
            failing.push(async move { drive.fail(cause).await });
        }
        while let Some(()) = failing.next().await {}
        all_go_on
    }
}
