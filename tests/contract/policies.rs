//! The policies that the contract is run under: five settings, each alone and each pair of them; an observer; and
//! everything at once.

use dogpile::{Backoff, Dogpile, Observer, OnError, Policy, PolicyBuilder, Source};
use std::fmt::Display;
use std::time::Duration;

pub const SECOND: Duration = Duration::from_secs(1);
/// Longer than any creation takes, except in the laws about creations that hang.
pub const HOUR: Duration = Duration::from_secs(3600);

/// Adds a setting.
type Setting = fn(PolicyBuilder) -> PolicyBuilder;

const SETTINGS: [(&str, Setting); 5] = [
    ("retry_after", |policy| policy.retry_after(Backoff::new(SECOND, SECOND).jitter(0.0))),
    ("serve_stale", |policy| policy.on_error(OnError::ServeStale)),
    ("creation_timeout", |policy| policy.creation_timeout(HOUR)),
    ("max_stale", |policy| policy.max_stale(HOUR)),
    ("refresh_early", |policy| policy.refresh_early(1.0)),
];

/// The policy of a lock that was given none.
pub static NONE: Policy = Policy::builder().build_const();

/// The policies by their names. Each name begins with `under_`, except that of the policy with every setting.
pub fn all() -> Vec<(String, &'static Policy)> {
    let kept = |policy: PolicyBuilder| &*Box::leak(Box::new(policy.build().expect("the settings fit together")));
    let seen = Policy::builder().observer(&NOSY);
    let everything = SETTINGS.iter().fold(seen, |policy, (_, set)| set(policy));
    let mut policies =
        vec![("with_everything".to_owned(), kept(everything)), ("under_observer".to_owned(), kept(seen))];
    for (place, (name, set)) in SETTINGS.iter().enumerate() {
        policies.push((format!("under_{name}"), kept(set(Policy::builder()))));
        for (other, set_other) in &SETTINGS[place + 1..] {
            policies.push((format!("under_{name}_and_{other}"), kept(set_other(set(Policy::builder())))));
        }
    }
    policies
}

/// Looks at what it is told, and at another lock. It would hang if it were called with a mutex of the crate locked.
#[derive(Debug)]
struct Nosy;

static NOSY: Nosy = Nosy;
static OTHER: Dogpile = Dogpile::never_expires();

impl Nosy {
    fn pry(of: Source) {
        assert_eq!(of.name, None);
        OTHER.acquire_or_create(|| ());
        OTHER.mark_stale();
    }
}

impl Observer for Nosy {
    fn created(&self, of: Source, _: Duration) {
        Self::pry(of);
    }

    fn failed(&self, of: Source, _: Duration, cause: &dyn Display) {
        assert!(!cause.to_string().is_empty());
        Self::pry(of);
    }

    fn superseded(&self, of: Source, _: Duration) {
        Self::pry(of);
    }

    fn dead(&self, of: Source, after: Duration) {
        assert!(after >= HOUR);
        Self::pry(of);
    }

    fn waited(&self, of: Source, _: Duration) {
        Self::pry(of);
    }

    fn served_stale(&self, of: Source) {
        Self::pry(of);
    }
}
