//! [`Tracing`] and the span of a creation, through a real subscriber.

use super::{
    BackendError, BackendErrorKind, NotPublished, Published, SECOND, Silent, Tracing, one_event_of_each_kind, seen_by,
    unseen,
};
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, OnceLock};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry;
use tracing_subscriber::registry::LookupSpan;

/// Writes each event and span down: its level, target and fields.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let meta = event.metadata();
        let mut fields = Fields(format!("{} {}:", meta.level(), meta.target()));
        event.record(&mut fields);
        if let Some(span) = context.event_span(event) {
            write!(fields.0, " in {}", span.name()).unwrap();
        }
        self.write(fields.0);
    }

    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let meta = span.metadata();
        let mut fields = Fields(format!("{} {}: new {}", meta.level(), meta.target(), meta.name()));
        span.record(&mut fields);
        if let Some(parent) = context.span(id).and_then(|span| span.parent()) {
            write!(fields.0, " in {}", parent.name()).unwrap();
        }
        self.write(fields.0);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.write(format!("closed {}", context.span(&id).unwrap().name()));
    }
}

fn logged(happens: impl FnOnce(&Log)) -> Vec<String> {
    // As long as there is only one subscriber, a thread without it that comes first would switch an event off for all
    // threads. So there is a second one.
    static SECOND_ONE: OnceLock<Dispatch> = OnceLock::new();
    SECOND_ONE.get_or_init(|| Dispatch::new(registry()));
    let log = Log::default();
    tracing::subscriber::with_default(registry().with(log.clone()), || happens(&log));
    log.take()
}

#[test]
fn events_have_the_names_and_fields_that_are_documented() {
    let logged = logged(|_| one_event_of_each_kind(&seen_by(Tracing)));
    let of = r#"region="order" key="7""#;
    let failed = "WARN dogpile_cache: message=backend_failed";
    let error = BackendError::new;
    let expected = [
        format!(r#"DEBUG dogpile_cache: message=created {of} seconds=2.0 published="fresh""#),
        format!(r#"DEBUG dogpile_cache: message=created {of} seconds=3.0 published="late""#),
        format!(r#"WARN dogpile_cache: message=refused {of} why="late""#),
        format!(r#"DEBUG dogpile_cache: message=created {of} seconds=4.0 published="voided""#),
        format!(r#"DEBUG dogpile_cache: message=refused {of} why="voided""#),
        format!("WARN dogpile_cache: message=failed {of} seconds=5.0 cause=no answer"),
        format!("DEBUG dogpile_cache: message=waited {of} seconds=6.0"),
        format!("TRACE dogpile_cache: message=served_stale {of} age=7.0"),
        format!(r#"DEBUG dogpile_cache: message=overlapped {of} why="voided""#),
        format!(r#"WARN dogpile_cache: message=overlapped {of} why="late""#),
        format!(r#"{failed} {of} operation="publish" error={} cause=no reply"#, error(BackendErrorKind::InDoubt)),
        format!(r#"{failed} region="order" operation="ping" error={}"#, error(BackendErrorKind::Unreachable)),
        format!(r#"WARN dogpile_cache: message=unreadable {of} why="foreign""#),
        format!("DEBUG dogpile_cache: message=invalidated {of}"),
    ];
    assert_eq!(logged, expected);
}

#[test]
fn refusals_that_were_wanted_are_no_warnings() {
    for why in [NotPublished::Unwanted, NotPublished::Voided, NotPublished::Closed] {
        let logged = logged(|_| seen_by(Tracing).created("7", SECOND, Published::No(why)));
        assert!(logged.iter().all(|line| line.starts_with("DEBUG ")), "{logged:?}");
    }
}

/// A region has the span whether it has an observer or not.
#[test]
fn a_creator_runs_in_a_span_of_its_own() {
    let logged = logged(|log| {
        let caller = tracing::info_span!("caller");
        let span = caller.in_scope(|| unseen(false).span_of_creation("7"));
        span.in_scope(|| tracing::info!("first poll"));
        tracing::info!("between two polls");
        assert_eq!(span.in_scope(|| 7), 7);
        span.in_scope(|| tracing::info!("second poll"));
        drop(caller);
        log.write("the creation ends".to_owned());
        drop(span);
    });
    let here = module_path!();
    let expected = [
        format!("INFO {here}: new caller"),
        r#"DEBUG dogpile_cache: new creation region="order" key="7" in caller"#.to_owned(),
        format!("INFO {here}: message=first poll in creation"),
        format!("INFO {here}: message=between two polls"),
        format!("INFO {here}: message=second poll in creation"),
        "the creation ends".to_owned(),
        "closed creation".to_owned(),
        "closed caller".to_owned(),
    ];
    assert_eq!(logged, expected);
}

#[test]
fn a_key_has_no_field_in_a_span_if_it_has_no_text() {
    let logged = logged(|_| drop(unseen(false).span_of_creation("")));
    assert_eq!(logged, [r#"DEBUG dogpile_cache: new creation region="order""#, "closed creation"]);
}

/// A span that nobody subscribes to costs no text of its key.
#[test]
fn without_a_subscriber_no_key_is_written() {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || {
        assert_eq!(unseen(false).span_of_creation(&Silent).in_scope(|| 7), 7);
    });
}
