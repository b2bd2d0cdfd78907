//! The benches that set `dogpile` beside other crates, in a package of their own so that those never reach the crate's
//! own dependencies: `cargo bench -p dogpile-peers`.
