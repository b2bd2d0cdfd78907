//! `MemcachedServer` does what it says.

use dogpile_servers::{FakeServer, MemcachedServer, Reply, Result, TextClient};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A bound for what is not to come: long enough for what is there to be seen.
const SHORT: Duration = Duration::from_millis(300);

#[test]
fn commands_get_their_replies() -> Result<()> {
    let server = MemcachedServer::start()?;
    let mut client = server.client()?;
    assert_eq!(client.store("ms a 5 T60 c", "hello")?.line, "HD c1");
    let found = client.command("mg a v c t")?;
    assert_eq!(
        (found.value.as_deref(), found.flag('c'), found.flag('t')),
        (Some(&b"hello"[..]), Some("1"), Some("60"))
    );
    assert_eq!(client.command("get a")?.value, Some(b"hello".to_vec()));
    assert_eq!(client.command("get none")?.line, "END");
    assert_eq!(client.command("mg none v")?.line, "EN");
    let raw: Vec<u8> = (0..=255).collect();
    server.store("raw", &raw, "T60")?;
    assert_eq!(client.command("mg raw v")?.value, Some(raw));
    assert_eq!(client.command("none")?.line, "ERROR");
    assert!(server.command("none").is_err() && server.command("mg").is_err());
    assert_eq!(server.count("pid")?, u64::from(server.pid()));
    let settings = client.stats("settings")?;
    assert!(settings.contains(&("item_size_max".to_owned(), "1048576".to_owned())), "{settings:?}");
    server.store("ä %@", "x", "T60").expect_err("a key with a space");
    server.store("ä%@", "x", "T60")?;
    let mut keys = server.client()?.keys()?;
    keys.sort();
    assert_eq!(keys, ["a", "raw", "ä%@"]);
    server.flush()?;
    assert_eq!(client.command("mg raw v")?.line, "EN");
    Ok(())
}

#[test]
fn a_drop_leaves_nothing() -> Result<()> {
    for fake_time in [false, true] {
        let builder = MemcachedServer::builder().unix_socket();
        let server = if fake_time { builder.fake_time() } else { builder }.start()?;
        let (pid, socket) = (server.pid(), server.unix_socket().unwrap());
        let directory: PathBuf = socket.parent().unwrap().into();
        let traces = || {
            let shared = std::fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name());
            let shared = shared.filter(|name| name.to_string_lossy().ends_with(&format!("_{pid}"))).count();
            (directory.exists(), Path::new(&format!("/proc/{pid}")).exists(), shared)
        };
        assert_eq!(traces(), (true, true, if fake_time { 2 } else { 0 }));
        assert_eq!(server.command("mn")?.line, "MN");
        drop(server);
        assert_eq!(traces(), (false, false, 0));
    }
    Ok(())
}

#[test]
fn a_stopped_server_keeps_silent_and_goes_on() -> Result<()> {
    let server = MemcachedServer::start()?;
    let mut client = TextClient::connect(server.address(), SHORT)?;
    client.command("mn")?;
    server.stop()?;
    client.send(b"mg a\r\n")?;
    assert!(client.receive().is_err());
    server.go_on()?;
    assert_eq!(client.receive()?.line, "EN");
    Ok(())
}

#[test]
fn a_restart_keeps_the_address_and_nothing_else() -> Result<()> {
    for builder in [MemcachedServer::builder(), MemcachedServer::builder().unix_socket()] {
        let mut server = builder.start()?;
        let (url, first) = (server.url(), server.pid());
        server.store("a", "1", "T60")?;
        server.kill();
        assert!(!server.is_up() && server.command("mn").is_err());
        server.restart()?;
        assert_eq!(server.command("mg a")?.line, "EN");
        assert_eq!(server.url(), url);
        assert_ne!(server.pid(), first);
    }
    Ok(())
}

