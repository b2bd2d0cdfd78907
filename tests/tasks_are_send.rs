//! scratch
use dogpile::*;
use std::sync::Arc;
use std::time::Duration;
fn is_send<T: Send + 'static>(f: T) -> usize {
    size_of_val(&f)
}
async fn step() {
    tokio::task::yield_now().await
}
#[test]
fn sends() {
    let s = String::from("x");
    let d = Arc::new(Dogpile::never_expires());
    let mut all = vec![];
    macro_rules! go {
        ($name:literal, $e:expr) => {{
            let (d, s) = (d.clone(), s.clone());
            let _ = (&d, &s);
            let f = async move { $e(d, s).await };
            all.push(($name, is_send(f)));
        }};
    }
    go!("acquire", async |d: Arc<Dogpile>, _s: String| { drop(d.acquire_async().await) });
    println!("{all:?}");
    let (d1, s1) = (d.clone(), s.clone());
    all.push((
        "aoc",
        is_send(async move {
            d1.acquire_or_create_async(async || {
                step().await;
                assert!(s1.len() == 1)
            })
            .await
        }),
    ));
    let (d1, s1) = (d.clone(), s.clone());
    all.push((
        "aocw",
        is_send(async move {
            d1.acquire_or_create_with_async(async |c| {
                step().await;
                let _ = c
                    .publish_async(async || {
                        step().await;
                        assert!(s1.len() == 1)
                    })
                    .await;
            })
            .await
        }),
    ));
    let (d1, s1) = (d.clone(), s.clone());
    all.push((
        "aotcw",
        is_send(async move {
            d1.acquire_or_try_create_with_async(async |c| {
                step().await;
                c.publish_async(async || {
                    step().await;
                    assert!(s1.len() == 1)
                })
                .await
            })
            .await
        }),
    ));
    let (d1, s1) = (d.clone(), s.clone());
    all.push((
        "goc",
        is_send(async move {
            d1.get_or_create_async(
                || async {
                    step().await;
                    if s1.len() == 1 { Ok(1) } else { Err(NeedRegeneration) }
                },
                async || {
                    step().await;
                    s1.len()
                },
            )
            .await
        }),
    ));
    let (d1, s1) = (d.clone(), s.clone());
    all.push((
        "gocs",
        is_send(async move {
            d1.get_or_create_and_set_async(
                || async {
                    step().await;
                    if s1.len() == 1 { Ok(1) } else { Err(NeedRegeneration) }
                },
                async || {
                    step().await;
                    s1.len()
                },
                async |made| {
                    step().await;
                    assert!(*made == s1.len())
                },
            )
            .await
        }),
    ));
    let (d1, s1) = (d.clone(), s.clone());
    all.push((
        "gocsa",
        is_send(async move {
            d1.get_or_try_create_stamped_and_set_async::<_, String, String, _>(
                || async {
                    step().await;
                    Err(NeedRegeneration.into())
                },
                async || {
                    step().await;
                    Ok(s1.len())
                },
                async |made| {
                    step().await;
                    assert!(made.value == s1.len());
                    Ok(())
                },
            )
            .await
        }),
    ));
    let (d1, s1) = (d.clone(), s.clone());
    all.push((
        "inv",
        is_send(async move {
            d1.invalidate_async().await;
            s1.len()
        }),
    ));
    let c = Arc::new(Cached::<usize>::never_expires());
    let (d1, s1) = (c.clone(), s.clone());
    all.push((
        "c goc",
        is_send(async move {
            d1.get_or_create_async(async || {
                step().await;
                s1.len()
            })
            .await
        }),
    ));
    let (d1, s1) = (c.clone(), s.clone());
    all.push((
        "c gocw",
        is_send(async move {
            d1.get_or_create_with_async(async |r| {
                step().await;
                Made::new(s1.len() + r.old().copied().unwrap_or(0))
            })
            .await
        }),
    ));
    let (d1, s1) = (c.clone(), s.clone());
    all.push((
        "c gotcw",
        is_send(async move {
            d1.get_or_try_create_with_async(async |r| {
                step().await;
                if r.is_dead() {
                    return Err(s1);
                }
                Ok(Made::new(s1.len()))
            })
            .await
        }),
    ));
    let s1 = s.clone();
    let f = Arc::new(CachedFn::<usize, _>::new(Duration::MAX, move || {
        let s1 = s1.clone();
        async move {
            step().await;
            s1.len()
        }
    }));
    all.push(("f", is_send(async move { f.get_async().await })));
    let s1 = s.clone();
    let f = Arc::new(CachedFn::<usize, _>::new(Duration::MAX, async move |r: &Renewal<'_, usize>| {
        step().await;
        Made::new(s1.len() + r.old().copied().unwrap_or(0))
    }));
    all.push(("f with", is_send(async move { f.get_async().await })));
    let l = Arc::new(SyncReaderDogpile::never_expires());
    let (d1, s1) = (l.clone(), s.clone());
    all.push((
        "s aocw",
        is_send(async move {
            let g = SyncReaderDogpile::acquire_or_create_with_async(&d1, async |c| {
                step().await;
                let _w = c.write_lock_async().await;
                step().await;
                assert!(s1.len() == 1);
            })
            .await;
            step().await;
            drop(g)
        }),
    ));
    let (d1, s1) = (l.clone(), s.clone());
    all.push((
        "s gocs",
        is_send(async move {
            let g = SyncReaderDogpile::get_or_create_stamped_and_set_async(
                &d1,
                || async {
                    step().await;
                    Err(NeedRegeneration)
                },
                async || {
                    step().await;
                    s1.len()
                },
                async |made| {
                    step().await;
                    assert!(made.value == s1.len())
                },
            )
            .await;
            step().await;
            drop(g)
        }),
    ));
    let d1 = l.clone();
    all.push((
        "s w",
        is_send(async move {
            let g = d1.acquire_write_lock_async().await;
            step().await;
            drop(g)
        }),
    ));
    #[derive(Clone, Default)]
    struct Client(Arc<std::sync::Mutex<std::collections::HashMap<u64, Stamped<u64>>>>);
    impl Client {
        async fn get(&self, key: u64) -> Option<Stamped<u64>> {
            step().await;
            self.0.lock().unwrap().get(&key).copied()
        }
        async fn set(&self, key: u64, value: Stamped<u64>) {
            step().await;
            self.0.lock().unwrap().insert(key, value);
        }
    }
    let client = Client::default();
    let (a, b) = (client.clone(), client.clone());
    let squares = Arc::new(cached_by_key(
        Duration::MAX,
        |n: &u64| *n,
        async |n: &u64| {
            step().await;
            n * n
        },
        Store {
            get: async move |key: &u64| a.get(*key).await,
            set: async move |key: &u64, value: &Stamped<u64>| b.set(*key, *value).await,
            remove: async |_: &u64| step().await,
        },
    ));
    let s2 = squares.clone();
    all.push(("by key", is_send(async move { s2.get_async(&1).await })));
    let s2 = squares.clone();
    all.push((
        "by key r",
        is_send(async move {
            s2.refresh_async(&1).await;
            s2.invalidate_async(&1).await
        }),
    ));
    println!("{all:#?}");
}
