//! How an access learns how old the value is that its getter has brought: from the lock, or from the value's stamp.

use crate::clock::Clock;
use crate::dogpile::{Dogpile, Known, Sight};
use crate::election::State;

/// The lock says how old the value is that a getter brings.
#[derive(Clone, Copy, Debug)]
pub struct ByLock;

/// The value that a getter brings says how old it is, by its [stamp](crate::Stamped).
#[derive(Clone, Copy, Debug)]
pub struct ByStamp;

/// What says how old the value of a getter is. Each question is asked after the access has read the state word of the
/// election. The answers are in [`beside`](crate::beside).
pub trait Age<V> {
    /// What a creator makes.
    type Made;

    /// Returns what the access needs, if the lock knows that without the getter.
    fn known<C: Clock>(lock: &Dogpile<C>, seen: State) -> Known;

    /// Returns of what use the getter's value is to the access.
    fn judge<C: Clock>(lock: &Dogpile<C>, value: &V) -> Sight;

    /// Returns whether the getter's value may cover a failure, as far as the lock knows without the getter.
    fn may_cover<C: Clock>(lock: &Dogpile<C>) -> bool;

    /// Returns whether this value of the getter covers a failure, if it [may](Self::may_cover).
    fn covers<C: Clock>(lock: &Dogpile<C>, value: &V) -> bool;

    /// Notes that the getter has brought no value.
    fn missed<C: Clock>(_: &Dogpile<C>) {}

    /// Makes the access's value of what a creator has made just now.
    fn value<C: Clock>(lock: &Dogpile<C>, made: Self::Made) -> V;
}
