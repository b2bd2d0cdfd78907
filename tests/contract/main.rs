//! The contract: one suite of laws, run over everything that elects.
//!
//! A type joins by implementing [`stage::Elects`] in a file of its own here and naming itself below. What only one type
//! can do is tested in `tests/<type>.rs`.

mod cached;
#[path = "../common/mod.rs"]
mod common;
mod dogpile;
#[path = "../failure/mod.rs"]
mod failure;
mod in_background;
mod laws;
mod naive;
mod registry;
mod rules;
mod script;
mod stage;
mod sync_reader;
mod tasks;

contract! {
    naive_reference: crate::naive::Naive,
    dogpile_by_closure: crate::dogpile::Beside<crate::dogpile::Closure>,
    dogpile_by_turn: crate::dogpile::Beside<crate::dogpile::ByTurn>,
    dogpile_elsewhere: crate::dogpile::Beside<crate::dogpile::Elsewhere>,
    dogpile_by_getter: crate::dogpile::Beside<crate::dogpile::ByGetter>,
    dogpile_by_stamped_getter: crate::dogpile::Beside<crate::dogpile::ByStampedGetter>,
    cached_by_closure: crate::cached::Owning<crate::cached::Closure>,
    cached_by_renewal: crate::cached::Owning<crate::cached::ByRenewal>,
    registered_dogpile: crate::registry::OfDogpile<crate::registry::Closure>,
    registered_dogpile_elsewhere: crate::registry::OfDogpile<crate::registry::Elsewhere>,
    registered_sync_reader: crate::registry::OfSyncReader<crate::registry::Closure>,
    registered_cached: crate::registry::OfCached<crate::registry::Closure>,
    sync_reader_by_closure: crate::sync_reader::Swapped<crate::sync_reader::Closure>,
    sync_reader_by_turn: crate::sync_reader::Swapped<crate::sync_reader::ByTurn>,
    sync_reader_elsewhere: crate::sync_reader::Swapped<crate::sync_reader::Elsewhere>,
    sync_reader_by_getter: crate::sync_reader::Swapped<crate::sync_reader::ByGetter>,
    sync_reader_by_stamped_getter: crate::sync_reader::Swapped<crate::sync_reader::ByStampedGetter>,
    dogpile_in_background: crate::dogpile::Beside<crate::in_background::InBackground>,
    dogpile_by_getter_in_background: crate::dogpile::Beside<crate::in_background::ByGetter>,
    dogpile_by_stamped_getter_in_background: crate::dogpile::Beside<crate::in_background::ByStampedGetter>,
    cached_in_background: crate::cached::Owning<crate::in_background::InBackground>,
    registered_dogpile_in_background: crate::registry::OfDogpile<crate::in_background::InBackground>,
    registered_cached_in_background: crate::registry::OfCached<crate::in_background::InBackground>,
    sync_reader_in_background: crate::sync_reader::Swapped<crate::in_background::InBackground>,
    sync_reader_by_getter_in_background: crate::sync_reader::Swapped<crate::in_background::ByGetter>,
    sync_reader_by_stamped_getter_in_background: crate::sync_reader::Swapped<crate::in_background::ByStampedGetter>,
}

/// Each type by tasks, on each executor.
macro_rules! on_each_executor {
    ($($on:ident: $executor:ty,)+) => {$(
        mod $on {
            crate::contract! {
                dogpile: crate::dogpile::Beside<crate::tasks::AsTask<$executor>>,
                dogpile_by_getter: crate::dogpile::Beside<crate::tasks::ByGetter<$executor>>,
                dogpile_by_stamped_getter: crate::dogpile::Beside<crate::tasks::ByStampedGetter<$executor>>,
                cached: crate::cached::Owning<crate::tasks::AsTask<$executor>>,
                cached_by_renewal: crate::cached::Owning<crate::tasks::ByRenewal<$executor>>,
                sync_reader: crate::sync_reader::Swapped<crate::tasks::AsTask<$executor>>,
                sync_reader_by_getter: crate::sync_reader::Swapped<crate::tasks::ByGetter<$executor>>,
            }
        }
    )+};
}

on_each_executor! {
    on_tokio_threads: crate::tasks::TokioThreads,
    on_tokio_thread: crate::tasks::TokioThread,
    on_smol: crate::tasks::Smol,
}

under_each_policy_and_each_pair! {
    dogpile_by_closure: crate::dogpile::Beside<crate::dogpile::Closure>,
    dogpile_by_getter: crate::dogpile::Beside<crate::dogpile::ByGetter>,
    dogpile_by_stamped_getter: crate::dogpile::Beside<crate::dogpile::ByStampedGetter>,
    cached_by_closure: crate::cached::Owning<crate::cached::Closure>,
    cached_by_renewal: crate::cached::Owning<crate::cached::ByRenewal>,
    sync_reader_by_closure: crate::sync_reader::Swapped<crate::sync_reader::Closure>,
    sync_reader_by_getter: crate::sync_reader::Swapped<crate::sync_reader::ByGetter>,
    registered_dogpile: crate::registry::OfDogpile<crate::registry::Closure>,
    registered_cached: crate::registry::OfCached<crate::registry::Closure>,
    dogpile_in_background: crate::dogpile::Beside<crate::in_background::InBackground>,
    dogpile_by_getter_in_background: crate::dogpile::Beside<crate::in_background::ByGetter>,
    cached_in_background: crate::cached::Owning<crate::in_background::InBackground>,
    sync_reader_in_background: crate::sync_reader::Swapped<crate::in_background::InBackground>,
    dogpile_on_tokio_threads: crate::dogpile::Beside<crate::tasks::AsTask<crate::tasks::TokioThreads>>,
    dogpile_by_getter_on_smol: crate::dogpile::Beside<crate::tasks::ByGetter<crate::tasks::Smol>>,
    cached_on_tokio_thread: crate::cached::Owning<crate::tasks::AsTask<crate::tasks::TokioThread>>,
}
