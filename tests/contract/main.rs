//! The contract: one suite of laws, run over every type that elects.
//!
//! A test is a row of a table: subject × policy × law. The name of a test is made of the three. A lock without a policy
//! has no middle part: `dogpile_by_closure::l1_one_creator`, but
//! `dogpile_by_closure::under_retry_after::l5_a_failure_is_handed_on_or_shared`. A part of the name filters, as in
//! `cargo test --test contract -- under_retry_after`. With `--skip ::under_` only the subjects without a policy and
//! those with every setting at once are left.
//!
//! A type joins by implementing [`stage::Subject`] in a file of its own here, and by a line in [`subjects`]. A law
//! joins as a function of [`stage::Ground`], and by a line in [`LAWS`] or in the two lists of the laws under policies.
//! A policy joins by a setting in [`policies`]. Behaviour of only one type is tested in `tests/<type>.rs`.

mod cached;
#[path = "../common/mod.rs"]
mod common;
mod dogpile;
#[path = "../failure/mod.rs"]
mod failure;
mod in_background;
mod laws;
mod naive;
mod policies;
mod registry;
mod rules;
mod script;
mod stage;
mod subjects;
mod sync_reader;
mod tasks;

use crate::stage::Ground;
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// The name of a law, and its function.
type Law = (&'static str, fn(&Ground));

macro_rules! laws {
    ($module:ident: $($law:ident,)+) => { [$((stringify!($law), $module::$law),)+] };
}

/// The laws of each subject without a policy.
const LAWS: [Law; 23] = laws! { laws:
    l1_one_creator,
    l1_a_fresh_value_is_not_created_again,
    l2_a_stale_value_is_not_waited_for,
    l3_one_creation_serves_all_waiters,
    l4_an_access_that_sees_a_creation_sees_its_writes,
    l5_a_failure_leaves_everything_as_it_was,
    l5_c3_an_error_hands_on_to_exactly_one_waiter,
    l5_c1_c17_a_panic_hands_on_to_exactly_one_waiter,
    c1_the_old_value_serves_while_creators_panic,
    l6_c8_an_invalidation_wins_over_a_creation,
    l6_a_superseded_value_never_becomes_fresh,
    l6_a_value_marked_while_created_is_published_as_stale,
    l6_a_mark_does_not_starve_waiters,
    l6_marks_and_invalidations_reach_the_next_access,
    l6_invalidate_if_takes_effect_once_per_generation,
    l7_c13_a_creator_does_not_wait_for_its_own_value,
    l10_c12_a_wait_ends_and_the_creation_goes_on,
    l10_a_timed_out_waiter_does_not_take_the_turn_of_another,
    l11_expiry_is_exact_and_never_early,
    l11_zero_and_max,
    c16_no_wake_up_is_lost,
    c18_the_stamp_is_taken_when_the_creator_returns,
    c22_creators_run_outside_every_lock,
};

/// The laws that no policy touches. They hold under every policy.
const UNTOUCHED: [Law; 13] = laws! { laws:
    l1_a_fresh_value_is_not_created_again,
    l2_a_stale_value_is_not_waited_for,
    l3_one_creation_serves_all_waiters,
    l6_c8_an_invalidation_wins_over_a_creation,
    l6_a_superseded_value_never_becomes_fresh,
    l6_a_value_marked_while_created_is_published_as_stale,
    l6_a_mark_does_not_starve_waiters,
    l7_c13_a_creator_does_not_wait_for_its_own_value,
    l10_c12_a_wait_ends_and_the_creation_goes_on,
    l11_expiry_is_exact_and_never_early,
    l11_zero_and_max,
    c18_the_stamp_is_taken_when_the_creator_returns,
    c22_creators_run_outside_every_lock,
};

/// The laws whose expectations depend on the policy.
const RULED: [Law; 7] = laws! { rules:
    l1_one_creator_whatever_fails,
    l1_c11_a_hanging_creation_is_overtaken_only_by_policy,
    l5_c11_a_waiter_takes_over_from_a_hanging_creation,
    l5_c10_a_failure_leaves_the_old_value,
    l5_a_failure_is_handed_on_or_shared,
    l7_c14_a_cycle_is_found,
    l10_a_wait_ends_under_every_policy,
};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let (subjects, policies) = (subjects::all(), policies::all());
    let ruled = subjects::ruled(&subjects);
    let mut trials = vec![Trial::test(script::NAME, || {
        script::the_real_lock_does_what_the_naive_one_does();
        Ok(())
    })];
    let mut add = |name: String, ground: Ground, law: fn(&Ground)| {
        trials.push(Trial::test(name, move || {
            law(&ground);
            Ok(())
        }));
    };
    for (subject, maker) in &subjects {
        for (name, law) in LAWS {
            add(format!("{subject}::{name}"), Ground { maker: *maker, policy: &policies::NONE }, law);
        }
    }
    for (subject, maker) in &ruled {
        for (rule, policy) in &policies {
            for (name, law) in UNTOUCHED.into_iter().chain(RULED) {
                add(format!("{subject}::{rule}::{name}"), Ground { maker: *maker, policy }, law);
            }
        }
    }
    if !arguments.list {
        let (laws, laws_under) = (LAWS.len(), UNTOUCHED.len() + RULED.len());
        println!(
            "{} subjects × {laws} laws + {} subjects × {} policies × {laws_under} laws + 1 random script = {} tests",
            subjects.len(),
            ruled.len(),
            policies.len(),
            trials.len(),
        );
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
