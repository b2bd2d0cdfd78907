//! The subjects of the contract by their names.

use crate::cached::{self, Owning};
use crate::dogpile::{self as lock, Beside};
use crate::in_background;
use crate::naive::Naive;
use crate::registry::{self, OfCached, OfDogpile, OfSyncReader};
use crate::stage::{Maker, maker};
use crate::sync_reader::{self, Swapped};
use crate::tasks::{AsTask, ByGetter, ByRenewal, ByStampedGetter, Executor, Smol, TokioThread, TokioThreads};

/// The name of a subject, and how its lock is made.
pub type NamedSubject = (String, Maker);

macro_rules! subjects {
    ($($name:ident: $subject:ty,)+) => { vec![$((stringify!($name).to_owned(), maker::<$subject> as Maker),)+] };
}

/// All subjects.
pub fn all() -> Vec<NamedSubject> {
    let mut subjects = subjects! {
        naive_reference: Naive,
        dogpile_by_closure: Beside<lock::Closure>,
        dogpile_by_turn: Beside<lock::ByTurn>,
        dogpile_elsewhere: Beside<lock::Elsewhere>,
        dogpile_by_getter: Beside<lock::ByGetter>,
        dogpile_by_stamped_getter: Beside<lock::ByStampedGetter>,
        cached_by_closure: Owning<cached::Closure>,
        cached_by_renewal: Owning<cached::ByRenewal>,
        registered_dogpile: OfDogpile<registry::Closure>,
        registered_dogpile_elsewhere: OfDogpile<registry::Elsewhere>,
        registered_sync_reader: OfSyncReader<registry::Closure>,
        registered_cached: OfCached<registry::Closure>,
        sync_reader_by_closure: Swapped<sync_reader::Closure>,
        sync_reader_by_turn: Swapped<sync_reader::ByTurn>,
        sync_reader_elsewhere: Swapped<sync_reader::Elsewhere>,
        sync_reader_by_getter: Swapped<sync_reader::ByGetter>,
        sync_reader_by_stamped_getter: Swapped<sync_reader::ByStampedGetter>,
        dogpile_in_background: Beside<in_background::InBackground>,
        dogpile_by_getter_in_background: Beside<in_background::ByGetter>,
        dogpile_by_stamped_getter_in_background: Beside<in_background::ByStampedGetter>,
        cached_in_background: Owning<in_background::InBackground>,
        registered_dogpile_in_background: OfDogpile<in_background::InBackground>,
        registered_cached_in_background: OfCached<in_background::InBackground>,
        sync_reader_in_background: Swapped<in_background::InBackground>,
        sync_reader_by_getter_in_background: Swapped<in_background::ByGetter>,
        sync_reader_by_stamped_getter_in_background: Swapped<in_background::ByStampedGetter>,
    };
    subjects.extend(on::<TokioThreads>("tokio_threads"));
    subjects.extend(on::<TokioThread>("tokio_thread"));
    subjects.extend(on::<Smol>("smol"));
    subjects
}

/// Each type, accessed by tasks on one executor.
fn on<X: Executor>(executor: &str) -> Vec<NamedSubject> {
    let mut subjects = subjects! {
        dogpile: Beside<AsTask<X>>,
        dogpile_by_getter: Beside<ByGetter<X>>,
        dogpile_by_stamped_getter: Beside<ByStampedGetter<X>>,
        cached: Owning<AsTask<X>>,
        cached_by_renewal: Owning<ByRenewal<X>>,
        sync_reader: Swapped<AsTask<X>>,
        sync_reader_by_getter: Swapped<ByGetter<X>>,
    };
    for (name, _) in &mut subjects {
        *name = format!("{name}_on_{executor}");
    }
    subjects
}

/// The subjects that the contract is run over under each policy.
pub fn ruled(all: &[NamedSubject]) -> Vec<NamedSubject> {
    const NAMES: [&str; 16] = [
        "dogpile_by_closure",
        "dogpile_by_getter",
        "dogpile_by_stamped_getter",
        "cached_by_closure",
        "cached_by_renewal",
        "sync_reader_by_closure",
        "sync_reader_by_getter",
        "registered_dogpile",
        "registered_cached",
        "dogpile_in_background",
        "dogpile_by_getter_in_background",
        "cached_in_background",
        "sync_reader_in_background",
        "dogpile_on_tokio_threads",
        "dogpile_by_getter_on_smol",
        "cached_on_tokio_thread",
    ];
    let named = |name: &str| all.iter().find(|(subject, _)| subject == name).cloned();
    NAMES.map(|name| named(name).unwrap_or_else(|| panic!("no subject is called {name}"))).into()
}
