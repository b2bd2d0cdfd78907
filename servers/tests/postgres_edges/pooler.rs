//! A pooler in between, which lends one session to many clients: not for the backend, and well for users' transactions.

use crate::kit::*;
use dogpile_cache::backend::{ConnectError, Postgres};
use dogpile_servers::PostgresServer;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use tokio_postgres::{Client, NoTls};

/// A `PgBouncer` of one session of the server's. Killed when it is dropped.
struct Pooler {
    process: Child,
    url: String,
}

impl Pooler {
    /// Starts one that drops these parameters of a client's first message, and refuses all others.
    fn start(server: &PostgresServer, mode: &str, dropped: &str) -> Pooler {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let directory = server.socket_directory().join(format!("pooler{port}"));
        std::fs::create_dir(&directory).unwrap();
        let ini = format!(
            "[databases]\npostgres = host=127.0.0.1 user=postgres port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
            listen_port = {port}\nauth_type = any\npool_mode = {mode}\ndefault_pool_size = 1\nunix_socket_dir =\n\
            ignore_startup_parameters = {dropped}\n",
            server.address().port()
        );
        std::fs::write(directory.join("ini"), ini).unwrap();
        let user = Command::new("id").args(["-u", "postgres"]).output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        let process = Command::new("setpriv")
            .args(["--reuid", &user, "--clear-groups", "--pdeathsig", "KILL", "/usr/sbin/pgbouncer", "-q"])
            .arg(directory.join("ini"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Pooler { process, url: format!("postgresql://postgres@127.0.0.1:{port}/postgres") }
    }

    /// Connects once the pooler is there.
    async fn client(&self) -> Client {
        let mut client = None;
        until(async || {
            client = tokio_postgres::connect(&self.url, NoTls).await.ok();
            client.is_some()
        })
        .await;
        let (client, connection) = client.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What a client's session has of the settings that ours change.
async fn shown(client: &Client) -> Vec<String> {
    let mut all = Vec::new();
    for name in ["search_path", "statement_timeout", "enable_seqscan", "synchronous_commit"] {
        let rows = client.simple_query(&format!("SHOW {name}")).await.unwrap();
        let row = rows.into_iter().find_map(|it| match it {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        all.push(row.unwrap());
    }
    all
}

/// The backend is refused in each mode, whether the pooler refuses our settings or drops them; its other clients keep
/// theirs.
#[tokio::test]
async fn a_pooler_is_refused_and_its_other_clients_keep_their_settings() {
    let server = server().await;
    for mode in ["session", "transaction", "statement"] {
        for dropped in ["extra_float_digits", "extra_float_digits, options"] {
            let pooler = Pooler::start(&server, mode, dropped);
            // (By session, this client would keep the one session from ours.)
            let mut client = Some(pooler.client().await).filter(|_| mode != "session");
            let before = shown(client.as_ref().unwrap_or(&pooler.client().await)).await;
            let connected = within(AT_ONCE, Postgres::connect(&pooler.url)).await.map(drop);
            let made = within(AT_ONCE, Postgres::builder(&pooler.url).migrate()).await;
            let after = shown(client.get_or_insert(pooler.client().await)).await;
            assert_eq!(before, after, "{mode}, {dropped}: {connected:?}");
            for refused in [connected, made] {
                let error = refused.unwrap_err();
                let is_told = matches!(&error, ConnectError::Unfit { why, .. } if why.contains("pooler"));
                assert!(is_told, "{mode}, {dropped}: {error:?}");
            }
        }
    }
}

/// A user's transaction goes through a pooler, since its calls are not prepared.
#[tokio::test]
async fn a_users_transaction_goes_through_a_pooler() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (region, pooler) = (region(&postgres), Pooler::start(&server, "transaction", "extra_float_digits"));
    let (mut one, mut two) = (pooler.client().await, pooler.client().await);
    for round in 0..3 {
        for client in [&mut one, &mut two] {
            let transaction = client.transaction().await.unwrap();
            region.set_in(&transaction, "a", round.to_string()).await.unwrap();
            transaction.commit().await.unwrap();
            assert_eq!(*region.get("a").value().await.unwrap().unwrap(), round.to_string());
        }
    }
}
