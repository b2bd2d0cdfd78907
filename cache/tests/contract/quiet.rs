//! Panics that are expected are not printed.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

pub fn is_on() -> bool {
    QUIET.get()
}

/// Says whether panics of this thread are expected.
pub fn turn(on: bool) {
    QUIET.set(on);
}

/// Runs what is expected to panic, and returns the message if it does.
pub fn panic_of(run: impl FnOnce()) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_on() {
                loud(info);
            }
        }));
    });
    turn(true);
    let panic = panic::catch_unwind(AssertUnwindSafe(run)).err();
    turn(false);
    panic.map(|panic| match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic.downcast_ref::<&str>().map_or("a panic", |message| message).to_owned(),
    })
}
