//! `RedisServer` does what it says.

use dogpile_servers::{Client, RedisServer, Result, Value};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A bound for what is not to come: long enough for what is there to be seen.
const SHORT: Duration = Duration::from_millis(300);

fn ok() -> Value {
    Value::Simple("OK".into())
}

#[test]
fn commands_get_their_replies() -> Result<()> {
    let server = RedisServer::start()?;
    let mut client = server.client()?;
    assert_eq!(client.command(&["SET", "a", "1"])?, ok());
    assert_eq!(client.command(&["GET", "a"])?, Value::bulk("1"));
    assert_eq!(client.command(&["GET", "none"])?, Value::Nil);
    assert_eq!(client.command(&["DEL", "a"])?, Value::Int(1));
    let eval = client.command(&["EVAL", "return {1, 'two', {redis.status_reply('three')}, false}", "0"])?;
    let three = Value::Array(vec![Value::Simple("three".into())]);
    assert_eq!(eval, Value::Array(vec![Value::Int(1), Value::bulk("two"), three, Value::Nil]));
    assert!(matches!(client.command(&["NONE"])?, Value::Error(error) if error.starts_with("ERR unknown command")));
    let raw: Vec<u8> = (0..=255).collect();
    client.command(&[b"SET".as_slice(), b"raw", &raw])?;
    assert_eq!(client.command(&["GET", "raw"])?, Value::Bulk(raw));
    assert!(server.command(&["NONE"]).is_err());
    assert_eq!(server.info("process_id")?, server.pid().to_string());
    server.flush()?;
    assert_eq!(server.command(&["DBSIZE"])?, Value::Int(0));
    Ok(())
}

#[test]
fn a_drop_leaves_nothing() -> Result<()> {
    for fake_time in [false, true] {
        let builder = RedisServer::builder();
        let server = if fake_time { builder.fake_time() } else { builder }.start()?;
        let directory = server.command(&["CONFIG", "GET", "dir"])?.items()[1].text().unwrap().to_owned();
        let pid = server.pid();
        let traces = || {
            let shared = std::fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name());
            let shared = shared.filter(|name| name.to_string_lossy().ends_with(&format!("_{pid}"))).count();
            (Path::new(&directory).exists(), Path::new(&format!("/proc/{pid}")).exists(), shared)
        };
        assert_eq!(traces(), (true, true, if fake_time { 2 } else { 0 }));
        drop(server);
        assert_eq!(traces(), (false, false, 0));
    }
    Ok(())
}

/// The process of the test below: its temporary directory is the test's.
const PART: &str = "DOGPILE_SERVERS_PART";

/// (Where `setpriv` is missing, this fails: a system that tests run on has it.)
#[cfg(target_os = "linux")]
#[test]
fn a_server_ends_with_its_process_and_not_with_a_thread() -> Result<()> {
    if std::env::var_os(PART).is_some() {
        let server = std::thread::spawn(RedisServer::start).join().expect("no panic")?;
        server.command(&["PING"])?;
        println!("\n{}", server.address());
        // Until the test kills this process.
        std::thread::sleep(Duration::MAX);
    }
    let directory = tempfile::tempdir()?;
    let mut process = Command::new(std::env::current_exe()?)
        .args(["--exact", "a_server_ends_with_its_process_and_not_with_a_thread", "--nocapture"])
        .envs([(PART, directory.path()), ("TMPDIR", directory.path())])
        .stdout(Stdio::piped())
        .spawn()?;
    let said = BufReader::new(process.stdout.take().expect("piped")).lines().map_while(std::io::Result::ok);
    let address = said.into_iter().find_map(|line| line.parse::<SocketAddr>().ok());
    process.kill()?;
    process.wait()?;
    let address = address.expect("the server has outlived the thread that was to start it");
    let began = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(10), "the server has outlived its process");
        std::thread::yield_now();
    }
    Ok(())
}

#[test]
fn a_stopped_server_keeps_silent_and_goes_on() -> Result<()> {
    let server = RedisServer::start()?;
    let mut client = Client::connect(server.address(), SHORT)?;
    client.command(&["PING"])?;
    server.stop()?;
    client.send(&["SET", "a", "1"])?;
    assert!(client.receive().is_err());
    server.go_on()?;
    assert_eq!(client.receive()?, ok());
    Ok(())
}

