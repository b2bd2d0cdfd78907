//! The parts that several examples share: an option, texts and a verdict. The tests of the examples share
//! `../tests.rs`.

mod options;
mod text;
mod verdict;

pub use crate::options::seconds;
pub use crate::text::{chain, grouped};
pub use crate::verdict::Verdict;
