//! What a server says of itself: whether it will do, and which life its data have.

use crate::backend::Life;
use redis::Value;
use sha2::{Digest, Sha256};
use std::fmt;

/// The oldest version that will do: older ones have no `KEEPTTL`, and replicate scripts by their text.
const OLDEST: (u32, u32) = (6, 2);

/// The first version with channels of a shard.
const SHARD_CHANNELS: (u32, u32) = (7, 0);

/// What the server has said.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) life: Life,
    /// The history of its data: another one is another life.
    pub(super) history: String,
    pub(super) is_cluster: bool,
    /// Whether its signals go by the channels of a shard.
    pub(super) has_shard_channels: bool,
    /// Its time, in microseconds since the Unix epoch.
    pub(super) time: i64,
    /// The policy by which it evicts leases, if it does.
    pub(super) evicts: Option<String>,
    /// Whether this user has no right to the channels.
    pub(super) is_mute: bool,
}

impl Said {
    /// Returns the life as the scripts have it.
    pub(super) fn life_text(&self) -> String {
        format!("{:016x}", self.life.0)
    }
}

/// Why a server will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    TooOld(String),
    /// It takes no writes.
    Replica,
    /// It answers this error to a command.
    Refuses(String),
    /// Its data are not there yet.
    Loading,
    /// It does not say what a Redis says.
    AnotherDialect,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::TooOld(version) => {
                write!(f, "the server is Redis {version}, and {}.{} is the oldest that will do", OLDEST.0, OLDEST.1)
            }
            Unfit::Refuses(code) => write!(f, "the server has answered {code}"),
            Unfit::Replica => f.write_str("the server is a replica"),
            Unfit::Loading => f.write_str("the server loads its data"),
            Unfit::AnotherDialect => f.write_str("the server does not answer as a Redis does"),
        }
    }
}

/// The commands by which a server is asked, in one pipeline.
pub(super) fn questions() -> redis::Pipeline {
    let mut pipeline = redis::pipe();
    for section in ["server", "replication", "memory", "persistence"] {
        pipeline.cmd("INFO").arg(section);
    }
    pipeline.cmd("TIME").cmd("PUBLISH").arg(PROBE).arg("");
    pipeline
}

/// A channel that nobody has subscribed to. Its name is like those of the signals, so that rights by a pattern for all
/// of these reach it.
const PROBE: &str = "{dogpile}@signal";

/// Takes the replies. Each of them may be an error; but for the last one, that of a user without a right to the
/// channels, the server will not do then.
pub(super) fn answers(replies: &[Value]) -> Result<Said, Unfit> {
    let [server, replication, memory, persistence, time, told] = replies else { return Err(Unfit::AnotherDialect) };
    if let Some(Value::ServerError(error)) = replies[..5].iter().find(|reply| matches!(reply, Value::ServerError(_))) {
        return Err(Unfit::Refuses(error.code().to_owned()));
    }
    let [server, replication, memory, persistence] = [server, replication, memory, persistence].map(info);
    let version = field(&server, "redis_version").ok_or(Unfit::AnotherDialect)?;
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let number = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if number < OLDEST {
        return Err(Unfit::TooOld(version));
    }
    let history = history(&replication)?;
    if field(&persistence, "loading").as_deref() == Some("1") {
        return Err(Unfit::Loading);
    }
    let run = field(&server, "run_id").ok_or(Unfit::AnotherDialect)?;
    let is_bounded = field(&memory, "maxmemory").is_some_and(|bytes| bytes != "0");
    let evicts = field(&memory, "maxmemory_policy").filter(|policy| is_bounded && policy != "noeviction");
    let is_cluster = field(&server, "redis_mode").as_deref() == Some("cluster");
    Ok(Said {
        life: life(&run, &history),
        history,
        is_cluster,
        has_shard_channels: is_cluster && number >= SHARD_CHANNELS,
        time: self::time(time).ok_or(Unfit::AnotherDialect)?,
        evicts,
        is_mute: matches!(told, Value::ServerError(_)),
    })
}

/// The questions of a heartbeat: a failover makes another history, while the connection may stay.
pub(super) fn heartbeat() -> redis::Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.cmd("INFO").arg("replication").cmd("TIME");
    pipeline
}

/// Takes the replies to them: the history, and the time.
pub(super) fn beats(replies: &[Value]) -> Result<(String, i64), Unfit> {
    let [replication, time] = replies else { return Err(Unfit::AnotherDialect) };
    Ok((history(&info(replication))?, self::time(time).ok_or(Unfit::AnotherDialect)?))
}