#[test]
fn lifetimes_follow_the_clock() -> Result<()> {
    let mut server = MemcachedServer::builder().fake_time().start()?;
    server.store("a", "1", "T1000")?;
    server.store("b", "1", "T0")?;
    server.advance(Duration::from_secs(900))?;
    assert_eq!(server.command("mg a t")?.flag('t'), Some("100"));
    server.advance(Duration::from_secs(99))?;
    assert_eq!(server.command("mg a t")?.flag('t'), Some("1"));
    server.advance(Duration::from_secs(1))?;
    assert_eq!(server.command("mg a")?.line, "EN");
    for turn in 0..5 {
        server.store("c", "1", "T3")?;
        server.advance(Duration::from_secs(2))?;
        assert_eq!(server.command("mg c")?.line, "HD", "in turn {turn}");
        server.advance(Duration::from_secs(1))?;
        assert_eq!(server.command("mg c")?.line, "EN", "in turn {turn}");
    }
    server.advance(Duration::from_secs(3600 * 24 * 365))?;
    assert_eq!(server.command("mg b t")?.flag('t'), Some("-1"));
    server.restart()?;
    server.store("a", "1", "T10")?;
    server.advance(Duration::from_secs(10))?;
    assert_eq!(server.command("mg a")?.line, "EN");
    assert!(MemcachedServer::start()?.advance(SHORT).unwrap_err().to_string().contains("fake_time"));
    Ok(())
}

#[test]
fn memory_and_items_have_the_bounds_that_were_given() -> Result<()> {
    let server = MemcachedServer::builder().memory(2).largest_item(512).threads(1).args(["-M"]).start()?;
    assert!(server.store("large", vec![b'x'; 524_288], "T60").unwrap_err().to_string().contains("too large"));
    let full = (0..10_000).find_map(|key| server.store(&format!("{key}"), vec![b'x'; 1500], "T60").err());
    let full = full.expect("the server is full").to_string();
    assert!(full.contains("out of memory"), "{full}");
    assert_eq!(server.count("threads")?, 1);
    Ok(())
}

#[test]
fn what_cannot_start_says_why() {
    let missing = MemcachedServer::builder().program("no-memcached-here").start().unwrap_err().to_string();
    assert!(missing.contains("apt-get install memcached"), "{missing}");
    let refused = MemcachedServer::builder().args(["--no-such-option"]).start().unwrap_err().to_string();
    assert!(refused.contains("no-such-option"), "{refused}");
}

#[test]
fn an_imitation_reads_lines_and_data() -> Result<()> {
    let server = FakeServer::memcached(|words| match &words[0][..] {
        b"mg" => Reply::Raw(b"VA 2 c7\r\n\r\n\r\n".to_vec()),
        b"ms" => Reply::Raw([b"HD b", &words.last().unwrap()[..], b"\r\n"].concat()),
        _ => Reply::Close,
    })?;
    let mut client = TextClient::connect(server.address(), SHORT)?;
    let found = client.command("mg a v c")?;
    assert_eq!((found.value.as_deref(), found.flag('c')), (Some(&b"\r\n"[..]), Some("7")));
    assert_eq!(client.store("ms a 4 T60", "md\r\n")?.line, "HD bmd");
    assert_eq!(client.receive()?.line, "", "the second line of that answer");
    assert_eq!(server.heard().last().unwrap().last().unwrap(), b"md\r\n");
    assert_eq!(client.command("quit").map_err(drop), Err(()));
    Ok(())
}

/// Each step is shown, whichever thread of the server reads the clock at the same moment.
#[test]
fn a_clock_that_is_moved_a_thousand_times_is_shown_each_time() -> Result<()> {
    let server = MemcachedServer::builder().fake_time().start()?;
    let (uptime, is_over) = (server.count("uptime")?, AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = server.client().expect("a connection");
                while !is_over.load(Ordering::Relaxed) {
                    client.command("mg none v").expect("a reply");
                }
            });
        }
        let steps = || -> Result<Vec<u64>> {
            let (mut off, mut odd) = (0, Vec::new());
            for step in (1..=7).cycle().take(1_000) {
                server.advance(Duration::from_secs(step))?;
                off += step;
                let shown = server.count("uptime")? - uptime;
                odd.extend((shown != off).then_some(shown));
            }
            Ok(odd)
        };
        let stepped = steps();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(stepped?, [0; 0], "the clock has stood elsewhere");
        Ok(())
    })
}
