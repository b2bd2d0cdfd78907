//! The benches that compare `dogpile` with a floor and with code written by hand: `cargo bench -p dogpile-benches`.
//! They are a package of their own, so that no test has to build the crates that they are compared with.