fn history(replication: &str) -> Result<String, Unfit> {
    if field(replication, "role").as_deref() != Some("master") {
        return Err(Unfit::Replica);
    }
    field(replication, "master_replid").ok_or(Unfit::AnotherDialect)
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map(|value| value.trim().to_owned())
}

/// A restart makes another run, and a failover another history. (After two failovers the run may be that of before,
/// while the data are older.)
fn life(run: &str, history: &str) -> Life {
    let hash = Sha256::new().chain_update(run).chain_update(":").chain_update(history).finalize();
    let first: [u8; 8] = hash[..8].try_into().expect("the hash has 32 bytes");
    Life(u64::from_be_bytes(first))
}

fn info(reply: &Value) -> String {
    match reply {
        Value::BulkString(text) => String::from_utf8_lossy(text).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        _ => String::new(),
    }
}

/// The reply to `TIME`, in microseconds.
fn time(reply: &Value) -> Option<i64> {
    let Value::Array(parts) = reply else { return None };
    let number = |part: &Value| match part {
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse::<i64>().ok(),
        Value::Int(number) => Some(*number),
        _ => None,
    };
    let [seconds, micros] = &parts[..] else { return None };
    number(seconds)?.checked_mul(1_000_000)?.checked_add(number(micros)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn replies(version: &str, role: &str, run: &str, history: &str, memory: &str) -> Vec<Value> {
        vec![
            text(&format!("# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\nrun_id:{run}\r\n")),
            text(&format!("# Replication\r\nrole:{role}\r\nmaster_replid:{history}\r\nmaster_replid2:0\r\n")),
            text(memory),
            text("# Persistence\r\nloading:0\r\n"),
            Value::Array(vec![text("1700000000"), text("12")]),
            Value::Int(0),
        ]
    }

    fn said(version: &str, role: &str) -> Result<Said, Unfit> {
        answers(&replies(version, role, "r", "h", ""))
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        for version in ["6.2.0", "6.10.1", "7.0.15", "10.0.0", "7"] {
            assert!(said(version, "master").is_ok(), "{version}");
        }
        for version in ["6.0.16", "5.0.14", "2.8", "6", "another"] {
            assert_eq!(said(version, "master").unwrap_err(), Unfit::TooOld(version.to_owned()));
        }
        assert_eq!(said("7.0.15", "slave").unwrap_err(), Unfit::Replica);
        assert_eq!(answers(&[]).unwrap_err(), Unfit::AnotherDialect);
        let mut silent = replies("7.0.15", "master", "r", "h", "");
        silent[4] = Value::Nil;
        assert_eq!(answers(&silent).unwrap_err(), Unfit::AnotherDialect);
    }

    #[test]
    fn a_server_that_loads_its_data_has_no_life_yet() {
        let mut loads = replies("7.0.15", "master", "r", "h", "");
        loads[3] = text("# Persistence\r\nloading:1\r\n");
        assert_eq!(answers(&loads).unwrap_err(), Unfit::Loading);
    }

    #[test]
    fn g10_a_heartbeat_tells_another_history() {
        let replies = replies("7.0.15", "master", "r", "h", "");
        let beat = [replies[1].clone(), replies[4].clone()];
        assert_eq!(beats(&beat), Ok(("h".to_owned(), 1_700_000_000_000_012)));
        assert_eq!(beats(&[text("role:slave\r\nmaster_replid:h"), replies[4].clone()]), Err(Unfit::Replica));
    }

    #[test]
    fn g10_run_and_history_make_the_life() {
        let life = |run, history| answers(&replies("7.0.15", "master", run, history, "")).unwrap().life;
        assert_eq!(life("r", "h"), life("r", "h"));
        assert_ne!(life("r", "h"), life("r", "i"));
        assert_ne!(life("r", "h"), life("s", "h"));
        assert_ne!(life("ab", "c"), life("a", "bc"));
        assert_eq!(said("7.0.15", "master").unwrap().time, 1_700_000_000_000_012);
    }

    #[test]
    fn a_server_with_a_bound_evicts_by_its_policy() {
        let evicts = |memory: &str| answers(&replies("7.0.15", "master", "r", "h", memory)).unwrap().evicts;
        let memory = |bytes, policy| format!("# Memory\r\nmaxmemory:{bytes}\r\nmaxmemory_policy:{policy}\r\n");
        assert_eq!(evicts(&memory(0, "volatile-ttl")), None);
        assert_eq!(evicts(&memory(1000, "noeviction")), None);
        assert_eq!(evicts(&memory(1000, "volatile-ttl")).as_deref(), Some("volatile-ttl"));
        assert_eq!(evicts(""), None);
    }
}