#[test]
fn restarts_keep_the_port_and_bring_what_they_say() -> Result<()> {
    let mut server = RedisServer::start()?;
    let (port, first) = (server.port(), server.pid());
    server.command(&["SET", "a", "1"])?;
    let snapshot = server.snapshot()?;
    server.command(&["SET", "a", "2"])?;
    server.restart_from(&snapshot)?;
    assert_eq!(server.command(&["GET", "a"])?, Value::bulk("1"));
    server.restart_empty()?;
    assert_eq!(server.command(&["DBSIZE"])?, Value::Int(0));
    server.kill();
    assert!(!server.is_up() && server.command(&["PING"]).is_err());
    server.restart_from(&snapshot)?;
    assert_eq!(server.command(&["GET", "a"])?, Value::bulk("1"));
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), first);
    Ok(())
}

#[test]
fn kill_clients_closes_subscribers_too() -> Result<()> {
    let server = RedisServer::start()?;
    let (mut plain, mut subscribed) = (server.client()?, server.client()?);
    plain.command(&["PING"])?;
    subscribed.command(&["SUBSCRIBE", "channel"])?;
    server.kill_clients()?;
    assert_eq!(plain.rest()?, b"");
    assert_eq!(subscribed.rest()?, b"");
    Ok(())
}

#[test]
fn arguments_passwords_and_users() -> Result<()> {
    let server = RedisServer::builder()
        .args(["--maxmemory", "2mb", "--maxmemory-policy", "allkeys-lru"])
        .password("secret")
        .user("app on >word ~app:* resetchannels +@all")
        .start()?;
    let policy = server.command(&["CONFIG", "GET", "maxmemory-policy"])?;
    assert_eq!(policy.items()[1], Value::bulk("allkeys-lru"));
    assert!(server.url().contains(":secret@"));
    let mut client = Client::connect(server.address(), SHORT)?;
    let refused = |reply: Value, word: &str| matches!(&reply, Value::Error(error) if error.starts_with(word));
    assert!(refused(client.command(&["GET", "app:a"])?, "NOAUTH"));
    assert_eq!(client.command(&["AUTH", "app", "word"])?, ok());
    assert_eq!(client.command(&["SET", "app:a", "1"])?, ok());
    assert!(refused(client.command(&["SET", "b", "1"])?, "NOPERM"));
    assert!(refused(client.command(&["PUBLISH", "channel", "1"])?, "NOPERM"));
    Ok(())
}

#[test]
fn a_unix_socket_answers() -> Result<()> {
    let server = RedisServer::builder().unix_socket().start()?;
    let mut stream = UnixStream::connect(server.unix_socket().unwrap())?;
    stream.write_all(b"PING\r\n")?;
    let mut reply = [0; 7];
    stream.read_exact(&mut reply)?;
    assert_eq!(&reply, b"+PONG\r\n");
    Ok(())
}

/// `openssl` is a TLS client of another make; it comes with the system.
#[test]
fn tls_is_served_by_certificates_that_the_root_has_signed() -> Result<()> {
    let server = RedisServer::builder().tls().start()?;
    let root = tempfile::NamedTempFile::new()?;
    std::fs::write(root.path(), &server.certificates().unwrap().root)?;
    let ask = |root: &Path| {
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost", "-connect"])
            .arg(format!("127.0.0.1:{}", server.tls_port().unwrap()))
            .args(["-no-CApath", "-no-CAstore", "-CAfile"])
            .arg(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`openssl` runs (Debian, Ubuntu: `apt-get install openssl`)");
        // A client that has refused the certificate no longer reads.
        let _refused = client.stdin.take().unwrap().write_all(b"PING\r\nQUIT\r\n");
        client.wait_with_output().map(|output| output.stdout)
    };
    assert_eq!(ask(root.path())?, b"+PONG\r\n+OK\r\n");
    let other = RedisServer::builder().tls().start()?;
    std::fs::write(root.path(), &other.certificates().unwrap().root)?;
    assert_eq!(ask(root.path())?, b"");
    assert_eq!(server.command(&["PING"])?, Value::Simple("PONG".into()));
    Ok(())
}

#[test]
fn what_cannot_start_says_why() {
    let missing = RedisServer::builder().program("no-redis-server-here").start().unwrap_err().to_string();
    assert!(missing.contains("apt-get install redis-server"), "{missing}");
    let refused = RedisServer::builder().args(["--no-such-option", "1"]).start().unwrap_err().to_string();
    assert!(refused.contains("no-such-option"), "{refused}");
}
