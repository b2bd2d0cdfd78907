//! Nothing but its tests: what the compiler says to those who misuse the crate. See `tests/ui.rs`.
