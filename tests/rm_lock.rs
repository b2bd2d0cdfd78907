//! `RmLock`, with the kernel's help where there is any. `tests/full_fences.rs` tests it without.

#![cfg(not(dogpile_loom))]

mod child;
#[macro_use]
mod rm_lock_laws;
#[macro_use]
mod traits;

use child::{DONE, is_done, part, play};
use dogpile::{
    FencesDecided, LockError, OwnedRmLockReadGuard, Owner, RmLock, RmLockReadGuard, RmLockWriteGuard, WouldBlock,
    force_full_fences,
};
use std::cell::Cell;
use std::error::Error;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::{Arc, MutexGuard};
use traits::Otherwise;

laws!();

#[test]
fn a_lock_gives_access_to_its_data() {
    static LOCK: RmLock<&str> = RmLock::new("static");
    *LOCK.write() = "written";
    assert_eq!(*LOCK.read(), "written");

    let mut lock: RmLock<u8> = RmLock::default();
    assert_eq!(*lock.read(), 0);
    *lock.get_mut() = 7;
    assert_eq!(*lock.read(), 7);
    assert_eq!(lock.into_inner(), 7);
    assert_eq!(RmLock::from("from").into_inner(), "from");

    let unsized_lock: &RmLock<[u8]> = &RmLock::new([1, 2, 3]);
    unsized_lock.write()[0] = 9;
    assert_eq!(*unsized_lock.read(), [9, 2, 3]);
    let dynamic: Box<RmLock<dyn Debug>> = Box::new(RmLock::new("dynamic"));
    assert_eq!(format!("{:?}", &*dynamic.read()), "\"dynamic\"");
    // A guard of a lock that lives for ever can be converted to an owned one, whether the data is sized or not.
    let for_ever: &'static RmLock<[u8]> = Box::leak(Box::new(RmLock::new([1, 2, 3])));
    assert_eq!(*RmLockReadGuard::into_owned(for_ever.read(), for_ever), [1, 2, 3]);

    // The size is a part of the cost of a hit: it must be as documented.
    assert_eq!(size_of::<RmLock<()>>(), 320);
}

#[test]
fn debug_and_display_show_the_data() {
    let lock = Arc::new(RmLock::new("shown"));
    assert_eq!(format!("{lock:?}"), "RmLock { data: \"shown\", .. }");
    let guard = lock.read();
    assert_eq!(format!("{lock:?} {guard:?} {guard}"), "RmLock { data: \"shown\", .. } \"shown\" shown");
    let owned = lock.read_owned();
    assert_eq!(format!("{owned:?} {owned}"), "\"shown\" shown");
    drop((guard, owned));
    let guard = lock.write();
    assert_eq!(format!("{lock:?} {guard:?} {guard}"), "RmLock { data: <locked>, .. } \"shown\" shown");
    drop(guard);
    let owners: [Owner; 2] = [Arc::clone(&lock).into(), Owner::from(Box::leak(Box::new(RmLock::new(0))) as &_)];
    assert_eq!(format!("{owners:?}"), "[Owner::Shared, Owner::Static]");
}

/// `Sync` and not `Send`.
type Bound = MutexGuard<'static, u8>;

