#![doc = include_str!("../README.md")]
//!
//! # The modules
//!
//! | module | what it has |
//! |---|---|
//! | [`key`] | [`Key`], and how a key is written into the key of a backend |
//! | [`codec`] | [`Codec`]: how a value becomes bytes |
//! | [`envelope`] | [`Envelope`](envelope::Envelope): what surrounds these bytes on a server |
//!
//! # Glossary
//!
//! The words of the crate `dogpile` hold here, too. In addition:
//!
//! | word | meaning |
//! |---|---|
//! | region | the entries of one type under one name |
//! | backend | what keeps the entries: a server, or memory |
//! | entry | what a backend stores for a key: an envelope and the value's bytes |
//! | place | the stored key without schema and format: it decides slot and server |
//! | format, schema, shape | the number of a codec; the number that a user gives to the value's type; both |
//! | grant | the backend's "you create": a token with a lease |
//! | holder | the process, and the creation in it, to which a grant was given |
//! | version | a number that names one state of a value or of a tag, compared for equality |
//! | life | a number that names the data of a server from one start, or loss, to the next |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

pub mod backend;
pub mod codec;
pub mod envelope;
pub mod key;
#[doc(hidden)] // Until regions drive it; `tests/round` does now.
pub mod round;

pub use crate::codec::Codec;
pub use crate::key::Key;
