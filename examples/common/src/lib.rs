//! What several of the examples need: an option, texts and a verdict. (What their tests have in common: `../tests.rs`.)

mod options;
mod text;
mod verdict;

pub use crate::options::seconds;
pub use crate::text::{chain, grouped};
pub use crate::verdict::Verdict;