#[test]
fn types_cross_threads_and_panics_as_decided() {
    const YES: bool = true;
    const NO: bool = false;
    assert_eq!(traits!(RmLock<u8>), [YES, YES, YES, NO]);
    assert_eq!(traits!(RmLock<Cell<u8>>)[..2], [YES, NO]);
    assert_eq!(traits!(RmLock<Bound>)[..2], [NO, NO]);
    assert_eq!(traits!(RmLock<Rc<u8>>)[..2], [NO, NO]);

    assert_eq!(traits!(RmLockReadGuard<'static, u8>), [NO, YES, YES, YES]);
    assert_eq!(traits!(RmLockReadGuard<'static, Cell<u8>>), [NO, NO, NO, NO]);
    assert_eq!(traits!(RmLockReadGuard<'static, Bound>)[..2], [NO, YES]);
    assert_eq!(traits!(RmLockWriteGuard<'static, u8>), [NO, YES, NO, YES]);
    assert_eq!(traits!(RmLockWriteGuard<'static, Cell<u8>>), [NO, NO, NO, NO]);
    assert_eq!(traits!(RmLockWriteGuard<'static, Bound>)[..2], [NO, YES]);
    assert_eq!(traits!(OwnedRmLockReadGuard<u8>), [YES, YES, YES, YES]);
    assert_eq!(traits!(OwnedRmLockReadGuard<Cell<u8>>), [NO, NO, NO, NO]);
    assert_eq!(traits!(OwnedRmLockReadGuard<Bound>)[..2], [YES, YES]);
    assert_eq!(traits!(OwnedRmLockReadGuard<Rc<u8>>)[..2], [NO, NO]);

    assert_eq!(traits!(Owner), [YES; 4]);
    // Only data that may be both sent and shared can be owned by a share.
    assert!(is!(Arc<RmLock<u8>>: Into<Owner>));
    assert!(!is!(Arc<RmLock<Cell<u8>>>: Into<Owner>));
    assert!(!is!(Arc<RmLock<Bound>>: Into<Owner>));

    assert_eq!(traits!(LockError), [YES; 4]);
    assert_eq!(traits!(WouldBlock), [YES; 4]);
    assert_eq!(traits!(FencesDecided), [YES; 4]);
    assert!(is!(LockError: Error) && is!(WouldBlock: Error) && is!(FencesDecided: Error));
}

#[test]
fn the_first_reader_or_writer_decides_the_fences() {
    if let Some(part) = part() {
        let lock = Arc::new(RmLock::new(0));
        match &*part {
            "nothing" => {}
            "read" => drop(lock.read()),
            "write" => drop(lock.write()),
            "owned" => drop(lock.read_owned()),
            other => panic!("no such part: {other}"),
        }
        // Owned guards bring their own fences in any case.
        let is_forced = part == "nothing" || part == "owned" || !kernel_helps();
        assert_eq!(force_full_fences().is_ok(), is_forced);
        drop((lock.read(), lock.read_owned()));
        drop(lock.write());
        assert_eq!(force_full_fences().is_ok(), is_forced, "it stays so");
        println!("{DONE}");
        return;
    }
    // The fences are decided once for a whole process.
    for part in ["nothing", "read", "write", "owned"] {
        let child = play(part, "the_first_reader_or_writer_decides_the_fences");
        assert!(child.status.success() && is_done(&child), "{part}: {child:?}");
    }
}

/// The kernel is the witness: it ends a thread that makes another system call than `read` and `write`.
#[cfg(target_os = "linux")]
#[test]
fn a_writer_with_full_fences_makes_no_system_call() {
    use rustix::thread::{SecureComputingMode, gettid, set_secure_computing_mode};
    use std::os::fd::AsFd;
    use std::path::Path;
    use std::sync::atomic::{AtomicI32, Ordering};
    use std::{env, io, thread};

    const TEST: &str = "a_writer_with_full_fences_makes_no_system_call";
    const REFUSED: &str = "no sandbox";
    if let Some(part) = part() {
        if part == "forced" {
            assert_eq!(force_full_fences(), Ok(()));
        }
        let id = Arc::new(AtomicI32::new(0));
        let sandboxed = {
            let id = Arc::clone(&id);
            move || {
                let out = io::stdout();
                let lock = RmLock::new(0);
                let write_and_read = || {
                    *lock.write() += 1;
                    drop(lock.read());
                };
                id.store(gettid().as_raw_nonzero().get(), Ordering::Relaxed);
                // Work that is done only once is done before the sandbox begins.
                write_and_read();
                if set_secure_computing_mode(SecureComputingMode::Strict).is_err() {
                    println!("{REFUSED}");
                    return;
                }
                write_and_read();
                // This thread does not print, since printing may do more.
                let _written = rustix::io::write(out.as_fd(), DONE.as_bytes());
                // The thread ends here at the latest: to return, it would have to give its stack back.
            }
        };
        thread::spawn(sandboxed);
        // The thread cannot be joined: a thread that the kernel ends leaves no result.
        rm_lock_laws::until(|| id.load(Ordering::Relaxed) != 0);
        let task = format!("/proc/self/task/{}", id.load(Ordering::Relaxed));
        rm_lock_laws::until(|| !Path::new(&task).exists());
        return;
    }
    if env::var_os("TSAN_OPTIONS").is_some() {
        println!("not tested: ThreadSanitizer calls the kernel when it likes");
        return;
    }
    let forced = play("forced", TEST);
    if String::from_utf8_lossy(&forced.stdout).contains(REFUSED) {
        println!("not tested: the kernel refuses the sandbox");
        return;
    }
    assert!(is_done(&forced), "a writer enters the kernel, or failed: {forced:?}");
    assert_eq!(is_done(&play("not forced", TEST)), !kernel_helps(), "a system call goes unnoticed");
}

#[cfg(all(target_os = "linux", not(dogpile_portable)))]
fn kernel_helps() -> bool {
    use rustix::thread::{MembarrierQuery, membarrier_query};
    membarrier_query().contains(MembarrierQuery::PRIVATE_EXPEDITED)
}

#[cfg(not(all(target_os = "linux", not(dogpile_portable))))]
fn kernel_helps() -> bool {
    false
}
