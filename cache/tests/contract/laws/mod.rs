//! The laws. All use most of the words of the ground.

#![allow(clippy::wildcard_imports)]

pub mod counters;
pub mod entries;
pub mod grants;
pub mod lives;
pub mod pauses;
pub mod signals;
pub mod table;
pub mod threads;
pub mod times;

use crate::ground::Ground;

/// A law, and its name.
pub type Law = (&'static str, fn(&Ground));

macro_rules! laws {
    ($($module:ident { $($law:ident,)+ })+) => { &[$($((stringify!($law), $module::$law),)+)+] };
}

/// All laws.
pub const LAWS: &[Law] = laws! {
    grants {
        g1_a_free_place_is_granted_as_seen,
        g1_a_claim_on_what_is_not_there_any_more_is_told_what_is,
        g1_s40_no_state_comes_again,
        g1_a_claim_that_is_sent_twice_is_one_grant,
        g1_a_second_caller_is_told_of_the_first,
        g5_the_dead_are_taken_over_by_token_and_beat,
        g5_one_takes_over,
        g5_a_holder_that_renews_is_not_taken_over,
        g5_no_beat_of_a_token_comes_again,
        g1_a_claim_over_the_dead_is_told_of_another_entry,
        g1_another_election_claims_over_anyone,
        g9_a_renewal_begins_the_lease_anew,
        g9_a_grant_ends_with_its_lease,
        g1_g9_a_grant_outlives_its_entry,
        g1_a_grant_over_an_entry_that_is_over_is_one_of_nothing,
        g8_an_end_frees_the_place,
        g2_s5_s6_a_late_holder_does_nothing_to_its_successor,
        g2_what_was_not_granted_is_not_published,
        g2_a_token_that_is_granted_again_is_another_grant,
        g8_a_claim_without_a_reply_is_released,
        g9_s31_an_evicted_grant_is_lost,
        g9_an_evicted_entry_leaves_its_grant,
        g1_s3_s29_no_key_delays_another,
        g1_s18_the_tokens_of_grants_are_distinct,
    }
    pauses {
        g1_a_tombstone_keeps_the_place_closed,
        g1_a_tombstone_is_gone_when_its_holder_ends,
        g1_a_second_change_leaves_the_tombstone_as_it_is,
        g1_invalidations_are_not_creators,
        g8_a_pause_takes_the_place_of_its_grant,
        g8_failures_are_counted_on_for_twice_the_pause,
        g8_a_refresh_by_hand_passes_through_a_pause,
        g8_a_pause_stays_beneath_a_grant,
        g8_a_pause_of_no_time_is_none,
        g8_a_pause_outlives_its_entry,
        g8_a_pause_is_its_keys_alone,
    }
    table {
        table_publish_replaces_ends_and_clears,
        table_set_replaces_voids_and_clears,
        table_set_if_as_seen_replaces_voids_and_clears,
        table_set_if_otherwise_changes_nothing,
        table_touch_moves_the_lifetime_alone,
        table_touch_ends_no_grant_and_no_pause,
        table_mark_stale_marks_the_value_and_what_is_published,
        table_mark_stale_leaves_grant_and_pause,
        table_invalidate_deletes_voids_and_clears,
        table_a_failure_ends_and_pauses,
        table_a_drop_ends_and_leaves_the_pause,
        table_a_refresh_by_hand_passes_through_the_pause,
    }
    entries {
        g7_s80_shapes_lie_side_by_side,
        g3_an_invalidation_deletes_the_shapes_beside_its_own,
        g3_a_mark_reaches_the_shapes_beside_its_own,
        g3_s32_s47_an_invalidation_wins_over_what_was_granted_before,
        g3_s59_an_invalidation_leaves_nothing_beside_the_entry,
        g3_an_invalidation_of_another_shape_voids,
        g3_set_if_is_fenced,
        g14_a_look_of_many_answers_in_their_order,
        g1_s62_a_look_changes_nothing,
        s91_an_empty_entry_is_there,
        s86_bytes_and_keys_are_stored_as_they_are,
        s44_what_is_too_large_changes_nothing,
        s25_a_key_that_is_too_long_is_an_error,
        ping_answers,
    }
    times {
        g17_an_entry_is_gone_after_its_lifetime,
        g17_the_last_lifetime_counts,
        g17_s85_a_lifetime_of_zero_is_over_at_once,
        g17_s84_s85_long_lifetimes_and_for_ever,
        g17_nothing_is_left_of_what_is_over,
        g17_nothing_is_left_of_what_was_ended,
        g6_a_look_tells_the_servers_clock,
        g6_no_step_lets_a_late_holder_publish,
        g6_no_step_undoes_an_invalidation,
        g6_exact_a_step_moves_no_lifetime,
    }
    counters {
        g12_a_counter_counts,
        g12_the_floor_is_zero,
        g12_an_overflow_changes_nothing,
        g12_the_ceiling_changes_nothing,
        g12_s93_the_lifetime_is_not_moved,
        g12_s93_a_counter_that_is_over_counts_from_zero,
        g12_a_counter_at_zero_is_there,
        g12_only_an_addition_creates,
        g12_a_reset_deletes,
        g12_counters_lie_apart_from_entries,
    }
    lives {
        g10_s46_a_restart_is_a_cold_start,
        g10_s46_no_state_of_an_earlier_life_is_taken_for_one_of_this,
        g10_s19_a_failover_accepts_no_earlier_token,
        g10_g17_a_failover_brings_nothing_back_that_is_over,
        g10_s40_no_state_comes_again_after_a_failover,
    }
    threads {
        g1_threads_one_holder_at_a_time,
        g1_s23_threads_on_a_cold_key_are_one_creation,
        g5_threads_one_takes_over,
        g3_threads_an_invalidation_wins,
        g3_threads_a_state_is_replaced_once,
        g12_threads_count_exactly,
        g12_threads_never_pass_the_ceiling,
    }
    signals {
        g16_what_is_stored_is_signalled,
        g16_what_is_freed_is_signalled,
        g16_what_happens_before_it_is_waited_for_is_not_lost,
        g16_a_task_that_waits_is_woken,
        g16_the_shapes_of_a_place_are_heard_as_one,
        g16_exact_nothing_else_is_signalled,
        g17_nothing_is_left_of_what_was_listened_to,
        g16_s65_a_gap_is_signalled_and_the_listening_goes_on,
    }
};
