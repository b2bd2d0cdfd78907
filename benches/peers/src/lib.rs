//! The benches that compare `dogpile` with other crates: `cargo bench -p dogpile-peers`. They are a package of their
//! own, so that those crates never come among the dependencies of `dogpile`.
