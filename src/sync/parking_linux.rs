//! Where a thread parks on Linux: at a place in a room of 32, whose sleepers the kernel can wake by one call, all of them
//! or any one.
//!
//! When a creation ends, everybody who waits is woken. One by one, as with crossbeam's `Parker`, that is a call into the
//! kernel each, and 256 waiters are served 1.3 to 1.5 times as slowly as by std's `OnceLock`, which makes one call for all
//! (`benches/stale.rs`). When a creation fails, exactly one is to be woken (L5), so one word for all to sleep on will not
//! do either. The kernel's answer is `FUTEX_WAKE_BITSET` (futex(2)): sleepers on one word, each under a bit of its own.
//!
//! A room has two words:
//!
//! | word | |
//! |---|---|
//! | `tokens` | a bit for each place: woken, and has not taken notice yet |
//! | `bell` | counts the calls to wake; sleepers sleep on it |
//!
//! Waking sets the tokens, then moves the bell, then calls the kernel. Parking reads the bell, then looks for the token,
//! then sleeps unless the bell has moved. No wake-up is lost: if the look comes before the token is set, it comes before the
//! bell is moved too, and so does the reading; then either the kernel finds the bell moved and does not let the thread
//! sleep, or the thread sleeps before the kernel is called to wake it. (Both sides are read-modify-writes of `tokens`, so
//! one of them sees the other; that is what orders the reading of the bell before its move.)
//!
//! A wake-up for one place may keep another from falling asleep: it looks once more. None that sleeps is disturbed.

use super::{Arc, Deadline};
use crossbeam_utils::CachePadded;
use parking_lot::Mutex;
use rustix::thread::futex;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::cell::RefCell;
use std::num::NonZeroU32;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

struct Room {
    tokens: AtomicU32,
    bell: AtomicU32,
}

/// One thread's place. It is given back when the thread ends, and then another's: whoever still holds a waker for it only
/// makes its new owner look once more.
#[derive(Clone, Copy)]
struct Seat {
    room: &'static Room,
    bit: NonZeroU32,
}

/// Places without a thread. Rooms live for ever: there are as many as it took to seat the most threads that ever waited
/// at once, 128 bytes for 32 of them.
static FREE: Mutex<Vec<Seat>> = Mutex::new(Vec::new());

impl Seat {
    fn take() -> Self {
        let mut free = FREE.lock();
        if free.is_empty() {
            let room = Room { tokens: AtomicU32::new(0), bell: AtomicU32::new(0) };
            let room: &'static Room = Box::leak(Box::new(CachePadded::new(room)));
            free.extend((0..u32::BITS).filter_map(|at| NonZeroU32::new(1 << at)).map(|bit| Self { room, bit }));
        }
        free.pop().expect("a room has places")
    }
}

impl Room {
    /// Wakes the places in `bits` that have their tokens already.
    fn ring(&self, bits: NonZeroU32) {
        // Release: pairs with the acquire in `park`, so that who sees the bell moved sees the tokens.
        self.bell.fetch_add(1, Ordering::Release);
        // It wakes those who sleep, and fails only on an address that is none.
        let _woken = futex::wake_bitset(&self.bell, futex::Flags::PRIVATE, i32::MAX.unsigned_abs(), bits);
    }
}

pub(super) struct Place(Seat);

impl Place {
    pub(super) fn new() -> Self {
        Self(Seat::take())
    }

    pub(super) fn waker(&self) -> Waker {
        Waker::from(Arc::new(Unpark(self.0)))
    }

    /// Parks until woken (true), or until the deadline has passed (false).
    pub(super) fn park(&self, deadline: Deadline) -> bool {
        let Seat { room, bit } = self.0;
        loop {
            // Acquire: pairs with the release in `ring`. It stays before the look at the tokens.
            let bell = room.bell.load(Ordering::Acquire);
            // Acquire: what was done before waking is seen by who was woken. Release: if this comes first, the waker's
            // own sees it, and moves the bell after our reading of it.
            if room.tokens.fetch_and(!bit.get(), Ordering::AcqRel) & bit.get() != 0 {
                return true;
            }
            let until = match deadline.left() {
                Some(left) if left.is_zero() => return false,
                left => left.map(from_now),
            };
            // However it ends (woken, the bell has moved, a signal, out of time): look again.
            let _ended = futex::wait_bitset(&room.bell, futex::Flags::PRIVATE, bell, until.as_ref(), bit);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        FREE.lock().push(self.0);
    }
}

/// The time that a futex is waited for until: absolute, on the monotonic clock.
fn from_now(left: Duration) -> Timespec {
    let now = clock_gettime(ClockId::Monotonic);
    let nanoseconds = now.tv_nsec + i64::from(left.subsec_nanos());
    let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
    Timespec {
        tv_sec: now.tv_sec.saturating_add(seconds).saturating_add(nanoseconds / 1_000_000_000),
        tv_nsec: nanoseconds % 1_000_000_000,
    }
}

struct Unpark(Seat);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Seat { room, bit } = self.0;
        // Release: pairs with the acquire in `park`. Acquire: see there.
        room.tokens.fetch_or(bit.get(), Ordering::AcqRel);
        let later = TOGETHER.try_with(|together| match together.borrow_mut().as_mut() {
            Some(rings) => {
                add(rings, self.0);
                true
            }
            None => false,
        });
        if !later.unwrap_or(false) {
            room.ring(bit);
        }
    }
}

/// Rooms, and who is to be woken there.
type Rings = Vec<Seat>;

fn add(rings: &mut Rings, Seat { room, bit }: Seat) {
    match rings.iter_mut().rev().find(|ring| ptr::eq(ring.room, room)) {
        Some(ring) => ring.bit |= bit,
        None => rings.push(Seat { room, bit }),
    }
}

thread_local! {
    static TOGETHER: RefCell<Option<Rings>> = const { RefCell::new(None) };
}

/// Runs `wake`, which wakes many; the threads among them by one call to the kernel for each room, when it is done.
pub(crate) fn together(wake: impl FnOnce()) {
    /// Rings at the end, also after a panic of somebody's waker.
    struct Ring(Option<Rings>);

    impl Drop for Ring {
        fn drop(&mut self) {
            let rings = TOGETHER.try_with(|together| together.replace(self.0.take()));
            for Seat { room, bit } in rings.ok().flatten().into_iter().flatten() {
                room.ring(bit);
            }
        }
    }

    // A waker may come here again: it rings for itself, and leaves what was begun before it as it was.
    let _ring = TOGETHER.try_with(|together| Ring(together.replace(Some(Vec::new()))));
    wake();
}
