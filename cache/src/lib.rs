#![doc = include_str!("../README.md")]
//!
//! # The modules
//!
//! | module | what it has |
//! |---|---|
//! | [`key`] | [`Key`], and the text of a key in a backend |
//! | [`codec`] | [`Codec`], which turns a value into bytes |
//! | [`envelope`] | [`Envelope`](envelope::Envelope), which surrounds these bytes on a server |
//! | [`backend`] | [`Backend`](backend::Backend), which keeps entries; [`Memory`](backend::Memory), for tests, and [`Faulty`](backend::Faulty) |
//! | [`counter`] | [`Counters`](counter::Counters) that a fleet shares |
//!
//! # Glossary
//!
//! The words of the crate `dogpile` hold here, too. In addition:
//!
//! | word | meaning |
//! |---|---|
//! | region | the entries of one type under one name |
//! | backend | the server, or the memory, that keeps the entries |
//! | entry | the envelope of a key, with the value's bytes, in a backend |
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
pub mod counter;
pub mod envelope;
pub mod key;
#[doc(hidden)] // Until regions drive it; `tests/round` does now.
pub mod round;

pub use crate::codec::Codec;
pub use crate::key::Key;
