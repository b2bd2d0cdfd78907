//! This crate has only tests: of the compiler's messages to users that misuse `dogpile`. See `tests/ui.rs`.
