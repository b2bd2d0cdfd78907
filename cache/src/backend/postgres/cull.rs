//! The culling: rows that are over give their room back.
//!
//! Each process that has a connection for changes looks at a sample of the tables' blocks now and then, and deletes what
//! is over there: [`BLOCKS`] of each table, by one statement, which skips what is locked. Where it has found
//! [much](MUCH), it looks again at once. So the work goes with what there is to be done, not with the size of the
//! tables, and needs no index of the times, which would make each write a longer one. Nothing waits for it but a change
//! behind it on the connection.

use super::hub::Hub;
use super::link::Purpose;
use super::reply;
use super::sql::Call;
use std::sync::Weak;
use std::time::Duration;

/// How many blocks of each table are looked at by one statement: some 3,000 small entries, a millisecond.
const BLOCKS: i64 = 32;

/// So many rows that were over call for another look at once.
const MUCH: i64 = 50;

/// How many looks there are at most, one after the other.
const AT_ONCE: usize = 20;

/// The shortest time between two rounds; the longest is three times that. A thousand processes make a hundred a second.
const PAUSE: Duration = Duration::from_secs(5);

/// Culls, until the backend has gone.
pub(super) async fn cull(hub: Weak<Hub>) {
    let mut pause = PAUSE / 5;
    loop {
        tokio::time::sleep(pause.mul_f32(1.0 + 2.0 * fastrand::f32())).await;
        pause = PAUSE;
        let Some(hub) = hub.upgrade() else { return };
        for _ in 0..AT_ONCE {
            let Some(link) = hub.lanes.ready(Purpose::Changes) else { break };
            // (A failure is that of the connection, or of a right: the next round finds it again.)
            let deleted = link.ask(Call::Cull, &[&BLOCKS]).await.ok().and_then(|rows| reply::number(rows).ok());
            if deleted.is_none_or(|deleted| deleted < MUCH) {
                break;
            }
        }
    }
}
