//! The passes of threads and of tasks behind one trait, so that one code serves both.

use super::Beside;
use crate::access::ReachesByTask;
use crate::error::LockError;
use crate::wait::Wait;
use std::future::ready;
use std::marker::PhantomData;

/// How an access comes to its pass, which it holds on to while it uses the value.
pub(crate) trait Guards {
    type Lock: Beside;
    type Pass;
    type Got<V>;

    fn lock(&self) -> &Self::Lock;

    /// Returns whether this thread has a pass already, so that the access is nested in another one.
    fn is_nested(&self) -> bool;

    fn enter(&self, wait: &Wait) -> impl Future<Output = Result<Self::Pass, LockError>>;

    fn give<V>(value: V, pass: Self::Pass) -> Self::Got<V>;

    fn value<V>(got: &Self::Got<V>) -> &V;
}

/// The passes of a thread.
pub(crate) struct OfThread<'a, L>(pub(crate) &'a L);

impl<'a, L: Beside> Guards for OfThread<'a, L> {
    type Lock = L;
    type Pass = L::Pass<'a>;
    type Got<V> = L::Got<'a, V>;

    fn lock(&self) -> &L {
        self.0
    }

    fn is_nested(&self) -> bool {
        self.0.is_reading_here()
    }

    fn enter(&self, wait: &Wait) -> impl Future<Output = Result<L::Pass<'a>, LockError>> {
        ready(self.0.enter(wait))
    }

    fn give<V>(value: V, pass: L::Pass<'a>) -> L::Got<'a, V> {
        L::give(value, pass)
    }

    fn value<'g, V>(got: &'g L::Got<'a, V>) -> &'g V {
        L::value(got)
    }
}

/// The passes of a task. The task owns them, and reaches its lock by a `K`.
pub(crate) struct OfTask<K, L> {
    pub(crate) reached: K,
    of: PhantomData<fn() -> L>,
}

impl<L: Beside, K: ReachesByTask<L>> OfTask<K, L> {
    pub(crate) fn new(reached: K) -> Self {
        Self { reached, of: PhantomData }
    }
}

impl<L: Beside, K: ReachesByTask<L>> Guards for OfTask<K, L> {
    type Lock = L;
    type Pass = L::OwnedPass;
    type Got<V> = L::GotByTask<V>;

    #[inline]
    fn lock(&self) -> &L {
        self.reached.refer()
    }

    fn is_nested(&self) -> bool {
        false
    }

    fn enter(&self, wait: &Wait) -> impl Future<Output = Result<L::OwnedPass, LockError>> {
        L::enter_by_task(self.reached.owner(), wait)
    }

    fn give<V>(value: V, pass: L::OwnedPass) -> L::GotByTask<V> {
        L::give_to_task(value, pass)
    }

    fn value<V>(got: &L::GotByTask<V>) -> &V {
        L::value_of_task(got)
    }
}
