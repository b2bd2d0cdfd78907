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
pub(crate) use function::{Kept as FunctionKept, KeptAsync as FunctionKeptAsync};
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
