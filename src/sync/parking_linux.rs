//! Where a thread parks on Linux: at a place in a [`Room`], which it keeps until it ends.

use super::room::Room;
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

/// The word of a room that its sleepers sleep on.
#[derive(Debug)]
pub struct Bell(AtomicU32);

impl Bell {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    pub(super) fn heard(&self) -> u32 {
        // Acquire: it stays before the look at the tokens.
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn ring(&self, bits: u32) {
        // Release: it stays behind the giving of the tokens.
        self.0.fetch_add(1, Ordering::Release);
        if let Some(bits) = NonZeroU32::new(bits) {
            // It fails only on an address that is none.
            let _woken = futex::wake_bitset(&self.0, futex::Flags::PRIVATE, i32::MAX.unsigned_abs(), bits);
        }
    }

    /// May end early, for many reasons.
    pub(super) fn sleep(&self, heard: u32, bit: u32, deadline: Deadline) {
        let until = deadline.left().map(from_now);
        if let Some(bit) = NonZeroU32::new(bit) {
            let _ended = futex::wait_bitset(&self.0, futex::Flags::PRIVATE, heard, until.as_ref(), bit);
        }
    }
}

/// The time that a futex is waited for until: absolute, on the monotonic clock. A day at a time, so that nothing
/// overflows.
fn from_now(left: Duration) -> Timespec {
    const DAY: Duration = Duration::from_secs(86_400);
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanoseconds) = if left < DAY { (left.as_secs(), left.subsec_nanos()) } else { (86_400, 0) };
    let nanoseconds = now.tv_nsec + i64::from(nanoseconds);
    let seconds = i64::try_from(seconds).expect("at most a day") + nanoseconds / 1_000_000_000;
    Timespec { tv_sec: now.tv_sec + seconds, tv_nsec: nanoseconds % 1_000_000_000 }
}

/// One thread's place. It is given back when the thread ends, and then another's: whoever still holds a waker for it
/// only makes its new owner look once more.
#[derive(Clone, Copy)]
struct Seat {
    room: &'static Room,
    bit: u32,
}

/// Places without a thread. Rooms live for ever: there are as many as it took to seat all threads alive that have ever
/// waited, at the time when they were most, in 128 bytes for each 32 of them. (A forked child has the rooms of its
/// parent and none of its sleepers.)
static FREE: Mutex<Vec<Seat>> = Mutex::new(Vec::new());

impl Seat {
    fn take() -> Self {
        let mut free = FREE.lock();
        if free.is_empty() {
            let room: &'static Room = Box::leak(Box::new(CachePadded::new(Room::new())));
            free.extend((0..u32::BITS).map(|at| Self { room, bit: 1 << at }));
        }
        free.pop().expect("a room has places")
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
        self.0.room.park(self.0.bit, deadline)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        FREE.lock().push(self.0);
    }
}

struct Unpark(Seat);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Seat { room, bit } = self.0;
        room.give_tokens(bit);
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

/// Runs `wake`, which wakes many threads, by one call to the kernel for each room, when it is done. Nothing else is to
/// run meanwhile: it might wait for one of them.
pub(crate) fn together(wake: impl FnOnce()) {
    // Where this thread's locals are gone, each of them is called by itself.
    let _begun = TOGETHER.try_with(|together| together.replace(Some(Vec::new())));
    wake();
    let rings = TOGETHER.try_with(RefCell::take);
    for Seat { room, bit } in rings.ok().flatten().into_iter().flatten() {
        room.ring(bit);
    }
}
