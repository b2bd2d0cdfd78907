//! The models of `dogpile`, checked by loom. They are in `tests/`, one file for each module modelled, and exist only under
//! `--cfg dogpile_loom`; `../test.sh` runs them.
