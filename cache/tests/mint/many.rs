//! Many keys.

use crate::kit::{MINUTE, PLACES, Place, SECOND, now, soon};
use crate::readers;
use dogpile_cache::mint::{Mint, Timeout};
use std::collections::HashMap;

fn get_many(mint: &mut Mint<u64, String>, keys: &[u64]) -> Vec<(u64, String)> {
    let mut values: Vec<_> = now(mint.get_many(keys)).unwrap().into_iter().collect();
    values.sort();
    values
}

fn elected(mint: &Mint<u64, String>) -> Vec<u64> {
    (0..10).filter(|key| mint.is_elected(key)).collect()
}

#[test]
fn what_is_missing_or_elected_is_left_out_once_per_key() {
    for place in PLACES {
        let mut all = readers(place);
        for key in [1, 2, 3] {
            soon(all.one.set(&key, key.to_string(), Timeout::Default)).unwrap();
        }
        all.ground.clock.advance(MINUTE + SECOND);
        soon(all.one.set(&1, "1", Timeout::Default)).unwrap();
        // 1 is fresh; 2 is late, and renewed by another; 3 is late; 4 is cold, and another has the right; 5 is cold.
        for key in [2, 4] {
            assert_eq!(now(all.far.get(&key)).unwrap(), None);
        }
        let values = get_many(&mut all.one, &[5, 1, 3, 2, 4, 3, 1, 5, 5]);
        assert_eq!(values, [(1, "1".to_owned()), (2, "2".to_owned())], "{place:?}");
        assert_eq!((elected(&all.one), elected(&all.far)), (vec![3, 5], vec![2, 4]), "{place:?}");
        // The other reader has the old value of 3, and nothing of 5.
        assert_eq!(get_many(&mut all.beside, &[3, 5]), [(3, "3".to_owned())], "{place:?}");
        assert_eq!(elected(&all.beside), [0; 0]);
        for key in [3, 5] {
            soon(all.one.set(&key, "new", Timeout::Default)).unwrap();
        }
        let values: HashMap<_, _> = soon(all.one.get_many(&[3, 5, 5])).unwrap();
        assert_eq!(values, HashMap::from([(3, "new".to_owned()), (5, "new".to_owned())]), "{place:?}");
        assert!(soon(all.one.get_many(&[])).unwrap().is_empty());
    }
}

/// Each of many keys is elected once, whatever the orders in which readers ask.
#[test]
fn each_key_is_elected_once() {
    for place in PLACES {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        runtime.block_on(async {
            let all = readers(place);
            let keys: Vec<u64> = (0..50).collect();
            let begin = std::sync::Arc::new(tokio::sync::Barrier::new(8));
            let tasks: Vec<_> = (0..8)
                .map(|task| {
                    let mut mint = if task % 2 == 0 { all.one.clone() } else { all.far.clone() };
                    let (mut keys, begin) = (keys.clone(), std::sync::Arc::clone(&begin));
                    if task % 3 == 0 {
                        keys.reverse();
                    }
                    tokio::spawn(async move {
                        begin.wait().await;
                        assert!(mint.get_many(&keys).await.unwrap().is_empty());
                        let elected: Vec<_> = keys.into_iter().filter(|key| mint.is_elected(key)).collect();
                        (elected, mint)
                    })
                })
                .collect();
            let (mut elected, mut mints) = (Vec::new(), Vec::new());
            for task in tasks {
                let (its, mint) = task.await.unwrap();
                elected.extend(its);
                mints.push(mint);
            }
            elected.sort_unstable();
            assert_eq!(elected, keys, "{place:?}");
        });
    }
}

/// A reader that does not wait for many keys keeps none of the turns that it would wait with.
#[test]
fn what_was_left_out_is_free_for_others() {
    let mut all = readers(Place::Far);
    assert_eq!(now(all.far.get(&1)).unwrap(), None);
    assert!(get_many(&mut all.one, &[1, 2]).is_empty());
    assert_eq!(elected(&all.one), [2]);
    // An access of the region waits for the other process, not for the reader.
    let region = all.beside.region().clone();
    let mut waiting = crate::kit::begin(region.get(&1).or_create(async || panic!("another creates")));
    soon(all.far.set(&1, "new", Timeout::Default)).unwrap();
    all.ground.clock.advance(SECOND);
    crate::kit::eventually("the wait ends", || waiting.poll().is_some_and(|got| &**got.unwrap() == "new"));
}
