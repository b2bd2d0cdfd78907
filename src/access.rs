//! One way to ask: an access, its steps, and the call that ends it.
//!
//! | opened by | is | leads to |
//! |---|---|---|
//! | `access()`, `kept(..)`, `fetch(..)`, `fetch_stamped(..)` | an [`Access`] | by [`in_background`](Access::in_background), [`InBackground`] |
//! | `access_async()`, `kept_async(..)` | an [`AsyncAccess`] | by [`spawned_by`](AsyncAccess::spawned_by), [`Spawned`] |
//!
//! These four are what a program uses. The other types and traits of this module say in their signatures what an access
//! is made of; few programs name one.
//!
//! | part | says | is |
//! |---|---|---|
//! | `K` | what the lock is reached by | a [`Reach`], or for tasks a [`ReachByTask`] |
//! | `S` | where the value is | an [`Origin`] |
//! | `W` | how long the access waits, and for what | [`Forever`] or [`AtMost`], and around them [`Wanting`] and [`Sharing`] |

// In the order of the documentation.
mod threads;

mod after;
mod background;
mod patience;
pub(crate) mod reach;
pub(crate) mod serve;
pub(crate) mod source;
pub(crate) mod tasks;

mod function;
mod spawned;

pub(crate) use after::after;
pub use background::InBackground;
pub(crate) use function::SpawnedKept;
pub use function::{AsyncFunction, ByBatch, ByItself, Calls, Function, FunctionInBackground, SpawnedFunction};
pub(crate) use function::{Kept as FunctionKept, KeptAsync as FunctionKeptAsync};
pub use patience::{AtMost, Forever, Sharing, Tells, Waits, Wanting};
pub use reach::{ForEver, Keep, Kept, Reach, ReachByTask};
pub(crate) use reach::{Keeps, Owns, Reaches, ReachesByTask, Refers, Shares};
pub(crate) use source::{Age, Fails, Finds, Lends, Sets, Stores};
pub use source::{
    ByGetter, ByLock, ByStamp, ByTask, ByThread, CannotFail, Elsewhere, Found, FunctionCannotFail, Inside, Nothing,
    Origin, Set, SetByTask, Stored, Unset, UnsetByTask, Whole,
};
pub use spawned::Spawned;
pub use tasks::AsyncAccess;
pub use threads::Access;
pub(crate) use threads::refused;
