//! The keeper: a runtime with one thread, for what no caller waits for.
//!
//! A creation may block the thread that it runs on, and with that thread the whole runtime of its caller. Its lease is
//! to be renewed all the same (G9). Its caller may be gone before the reply to a claim arrives, or before a grant was
//! ended, and the thread of that caller need not have a runtime. So the process has one thread for all that, and for
//! the timers of callers. It starts with the first region that needs it, and lives as long as the process.
//!
//! A child of fork(2) has no such thread.

use std::future::pending;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use tokio::runtime::{Builder, Handle};

static KEEPER: OnceLock<Handle> = OnceLock::new();

/// Two regions that are built at once start one thread.
static STARTING: Mutex<()> = Mutex::new(());

/// Returns the keeper of this process, and starts it before that if it does not run yet.
///
/// # Errors
///
/// The operating system gives no thread, or no timers.
pub(crate) fn keeper() -> io::Result<Handle> {
    let _one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(keeper) = KEEPER.get() {
        return Ok(keeper.clone());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name("dogpile-cache".to_owned()).spawn(move || runtime.block_on(pending::<()>()))?;
    Ok(KEEPER.get_or_init(|| handle).clone())
}
