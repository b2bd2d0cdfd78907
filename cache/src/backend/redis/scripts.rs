//! The scripts. Each of them is one step of the server: nothing of another client takes effect in the middle of it.
//!
//! A script is called by its hash. A server that does not know the hash, as it was restarted or its scripts were
//! flushed, is sent the script itself (the answer to the hash was an error, so nothing was executed).

use std::sync::LazyLock;

/// A script, and its hash.
pub(super) struct Script {
    pub(super) code: &'static str,
    hash: redis::Script,
    /// Whether the first argument is the life of the server.
    pub(super) names_life: bool,
}

impl Script {
    fn new(code: &'static str, names_life: bool) -> Script {
        Script { code, hash: redis::Script::new(code), names_life }
    }

    pub(super) fn hash(&self) -> &str {
        self.hash.get_hash()
    }
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)+) => { $(
        $(#[$doc])*
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("scripts/shared.lua"), include_str!($file)), true)
        });
    )+ };
}

scripts! {
    CLAIM = "scripts/claim.lua";
    RENEW = "scripts/renew.lua";
    PUBLISH = "scripts/publish.lua";
    END = "scripts/end.lua";
    SET = "scripts/set.lua";
    TOUCH = "scripts/touch.lua";
    MARK = "scripts/mark.lua";
    INVALIDATE = "scripts/invalidate.lua";
}

/// The counters share nothing with the grants.
pub(super) static COUNT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/count.lua"), false));
