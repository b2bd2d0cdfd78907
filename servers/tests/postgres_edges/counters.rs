//! Counters of many processes.

use crate::counting::{assert_exact, is_done_as_a_process};
use crate::kit::{assert_no_errors, server};

const TEST: &str = "counters::g12_sixty_four_processes_count_a_thousand_each";

#[tokio::test]
async fn g12_sixty_four_processes_count_a_thousand_each() {
    if is_done_as_a_process().await {
        return;
    }
    let server = server().await;
    assert_exact(TEST, &server.url()).await;
    assert_eq!(server.sql("SELECT count(*) FROM dogpile.counter WHERE expires < 'infinity'").unwrap(), "1");
    assert_no_errors(&server);
}
