//! Counters of many processes.

use crate::counting::{KEY, NAME, assert_exact, is_done_as_a_process};
use dogpile_servers::MemcachedServer;

const TEST: &str = "counters::g12_sixty_four_processes_count_a_thousand_each";

#[tokio::test]
async fn g12_sixty_four_processes_count_a_thousand_each() {
    if is_done_as_a_process().await {
        return;
    }
    let server = MemcachedServer::start().unwrap();
    assert_exact(TEST, &server.url()).await;
    let reply = server.command(format!("mg {NAME}:{KEY}@count t")).unwrap();
    let left: i64 = reply.flag('t').expect("the counter is there").parse().unwrap();
    // Its own end is after 600 s. The item lives for a second more: what has an end is never removed early.
    assert!((1..=601).contains(&left), "it has a lifetime: {left}");
}
