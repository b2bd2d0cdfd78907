//! TLS, by certificates of an authority of the test's own.

use crate::kit::*;
use dogpile_cache::backend::{Backend, ConnectError, Postgres};
use dogpile_servers::PostgresServer;
use std::env;
use std::fs;
use std::process::Command;

fn with_tls() -> (PostgresServer, Vec<u8>) {
    let server = PostgresServer::builder().tls().start().unwrap();
    let root = server.certificates().unwrap().root.clone().into_bytes();
    (server, root)
}

/// How many of our sessions are with TLS, and without.
fn sessions(server: &PostgresServer) -> String {
    let ours = "application_name = 'dogpile-cache'";
    let counts = "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl";
    server.sql(&format!("{counts} JOIN pg_stat_activity USING (pid) WHERE {ours}")).unwrap()
}

/// Connects, which fails at once; the error shows no name, and says this.
async fn refused(builder: dogpile_cache::backend::PostgresBuilder, says: &str) {
    let error = within(AT_ONCE, builder.connect()).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Unreachable { why, .. } if why.contains(says)), "{error:?}");
    assert_silent(&error);
    let shown = format!("{builder:?}");
    assert!(!shown.contains("anna") && !shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn a_server_is_trusted_by_its_root_and_its_name() {
    let ((server, root), (_other, strange)) = (with_tls(), with_tls());
    let of = |url: &str| Postgres::builder(url);
    for url in [server.url(), server.url() + "?sslmode=require", server.url() + "?sslmode=prefer"] {
        of(&url).trusting(&root).migrate().await.unwrap();
        let postgres = of(&url).trusting(&root).connect().await.unwrap();
        set(&postgres, &key("a"), "value").await.unwrap();
        assert_eq!(stored(&postgres, &key("a")).await.unwrap(), "value");
        assert_eq!(sessions(&server), "3|0", "{url}");
        drop(postgres);
        until(async || sessions(&server) == "0|0").await;
    }
    // Several roots are trusted together; a name is as good as an address if the certificate has it.
    let both = [strange.clone(), root.clone()].concat();
    let port = server.address().port();
    of(&format!("postgresql://postgres@localhost:{port}/postgres")).trusting(&both).connect().await.unwrap();

    let url = format!("postgresql://anna:secret@127.0.0.1:{port}/postgres?sslmode=require");
    refused(of(&url).trusting(&strange), "certificate").await;
    // The operating system does not know the root.
    let error = within(AT_ONCE, of(&url).connect()).await.unwrap_err();
    assert!(!error.to_string().is_empty());
    assert_silent(&error);
    let misnamed = format!("postgresql://anna:secret@db.internal:{port}/postgres?hostaddr=127.0.0.1");
    refused(of(&misnamed).trusting(&root), "certificate").await;
    assert_eq!(server.sql("SELECT 1").unwrap(), "1");
}

/// The URL of a server, for a process that trusts what its environment says.
const URL: &str = "DOGPILE_EDGES_TLS_AT";

/// A URL that asks for TLS is enough, if the operating system trusts the root.
#[tokio::test]
async fn the_roots_of_the_operating_system_are_trusted() {
    if let Ok(url) = env::var(URL) {
        let postgres = Postgres::connect(&url).await.unwrap();
        return postgres.ping().await.unwrap();
    }
    let (server, root) = with_tls();
    Postgres::builder(&server.url()).migrate().await.unwrap();
    let file = server.socket_directory().join("root.pem");
    fs::write(&file, &root).unwrap();
    let strange = server.socket_directory().join("strange.pem");
    fs::write(&strange, with_tls().1).unwrap();
    for mode in ["require", "verify-full"] {
        for (trusted, is_trusted) in [(&file, true), (&strange, false)] {
            let done = Command::new(env::current_exe().unwrap())
                .args(["--exact", "tls::the_roots_of_the_operating_system_are_trusted"])
                .env(URL, format!("{}?sslmode={mode}", server.url()))
                .env("SSL_CERT_FILE", trusted)
                .env_remove("SSL_CERT_DIR")
                .output()
                .unwrap();
            assert_eq!(done.status.success(), is_trusted, "{mode}: {done:?}");
        }
    }
}

#[tokio::test]
async fn tls_and_plain_text_do_not_meet() {
    let ((server, root), plain) = (with_tls(), server().await);
    let at = plain.address();
    for url in ["", "?sslmode=require"].map(|mode| format!("postgresql://anna:secret@{at}/postgres{mode}")) {
        refused(Postgres::builder(&url).trusting(&root), "TLS").await;
    }
    // What does not ask for TLS has none, also where the server would.
    Postgres::builder(&server.url()).migrate().await.unwrap();
    for mode in ["", "?sslmode=prefer", "?sslmode=disable"] {
        let postgres = Postgres::connect(&(server.url() + mode)).await.unwrap();
        assert_eq!(sessions(&server), "0|3", "{mode}");
        drop(postgres);
        until(async || sessions(&server) == "0|0").await;
    }
}

#[tokio::test]
async fn a_root_that_is_none_is_refused_at_once() {
    let (server, root) = with_tls();
    let root = String::from_utf8(root).unwrap();
    let (half, broken) = (&root[..root.len() / 2], root.replace('A', "B"));
    for (mode, root) in [("", ""), ("", "no certificate"), ("", half), ("", &*broken), ("?sslmode=disable", &*root)] {
        let builder = Postgres::builder(&(server.url() + mode)).trusting(root.as_bytes());
        for refused in [builder.lazy().map(drop), builder.connect().await.map(drop), builder.migrate().await] {
            assert!(matches!(refused, Err(ConnectError::Malformed { .. })), "{mode} {root}: {refused:?}");
        }
    }
}
