//! Backends by their URLs.

use dogpile_cache::backend::{Backend, ConnectError, connect};
use std::sync::Arc;

async fn error(url: &str) -> ConnectError {
    connect(url).await.map(|_: Arc<dyn Backend>| ()).unwrap_err()
}

#[tokio::test]
async fn a_url_names_its_backend_by_the_scheme() {
    for url in ["memory:", "MEMORY:", "memory://"] {
        connect(url).await.unwrap().ping().await.unwrap();
    }
    assert_eq!(error("").await, ConnectError::NoScheme);
    assert_eq!(error("localhost").await, ConnectError::NoScheme);
    assert_eq!(error("memory:x").await, ConnectError::Malformed { scheme: "memory".to_owned() });
}

#[tokio::test]
async fn an_error_shows_no_credentials() {
    let error = error("gopher://anna:secret@host/").await;
    assert_eq!(error, ConnectError::UnknownScheme { scheme: "gopher".to_owned() });
    assert!(!format!("{error} {error:?}").contains("secret"));
}
