//! `dogpile::Tracing`, through a real subscriber.

use crate::{lock, one_event_of_each_kind, seen_by};
use parking_lot::Mutex;
use std::fmt::{Debug, Write as _};
use std::sync::Arc;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry;

/// Writes each event down: its level, target and fields.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let meta = event.metadata();
        let mut fields = Fields(format!("{} {}:", meta.level(), meta.target()));
        event.record(&mut fields);
        self.0.lock().push(fields.0);
    }
}

#[test]
fn events_have_the_names_and_fields_that_are_documented() {
    let log = Log::default();
    let subscriber = registry().with(log.clone());
    let (lock, clock) = lock(seen_by(&dogpile::Tracing).build().unwrap());
    let at_work = tracing::Dispatch::new(subscriber);
    // In this thread first: a thread without a subscriber would switch the event off for all threads.
    tracing::dispatcher::with_default(&at_work, || {
        let dogpile::Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
        assert!(lock.access().timeout(std::time::Duration::ZERO).turn().is_err());
        creation.finish();
        lock.invalidate();
    });
    assert_eq!(log.0.lock()[0], r#"DEBUG dogpile: message=waited lock="rates" seconds=0.0"#);
    log.0.lock().clear();
    tracing::dispatcher::with_default(&at_work, || one_event_of_each_kind(&lock, &clock));
    // (The waiter of these events runs in another thread, which has no subscriber.)
    let expected = [
        r#"DEBUG dogpile: message=created lock="rates" seconds=2.0"#,
        r#"TRACE dogpile: message=served_stale lock="rates""#,
        r#"TRACE dogpile: message=served_stale lock="rates""#,
        r#"WARN dogpile: message=failed lock="rates" seconds=3.0 cause=no answer"#,
        r#"DEBUG dogpile: message=superseded lock="rates" seconds=4.0"#,
        r#"DEBUG dogpile: message=created lock="rates" seconds=5.0"#,
        r#"WARN dogpile: message=dead lock="rates" seconds=10.0"#,
        r#"DEBUG dogpile: message=created lock="rates" seconds=0.0"#,
    ];
    assert_eq!(*log.0.lock(), expected);
}

#[test]
fn a_lock_without_a_name_has_no_such_field() {
    let log = Log::default();
    let policy = dogpile::Policy::builder().observer(&dogpile::Tracing).build().unwrap();
    let (lock, _) = lock(policy);
    tracing::subscriber::with_default(registry().with(log.clone()), || lock.acquire_or_create(|| ()));
    assert_eq!(*log.0.lock(), ["DEBUG dogpile: message=created seconds=0.0"]);
}

#[test]
fn k8_events_tell_the_key_of_a_registrys_lock() {
    static SEEN: dogpile::Policy = dogpile::Policy::builder().observer(&dogpile::Tracing).name("pages").build_const();
    let log = Log::default();
    let pages = dogpile::Registry::new(|_| dogpile::Cached::with_clock(crate::MINUTE, dogpile::ManualClock::new()));
    let pages = pages.with_policy(&SEEN).named_by(u64::to_string);
    tracing::subscriber::with_default(registry().with(log.clone()), || drop(pages.get(&7).get_or_create(|| 1)));
    assert_eq!(*log.0.lock(), [r#"DEBUG dogpile: message=created lock="pages" key="7" seconds=0.0"#]);
}
