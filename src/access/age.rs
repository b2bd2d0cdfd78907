//! What says how old the value is that a getter brings.

use crate::clock::Clock;
use crate::dogpile::{Dogpile, Known, Sight};
use crate::election::State;

/// The lock says how old a value is that a getter brings.
#[derive(Clone, Copy, Debug)]
pub struct ByLock;

/// A value that a getter brings says itself how old it is.
#[derive(Clone, Copy, Debug)]
pub struct ByStamp;

/// Who says how old a value is. Both are asked after the word was read.
pub trait Age<V> {
    /// What a creator makes.
    type Made;

    /// What is needed, if the lock knows without the getter.
    fn known<C: Clock>(lock: &Dogpile<C>, seen: State) -> Known;

    /// What to think of the getter's value.
    fn judge<C: Clock>(lock: &Dogpile<C>, value: &V) -> Sight;

    /// Whether the getter's value may cover a failure, as far as the lock knows without the getter.
    fn may_cover<C: Clock>(lock: &Dogpile<C>) -> bool;

    /// Whether it does.
    fn covers<C: Clock>(lock: &Dogpile<C>, value: &V) -> bool;

    /// The getter has brought none.
    fn missed<C: Clock>(_: &Dogpile<C>) {}

    /// The value, of what a creator has made just now.
    fn value<C: Clock>(lock: &Dogpile<C>, made: Self::Made) -> V;
}
