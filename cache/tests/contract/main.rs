//! The contract: one suite of laws, run over every backend, and shown to find what is wrong with one.
//!
//! A test is a row of a table, backend × law: `memory::g2_what_was_not_granted_is_not_published`. A part of the name
//! filters, as in `cargo test --test contract -- g12_`. The numbers are those of the design: a law (G1 to G17), a case
//! that broke another cache (S1 to S102), or a row of the table of what each operation does to the others (`table_`).
//!
//! The tests `planted::…` run the same laws over a backend in which one fault was planted. Each fault names the laws
//! that find it, and the tests fail if a law does not. Each law is named by a fault: a law that no fault breaks is not
//! tested itself.
//!
//! A backend joins by a function in [`subjects`] that makes a [`ground::Ground`]; a law by a function of `&Ground` and
//! a line in [`LAWS`](laws::LAWS); a fault by a line in [`planted::FAULTS`].

mod ground;
mod laws;
mod naive;
mod planted;
mod quiet;
mod script;
mod subjects;

use crate::laws::LAWS;
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for (subject, make) in subjects::SUBJECTS {
        for (name, law) in LAWS {
            trials.push(Trial::test(format!("{subject}::{name}"), move || {
                law(&make());
                Ok(())
            }));
        }
        trials.push(Trial::test(format!("{subject}::{}", script::NAME), move || script::run(make, script::SCRIPTS)));
    }
    trials.extend(planted::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}
