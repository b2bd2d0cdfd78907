//! A room of 32 places to park at, whose sleepers the kernel can wake by one call, all of them or any one.
//!
//! When a creation ends, everybody who waits is woken. One by one, as with crossbeam's `Parker`, that is a call into
//! the kernel each, and 256 waiters are served 1.3 to 1.5 times as slowly as by std's `OnceLock`, which makes one call
//! for all (`benches/stale.rs`). When a creation fails, exactly one is to be woken (L5), so one word for all to sleep
//! on will not do either. Linux's answer is `FUTEX_WAKE_BITSET` (futex(2)): sleepers on one word, each under a bit of
//! its own.
//!
//! A room has two words:
//!
//! | word | |
//! |---|---|
//! | `tokens` | a bit for each place: woken, and has not taken notice yet |
//! | `bell` | counts the calls to wake; sleepers sleep on it |
//!
//! Waking sets the tokens, then moves the bell, then calls the kernel. Parking reads the bell, then looks for the
//! token, then sleeps unless the bell has moved.
//!
//! No wake-up is lost. Both sides change `tokens` by read-modify-writes, so one of them sees the other. If the look
//! sees the token, it does not sleep. If the waker's change sees the look, then the reading of the bell, which came
//! before the look, happens before the bell is moved: so it read an older bell, and the kernel, which compares once
//! more under a lock of its own, either does not let the thread sleep or finds it asleep when it is called to wake.
//!
//! A wake-up for one place may keep another from falling asleep: it looks once more. None that sleeps is disturbed.

use super::{AtomicU32, Bell, Deadline, Mutant, Ordering, const_fn, mutant};

/// The places are the bits of a word.
#[derive(Debug)]
pub struct Room {
    tokens: AtomicU32,
    bell: Bell,
}

impl Room {
    const_fn! {
        /// Nobody is here.
        pub const fn new() -> Self {
            Self { tokens: AtomicU32::new(0), bell: Bell::new() }
        }
    }

    /// Gives tokens to the places in `bits`; [`ring`](Self::ring) afterwards.
    pub fn give_tokens(&self, bits: u32) {
        // Release: pairs with the acquire in `park`, so that what was done before waking is seen by who was woken.
        // Acquire: if the look in `park` came first, so did its reading of the bell.
        self.tokens.fetch_or(bits, Ordering::AcqRel);
    }

    /// Wakes those at the places in `bits`, who have been given their tokens.
    pub fn ring(&self, bits: u32) {
        self.bell.ring(bits);
    }

    /// Parks at the place `bit` until it is woken (true), or until the deadline has passed (false).
    pub fn park(&self, bit: u32, deadline: Deadline) -> bool {
        loop {
            let heard = self.bell.heard();
            // Acquire and release: see `give_tokens`.
            if self.tokens.fetch_and(!bit, Ordering::AcqRel) & bit != 0 {
                return true;
            }
            let heard = if mutant(Mutant::LooksBeforeItListens) { self.bell.heard() } else { heard };
            if deadline.has_passed() {
                return false;
            }
            // However it ends (rung, rung before it slept, a signal, out of time): look again.
            self.bell.sleep(heard, bit, deadline);
        }
    }
}
