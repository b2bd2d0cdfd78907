//! The benches that set `dogpile` beside the floor and beside what one writes by hand, in a package of their own so
//! that no test waits for what they are measured with: `cargo bench -p dogpile-benches`.
