//! The culling: rows that are over give their room back.
//!
//! Each process that has a connection for changes walks through the tables, from a place of its own: [`BLOCKS`] of each
//! table by one statement, which deletes what is over there, and skips what is locked. A round ends after [some](POOR)
//! statements that have found [little](LITTLE). So the work goes with what there is to be done, not with the size of
//! the tables, and needs no index of the times, which would make each write a longer one. What a walk has emptied it
//! does not see again before it has seen all else. Nothing waits for it but a change behind one statement on the
//! connection.

use super::hub::Hub;
use super::link::Purpose;
use super::reply;
use super::sql::Call;
use std::sync::Weak;
use std::time::Duration;

/// How many blocks of each table are looked at by one statement: some 3,000 small entries, a millisecond.
const BLOCKS: i64 = 32;

/// Fewer rows than this that were over, in the blocks of one statement, are little.
const LITTLE: i64 = BLOCKS / 8;

/// So many statements that have found little, one after the other, end a round.
const POOR: usize = 4;

/// How many statements a round has at most: a table's 50 MB.
const AT_ONCE: usize = 200;

/// The shortest time between two rounds; the longest is three times that. A thousand processes make a hundred a second.
const PAUSE: Duration = Duration::from_secs(5);

/// Culls, until the backend has gone.
pub(super) async fn cull(hub: Weak<Hub>) {
    let mut pause = PAUSE / 5;
    let (start, mut block) = (fastrand::f64(), 0);
    loop {
        tokio::time::sleep(pause.mul_f32(1.0 + 2.0 * fastrand::f32())).await;
        pause = PAUSE;
        let Some(hub) = hub.upgrade() else { return };
        let mut poor = 0;
        for _ in 0..AT_ONCE {
            let Some(link) = hub.lanes.ready(Purpose::Changes) else { break };
            // (A failure is that of the connection, or of a right: the next round finds it again.)
            let asked = link.ask(Call::Cull, &[&block, &BLOCKS, &start]).await;
            let Some(deleted) = asked.ok().and_then(|rows| reply::number(rows).ok()) else { break };
            block += BLOCKS;
            poor = if deleted < LITTLE { poor + 1 } else { 0 };
            if poor == POOR {
                break;
            }
        }
    }
}
