//! The commands of a memcached answer what the model says that they answer: the store that model (ii) of
//! `dogpile-cache` searches over, and a real server, execute the same commands.

#[allow(dead_code)] // The model needs more of it.
#[path = "../../cache/tests/round/memcached/store.rs"]
mod store;

use bytes::Bytes;
use dogpile_cache::backend::memcached::command::{Command, Only, Reply, Slot, Ttl};
use dogpile_servers::{MemcachedServer, Result, TextClient, TextReply};
use std::num::NonZeroU32;
use store::Store;

/// No item is over while the test runs.
const LONG: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

fn key(slot: Slot) -> &'static str {
    if slot == Slot::Count { "count" } else { "entry" }
}

fn ask(client: &mut TextClient, slot: Slot, command: &Command) -> Result<TextReply> {
    let key = key(slot);
    let number = |cas: &Option<u64>| cas.map_or(String::new(), |cas| format!(" C{cas}"));
    match command {
        Command::Get { win } => {
            let note = if slot == Slot::Count { " f" } else { "" };
            client.command(format!("mg {key} v c t{note}{}", win.map_or(String::new(), |win| format!(" N{win}"))))
        }
        Command::Head => client.command(format!("mg {key} s t f")),
        Command::Store { head, body, note, ttl, only } => {
            let value = [&head[..], &body[..]].concat();
            let ttl = match ttl {
                Ttl::Nothing => "-1".to_owned(),
                Ttl::Seconds(seconds) => seconds.to_string(),
                Ttl::Until(second) => second.to_string(),
                Ttl::ForEver => "0".to_owned(),
            };
            let only = match only {
                Only::Always => String::new(),
                Only::Missing => " ME".to_owned(),
                Only::Cas(cas) => format!(" C{cas}"),
            };
            client.store(format!("ms {key} {} c F{note} T{ttl}{only}", value.len()), value)
        }
        Command::Append { tail, cas } => client.store(format!("ms {key} {} c MA C{cas}", tail.len()), tail),
        Command::Delete { cas } => client.command(format!("md {key}{}", number(cas))),
        Command::Mark => client.command(format!("md {key} I")),
        Command::Move { by, is_down, cas } => {
            client.command(format!("ma {key} v D{by}{}{}", if *is_down { " MD" } else { "" }, number(cas)))
        }
    }
}

/// The reply of a real server, as the client of the crate would take it. (The time that is left is a second less now
/// and then: whether there is one is compared.)
fn taken(command: &Command, reply: &TextReply) -> Reply {
    let cas = || reply.flag('c').expect("it was asked for").parse().expect("a number");
    match (reply.line.get(..2), command) {
        (Some("VA"), Command::Move { .. }) => {
            let text = String::from_utf8(reply.value.clone().unwrap_or_default()).expect("a number");
            Reply::Number(text.trim_end().parse().expect("a number"))
        }
        (Some("VA"), _) => Reply::Value {
            value: trimmed(&reply.value.clone().unwrap_or_default()),
            cas: cas(),
            ttl_left: (reply.flag('t') != Some("-1")).then_some(1),
            note: reply.flag('f').map_or(0, |note| note.parse().expect("a number")),
            has_won: reply.flag('W').is_some(),
            another_won: reply.flag('Z').is_some(),
            is_stale: reply.flag('X').is_some(),
        },
        (Some("HD"), Command::Head) => {
            let number = |letter| reply.flag(letter).expect("it was asked for");
            let (size, note) = (number('s').parse().expect("a number"), number('f').parse().expect("a number"));
            Reply::Head { size, ttl_left: (number('t') != "-1").then_some(1), note }
        }
        (Some("HD"), Command::Store { .. } | Command::Append { .. }) => Reply::Stored { cas: cas() },
        (Some("HD"), _) => Reply::Done,
        (Some("EN"), _) => Reply::Missing,
        (Some("EX"), _) => Reply::Exists,
        (Some("NF"), _) => Reply::NotFound,
        (Some("NS"), _) => Reply::NotStored,
        other => panic!("{other:?}: {reply:?}"),
    }
}

/// A number that has become shorter is filled up with spaces, unless the server has made a new item for it, as it does
/// now and then.
fn trimmed(value: &[u8]) -> Bytes {
    Bytes::copy_from_slice(value.trim_ascii_end())
}

fn expected(reply: Reply) -> Reply {
    match reply {
        // On a stub that the command itself has made, it says nothing.
        Reply::Value { value, cas, ttl_left, note, has_won, another_won, is_stale } => {
            let is_new = has_won && !is_stale;
            let ttl_left = ttl_left.filter(|_| !is_new).map(|_| 1);
            Reply::Value { value: trimmed(&value), cas, ttl_left, note, has_won, another_won, is_stale }
        }
        Reply::Head { size, ttl_left, note } => Reply::Head { size, ttl_left: ttl_left.map(|_| 1), note },
        reply => reply,
    }
}

fn any_command(random: &mut fastrand::Rng, slot: Slot, last: u64) -> Command {
    // Mostly the number that is there.
    let cas = last.saturating_sub(random.u64(0..3)).max(1);
    let maybe = random.bool().then_some(cas);
    let digits = Bytes::from(random.u64(0..30).to_string());
    let is_count = slot == Slot::Count;
    match random.u8(0..8) {
        0 if !is_count => Command::Head,
        1 => Command::Get { win: Some(LONG).filter(|_| !is_count) },
        2 => {
            let ttl = [Ttl::Nothing, Ttl::Seconds(LONG), Ttl::ForEver][random.usize(0..3)];
            let only = [Only::Always, Only::Missing, Only::Cas(cas)][random.usize(0..3)];
            let note = random.u32(..) >> random.u32(0..32);
            Command::Store { head: Bytes::new(), body: digits, note, ttl, only }
        }
        3 if is_count => Command::Move { by: random.u64(0..30), is_down: random.bool(), cas: maybe },
        3 => Command::Append { tail: digits, cas },
        4 => Command::Delete { cas: maybe },
        // (A move of a marked number drops the mark or not, as its length is. Nobody marks a counter.)
        5 if !is_count => Command::Mark,
        _ => Command::Get { win: None },
    }
}

#[test]
fn the_model_answers_as_a_server_does() -> Result<()> {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let server = MemcachedServer::start()?;
    let mut client = server.client()?;
    let (mut model, mut last) = (Store::default(), 0);
    for step in 0..20_000 {
        let slot = if random.bool() { Slot::Entry } else { Slot::Count };
        let command = any_command(&mut random, slot, last);
        let reply = taken(&command, &ask(&mut client, slot, &command)?);
        assert_eq!(reply, expected(model.execute(slot, &command, 1)), "seed {seed}, step {step}: {command:?}");
        last = model.item(slot).map_or(last, |item| item.cas);
    }
    Ok(())
}
