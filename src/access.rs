//! Accesses: how a program uses a lock.
//!
//! An access is *opened*, its *steps* describe it, and its *terminal* makes it.
//!
//! | opened by | by a thread or a task | is | after the step that has its creation made elsewhere |
//! |---|---|---|---|
//! | `access()`, `kept(..)`, `fetch(..)`, `fetch_stamped(..)` | a thread | an [`Access`] | [`in_background`](Access::in_background): an [`InBackground`] |
//! | `access_async()`, `kept_async(..)` | a task | an [`AsyncAccess`] | [`spawned_by`](AsyncAccess::spawned_by): a [`Spawned`] |
//!
//! A program uses these four types. The other types and traits of this module appear in signatures, where they say what
//! an access is made of. Few programs name one of them.
//!
//! | parameter | says | is |
//! |---|---|---|
//! | `K` | how the access reaches the lock | a [`Reach`], or for tasks a [`ReachByTask`] |
//! | `S` | where the value is | an [`Origin`] |
//! | `W` | how long the access waits, and for what | [`Forever`] or [`AtMost`], and around them [`Wanting`] and [`Sharing`] |

// The documentation has the functions of a type in this order.
mod threads;

mod after;
mod age;
mod background;
mod fails;
mod getter;
mod patience;
pub(crate) mod reach;
pub(crate) mod serve;
mod setter;
pub(crate) mod source;
pub(crate) mod tasks;

mod function;
mod spawned;

pub(crate) use after::after;
pub(crate) use age::Age;
pub use age::{ByLock, ByStamp};
pub use background::InBackground;
pub(crate) use fails::Fails;
pub use fails::{CannotFail, FunctionCannotFail};
pub(crate) use function::SpawnedKept;
pub use function::{AsyncFunction, ByBatch, ByItself, Calls, Function, FunctionInBackground, SpawnedFunction};
pub(crate) use function::{FunctionResult, FunctionResultByTask};
pub(crate) use getter::Finds;
pub use getter::Found;
pub use patience::{AtMost, Forever, Sharing, Tells, Waits, Wanting};
pub use reach::{ForEver, Keep, Kept, Reach, ReachByTask};
pub(crate) use reach::{Keeps, Owns, Reaches, ReachesByTask, Refers, Shares};
pub(crate) use setter::{Lends, Sets, Stores};
pub use setter::{Nothing, Set, SetByTask, Stored, Unset, UnsetByTask, Whole};
pub use source::{ByGetter, ByTask, ByThread, Elsewhere, Inside, Origin};
pub use spawned::Spawned;
pub use tasks::AsyncAccess;
pub use threads::Access;
pub(crate) use threads::refused;
