//! Signals that are wrong.

use super::Fault;
use super::wrong::Wrong;
use dogpile_cache::backend::{Change, Ended, Listener, Listeners, Published, Refusal, Signal, Signals};
use dogpile_cache::key::StoredKey;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// A listener that is wrong.
struct WrongListener {
    /// `None`: it has not begun to listen.
    signals: Option<Signals>,
    fault: Fault,
    listeners: Listeners,
    place: String,
    common: Arc<Common>,
}

/// What wrong listeners have in common.
#[derive(Default)]
pub struct Common {
    last: Mutex<Option<Signal>>,
    has_gone: AtomicBool,
}

impl Listener for WrongListener {
    fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        let signals = self.signals.get_or_insert_with(|| self.listeners.listen(&self.place));
        if self.fault == Fault::NobodyIsWoken {
            return signals.poll_heard(&mut Context::from_waker(Waker::noop()));
        }
        let heard = signals.poll_heard(cx);
        match self.fault {
            Fault::TheLastSignalCounts => heard.map(|heard| self.common.last.lock().unwrap().unwrap_or(heard)),
            Fault::AListenerEndsAllOthers if self.common.has_gone.load(Ordering::SeqCst) => Poll::Pending,
            _ => heard,
        }
    }
}

impl Drop for WrongListener {
    fn drop(&mut self) {
        match self.fault {
            Fault::AListenerIsNeverForgotten => mem::forget(self.signals.take()),
            _ => self.common.has_gone.store(true, Ordering::SeqCst),
        }
    }
}

impl Wrong {
    pub fn listen_wrong(&self, key: &StoredKey) -> Signals {
        let place = self.place_of(key).to_owned();
        let (fault, listeners, common) = (self.fault, self.listeners.clone(), Arc::clone(&self.common));
        let begins_late = fault == Fault::ListeningBeginsWithTheFirstWait;
        let signals = (!begins_late).then(|| listeners.listen(&place));
        Signals::new(WrongListener { signals, fault, listeners, place, common })
    }

    fn place_of<'a>(&self, key: &'a StoredKey) -> &'a str {
        if self.has(Fault::ShapesAreHeardApart) { key.full() } else { key.place() }
    }

    pub fn listened(&self) -> usize {
        self.listeners.places()
    }

    /// Tells the listeners of a place, but for a fault.
    pub fn tell(&self, key: &StoredKey, muted_by: Fault, signal: Signal) {
        if self.has(muted_by) {
            return;
        }
        *self.common.last.lock().unwrap() = Some(signal);
        if self.has(Fault::AllPlacesAreTold) {
            return self.listeners.tell_all(signal);
        }
        self.listeners.tell(self.place_of(key), signal);
    }

    pub fn tell_of_a_gap(&self) {
        if !self.has(Fault::GapsAreNotSignalled) {
            self.listeners.tell_all(Signal::Gap);
        }
    }

    pub fn looked(&self, key: &StoredKey) {
        if self.has(Fault::ALookIsSignalled) {
            self.listeners.tell(key.place(), Signal::Changed);
        }
    }

    pub fn tell_of_a_publication(&self, key: &StoredKey, published: Published) {
        match published {
            Published::Fresh | Published::Stale => {
                self.tell(key, Fault::APublicationIsNotSignalled, Signal::Changed);
            }
            Published::Refused(refusal) => self.tell_of_a_refusal(key, refusal),
        }
    }

    pub fn tell_of_an_end(&self, key: &StoredKey, ended: Ended, pauses: bool) {
        let fault = if pauses { Fault::APauseIsNotSignalled } else { Fault::AnEndIsNotSignalled };
        match ended {
            Ended::Yes => self.tell(key, fault, Signal::Freed),
            Ended::Lost(refusal) => self.tell_of_a_refusal(key, refusal),
        }
    }

    fn tell_of_a_refusal(&self, key: &StoredKey, refusal: Refusal) {
        if refusal == Refusal::Voided || self.has(Fault::WhatIsRefusedIsSignalled) {
            self.tell(key, Fault::ATombstoneThatGoesIsNotSignalled, Signal::Freed);
        }
    }

    /// Returns the signal of a change, and the fault that does not send it.
    pub fn signal_of(&self, change: &Change) -> (Fault, Signal) {
        match change {
            Change::Set { .. } => (Fault::ASetIsNotSignalled, Signal::Changed),
            Change::SetIf { .. } => (Fault::ASetIfIsNotSignalled, Signal::Changed),
            Change::Touch { .. } => (Fault::ATouchIsNotSignalled, Signal::Changed),
            Change::MarkStale { .. } => (Fault::AMarkIsNotSignalled, Signal::Changed),
            _ if self.has(Fault::AnInvalidationIsAChange) => (Fault::AnInvalidationIsNotSignalled, Signal::Changed),
            _ => (Fault::AnInvalidationIsNotSignalled, Signal::Freed),
        }
    }
}
