//! Replicas, Sentinels and Clusters come to the states that they wait for.

use dogpile_servers::{Client, Cluster, RedisServer, Replicas, Result, Sentinels, Value};
use std::time::{Duration, Instant};

/// Asks until the answer is `wanted`.
fn comes_to(server: &RedisServer, command: &[&str], wanted: &Value) -> Result<()> {
    let give_up = Instant::now() + Duration::from_secs(10);
    loop {
        let got = server.command(command)?;
        if got == *wanted {
            return Ok(());
        }
        assert!(Instant::now() < give_up, "{command:?}: {got:?}, not {wanted:?}");
    }
}

#[test]
fn replicas_have_what_the_primary_has() -> Result<()> {
    let all = Replicas::start(2)?;
    assert_eq!(all.primary()?, 0);
    for replica in &all.servers[1..] {
        assert_eq!(replica.info("master_link_status")?, "up");
    }
    for number in 0..100 {
        all.servers[0].command(&["SET", &format!("key {number}"), "1"])?;
    }
    all.in_step()?;
    for server in &all.servers {
        assert_eq!(server.command(&["DBSIZE"])?, Value::Int(100));
    }
    assert!(all.servers[1].command(&["SET", "a", "1"]).unwrap_err().to_string().contains("READONLY"));
    Ok(())
}

#[test]
fn replicas_come_back_after_a_jump_of_the_primary_s_clock() -> Result<()> {
    let all = Replicas::start_with(1, &RedisServer::builder().fake_time())?;
    all.servers[0].step(100 * 3_600_000)?;
    all.servers[0].command(&["SET", "a", "1"])?;
    comes_to(&all.servers[1], &["GET", "a"], &Value::bulk("1"))?;
    all.in_step()
}

#[test]
fn sentinels_promote_a_replica_asked_and_unasked() -> Result<()> {
    let mut all = Sentinels::start(2)?;
    assert_eq!(all.primary()?, 0);
    let second = all.failover()?;
    assert_ne!(second, 0);
    all.replicas.in_step()?;
    all.replicas.servers[second].command(&["SET", "a", "1"])?;
    all.replicas.in_step()?;
    let third = all.kill_primary()?;
    assert_ne!(third, second);
    comes_to(&all.replicas.servers[third], &["GET", "a"], &Value::bulk("1"))?;
    all.replicas.servers[third].command(&["SET", "a", "2"])?;
    all.bring_back(second)?;
    assert_eq!(all.replicas.servers[second].command(&["GET", "a"])?, Value::bulk("2"));
    assert_eq!(all.primary()?, third);
    Ok(())
}

fn error(reply: Value) -> String {
    match reply {
        Value::Error(error) => error,
        other => panic!("{other:?} is no error"),
    }
}

#[test]
fn a_cluster_has_even_parts_and_moves_a_slot() -> Result<()> {
    let cluster = Cluster::start(false)?;
    let owners = [0, 5460, 5461, 10921, 10922, 16383].map(|slot| cluster.owner(slot));
    assert_eq!(owners.into_iter().collect::<Result<Vec<_>>>()?, [0, 0, 1, 1, 2, 2]);
    let slot = cluster.slot("{a}1")?;
    let from = cluster.owner(slot)?;
    let to = (from + 1) % 3;
    let clients = cluster.nodes.iter().map(RedisServer::client).collect::<Result<Vec<_>>>()?;
    let [mut first, mut second] = two(clients, from, to);
    first.command(&["SET", "{a}1", "1"])?.no_error()?;
    assert!(error(second.command(&["GET", "{a}1"])?).starts_with("MOVED"));

    cluster.begin_move(slot, from, to)?;
    assert_eq!(first.command(&["GET", "{a}1"])?, Value::bulk("1"));
    assert!(error(first.command(&["GET", "{a}2"])?).starts_with("ASK"));
    second.command(&["ASKING"])?;
    second.command(&["SET", "{a}2", "2"])?.no_error()?;
    assert_eq!(cluster.move_keys(slot, from, to)?, 1);
    assert!(error(first.command(&["GET", "{a}1"])?).starts_with("ASK"));
    assert_eq!(cluster.owner(slot)?, from);
    cluster.end_move(slot, from, to)?;
    assert!(error(first.command(&["GET", "{a}1"])?).starts_with("MOVED"));
    assert_eq!(second.command(&["MGET", "{a}1", "{a}2"])?, Value::Array(vec![Value::bulk("1"), Value::bulk("2")]));

    assert_eq!(cluster.move_slot(slot, to, from)?, 2);
    assert_eq!(first.command(&["GET", "{a}2"])?, Value::bulk("2"));
    cluster.begin_move(slot, from, to)?;
    cluster.abandon_move(slot, from, to)?;
    assert_eq!(first.command(&["GET", "{a}3"])?, Value::Nil);
    cluster.well()
}

fn two(clients: Vec<Client>, first: usize, second: usize) -> [Client; 2] {
    let mut clients: Vec<_> = clients.into_iter().map(Some).collect();
    [first, second].map(|at| clients[at].take().unwrap())
}

#[test]
fn a_cluster_s_replicas_take_over() -> Result<()> {
    let mut cluster = Cluster::start(true)?;
    let slot = cluster.slot("a")?;
    let primary = cluster.owner(slot)?;
    let replica = primary + 3;
    cluster.nodes[primary].command(&["SET", "a", "1"])?;
    cluster.failover(replica)?;
    assert_eq!(cluster.owner(slot)?, replica);
    assert_eq!(cluster.nodes[replica].command(&["GET", "a"])?, Value::bulk("1"));
    assert_eq!(cluster.nodes[primary].info("role")?, "slave");
    cluster.kill_primary(replica, primary)?;
    assert_eq!(cluster.owner(slot)?, primary);
    assert_eq!(cluster.nodes[primary].command(&["GET", "a"])?, Value::bulk("1"));
    Ok(())
}
