//! What this process keeps, decoded: the settings of a region's near part, and its store.
//!
//! [`Near`] is what a user writes. `NearStore` is what a region makes of it, in its `build()`.
//!
//! # Why `Near` does not name the type of the values
//!
//! A region's builder gets to know its types last, in `build::<K, V>()`. So `Near` cannot have the parameter `V`
//! without the builder having it, too. The weigher brings `V` along: [`Near::weighing`] takes it from the closure's
//! parameter, and forgets it. `build` compares it with the region's `V`; another type is an error there.

mod store;

pub(crate) use self::store::NearStore;

use std::any::Any;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// How many values a region is thought to keep that is bounded by weight. `quick_cache` wants a number, which may be
/// wrong by a factor of a hundred, for its memory of keys that it has evicted.
const THOUGHT: u64 = 10_000;

/// How much of its decoded values a region keeps in this process.
///
/// A value that is kept near costs no round trip, and is not decoded again. The number of values, or their weight, is
/// bounded: the values that are used least go first. The memory is taken as values come, not at once.
///
/// # With a far backend
///
/// What other processes do to an entry does not reach this process at once, so a value that is kept near may be older
/// than the one on the backend. [`at_most`](Near::at_most) bounds by how much.
///
/// # Examples
///
/// ```
/// use dogpile_cache::Near;
/// use std::time::Duration;
///
/// struct Picture(Vec<u8>);
///
/// let by_number = Near::holding(10_000).at_most(Duration::from_secs(1));
/// let by_weight = Near::weighing(64 << 20, |picture: &Picture| picture.0.len() as u64);
/// # let _ = (by_number, by_weight);
/// ```
#[derive(Clone)]
pub struct Near {
    bound: Bound,
    at_most: Option<Duration>,
}

#[derive(Clone)]
enum Bound {
    Entries(usize),
    Weight {
        most: u64,
        /// A `Weigher<V>`.
        weigher: Arc<dyn Any + Send + Sync>,
        /// The name of `V`.
        of: &'static str,
    },
}

struct Weigher<V: ?Sized>(Box<dyn Fn(&V) -> u64 + Send + Sync>);

/// The weigher of a [`Near`] weighs values of another type than the region's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WeighsAnother {
    /// The name of the type that the weigher weighs.
    pub(crate) weighs: &'static str,
    /// The name of the type of the region's values.
    pub(crate) region: &'static str,
}

impl Near {
    /// Keeps `entries` values at most. Never blocks.
    ///
    /// The values are spread over a few parts by their keys, with the same room each. So a value can be evicted when
    /// its part is full and another is not: a little before there are `entries` values.
    ///
    /// Zero keeps nothing. `usize::MAX` keeps everything that memory holds.
    #[must_use]
    pub fn holding(entries: usize) -> Near {
        Near { bound: Bound::Entries(entries), at_most: None }
    }

    /// Keeps values of the weight `most` in all, each as heavy as `weigher` says. Never blocks.
    ///
    /// The unit is the weigher's: bytes, rows, whatever counts. A value is weighed once, when it comes in. A weight of
    /// zero counts as one, or the number of such values would have no bound; the absence of a value weighs one.
    ///
    /// The values are spread over at most 64 parts by their keys, with the same room each. A value that is heavier
    /// than its part is not kept. A value of up to a hundredth of `most` always fits.
    ///
    /// Zero keeps nothing. `u64::MAX` keeps everything that memory holds.
    ///
    /// The values that are weighed are the region's: the `V` of its `build::<K, V>()`, or that is an error there.
    ///
    /// # Panics
    ///
    /// If the weigher panics, the value is not kept, and the panic goes on to the caller.
    #[must_use]
    pub fn weighing<V: 'static>(most: u64, weigher: impl Fn(&V) -> u64 + Send + Sync + 'static) -> Near {
        let weigher = Arc::new(Weigher::<V>(Box::new(weigher)));
        Near { bound: Bound::Weight { most, weigher, of: std::any::type_name::<V>() }, at_most: None }
    }

    /// Sets the longest time for which a value serves from near, after it was read from the far backend or was
    /// published there. Never blocks.
    ///
    /// By then the value is read from the far backend again. This bounds the time by which an invalidation, a `set` or
    /// a new value of another process arrives late. Without a far backend there is nothing to be late for, and a value
    /// serves until it expires.
    ///
    /// The unit is one nanosecond of the process's monotonic clock. `Duration::ZERO` is an error of `build()`, since it
    /// would keep values that never serve. `Duration::MAX` is no bound: a value serves until it expires.
    #[must_use]
    pub fn at_most(self, longest: Duration) -> Near {
        Near { at_most: Some(longest), ..self }
    }

    /// Returns what [`at_most`](Near::at_most) was told.
    pub(crate) fn longest(&self) -> Option<Duration> {
        self.at_most
    }

    /// Makes the store. `of` gives the value in what is kept, if it is not an absence.
    ///
    /// # Errors
    ///
    /// The weigher is one of another type than `V`.
    pub(crate) fn store<O, T, V>(
        &self,
        of: impl Fn(&T) -> Option<&V> + Send + Sync + 'static,
    ) -> Result<NearStore<O, T>, WeighsAnother>
    where
        O: Hash + Eq,
        T: Clone,
        V: 'static,
    {
        match &self.bound {
            Bound::Entries(entries) => Ok(NearStore::holding(*entries)),
            Bound::Weight { most, weigher, of: weighs } => {
                let Ok(weigher) = Arc::clone(weigher).downcast::<Weigher<V>>() else {
                    return Err(WeighsAnother { weighs, region: std::any::type_name::<V>() });
                };
                Ok(NearStore::weighing(*most, move |kept| of(kept).map_or(1, |value| weigher.0(value))))
            }
        }
    }
}

impl fmt::Debug for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut near = f.debug_struct("Near");
        match &self.bound {
            Bound::Entries(entries) => near.field("holding", entries),
            Bound::Weight { most, of, .. } => near.field("weighing", most).field("of", of),
        };
        near.field("at_most", &self.at_most).finish()
    }
}

#[cfg(test)]
mod tests;
