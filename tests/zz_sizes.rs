//! scratch
use dogpile::*;
use std::sync::Arc;
async fn big<const N: usize>() -> usize {
    let b = [1u8; N];
    tokio::task::yield_now().await;
    b.len()
}
fn sizes<const N: usize>() -> Vec<(&'static str, usize)> {
    let d = Dogpile::never_expires();
    let c = Cached::<usize>::never_expires();
    let l = Arc::new(SyncReaderDogpile::never_expires());
    macro_rules! v { ($($n:literal: $e:expr,)*) => { vec![$(($n, { let f = $e; let s = size_of_val(&f); drop(f); s })),*] } }
    v! {
        "user": big::<N>(),
        "acquire": d.acquire_async(),
        "acquire_or_create": d.acquire_or_create_async(async || { big::<N>().await; }),
        "acquire_or_create_with": d.acquire_or_create_with_async(async |_| { big::<N>().await; }),
        "acquire_or_try_create": d.acquire_or_try_create_async(async || { big::<N>().await; Err("") }),
        "get_or_create": d.get_or_create_async(|| async { Err(NeedRegeneration) }, async || big::<N>().await),
        "get_or_create_with": d.get_or_create_with_async(|| async { Err(NeedRegeneration) }, async |_| big::<N>().await),
        "get_or_create_and_set": d.get_or_create_and_set_async(|| async { Err(NeedRegeneration) }, async || big::<N>().await, async |_| ()),
        "get_or_try_create_stamped_and_set": d.get_or_try_create_stamped_and_set_async(|| async { Err::<_, GetError<u8>>(NeedRegeneration.into()) }, async || Ok::<_, u8>(big::<N>().await), async |_| Ok(())),
        "cached get_or_create": c.get_or_create_async(async || big::<N>().await),
        "cached get_or_create_with": c.get_or_create_with_async(async |_| Made::new(big::<N>().await)),
        "cached get_or_try_create": c.get_or_try_create_async(async || Ok::<_, u8>(big::<N>().await)),
        "sync acquire": SyncReaderDogpile::acquire_async(&l),
        "sync acquire_or_create": SyncReaderDogpile::acquire_or_create_async(&l, async || { big::<N>().await; }),
        "sync get_or_create": SyncReaderDogpile::get_or_create_async(&l, || async { Err(NeedRegeneration) }, async || big::<N>().await),
        "sync get_or_create_stamped_and_set": SyncReaderDogpile::get_or_create_stamped_and_set_async(&l, || async { Err(NeedRegeneration) }, async || big::<N>().await, async |_| ()),
        "write": l.acquire_write_lock_async(),
        "invalidate": d.invalidate_async(),
    }
}
#[test]
fn sizes_of() {
    let (a, b) = (sizes::<0>(), sizes::<1000>());
    for ((n, s), (_, t)) in a.iter().zip(&b) {
        println!("{n:40} {s:5} {t:5}  {:.2}", (t - s) as f64 / 1000.0);
    }
}
