//! What a server says of itself: whether it will do, and which life its items have.

use super::clock::ServerClock;
use crate::backend::Life;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The largest item that a server can be told to take, in bytes.
const LARGEST_ITEM: usize = 1 << 30;

/// The oldest version that will do: older ones answer `OK` where later ones answer `HD`.
const OLDEST: [u32; 3] = [1, 6, 12];

/// What the server has said when the connection was made.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) life: Life,
    pub(super) clock: ServerClock,
    /// The largest item, in bytes, with its key and what the server keeps beside it.
    pub(super) largest_item: usize,
}

/// What the server says at each heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beat {
    pub(super) life: Life,
    /// Its time, in seconds since the Unix epoch.
    pub(super) time: u32,
}

/// Why a server will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    TooOld(String),
    /// It is a proxy, behind which there are several servers: nobody can know of which of them a reply is.
    Proxy,
    /// It does not say what a memcached says.
    AnotherDialect,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::TooOld(version) => {
                let [major, minor, patch] = OLDEST;
                write!(f, "the server is memcached {version}, and {major}.{minor}.{patch} is the oldest that will do")
            }
            Unfit::Proxy => f.write_str("this is a proxy, and the life of the servers behind it cannot be known"),
            Unfit::AnotherDialect => f.write_str("the server does not answer as a memcached does"),
        }
    }
}

/// Returns whether this, which is no reply, is what a server says that takes no more connections.
pub(super) fn is_full(text: &[u8]) -> bool {
    text.starts_with(b"ERROR Too many open connections")
}

/// Takes the version, such as `1.6.18` or `1.6.18_beta`.
pub(super) fn version(text: &[u8]) -> Result<(), Unfit> {
    let text = std::str::from_utf8(text).map_err(|_| Unfit::AnotherDialect)?;
    let mut numbers = text.splitn(3, '.').map(|part| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        part[..digits].parse::<u32>().ok()
    });
    let mut next = || numbers.next().flatten().ok_or(Unfit::AnotherDialect);
    let number = [next()?, next()?, next()?];
    match number {
        // Others that call themselves so: a proxy has other numbers.
        _ if number[0] != OLDEST[0] => Err(Unfit::AnotherDialect),
        _ if number < OLDEST => Err(Unfit::TooOld(text.to_owned())),
        _ => Ok(()),
    }
}

/// Takes the statistics.
///
/// The start is the time less the uptime. The server takes both from one count of its seconds, so that the start is the
/// same whenever it is asked for; and a step of its clock does not move it.
pub(super) fn beat(stats: &[u8]) -> Result<Beat, Unfit> {
    let stats = std::str::from_utf8(stats).map_err(|_| Unfit::AnotherDialect)?;
    if stats.lines().any(|line| line.starts_with("STAT proxy_")) {
        return Err(Unfit::Proxy);
    }
    let (pid, time): (u64, u32) = (field(stats, "pid")?, field(stats, "time")?);
    let start = u64::from(time).checked_sub(field(stats, "uptime")?).ok_or(Unfit::AnotherDialect)?;
    Ok(Beat { life: life(pid, start), time })
}

/// Takes the settings: the largest item.
pub(super) fn largest_item(settings: &[u8]) -> Result<usize, Unfit> {
    let largest = field(std::str::from_utf8(settings).map_err(|_| Unfit::AnotherDialect)?, "item_size_max")?;
    // (It bounds what is read into memory.)
    if largest <= LARGEST_ITEM { Ok(largest) } else { Err(Unfit::AnotherDialect) }
}

fn field<T: FromStr>(lines: &str, name: &str) -> Result<T, Unfit> {
    let value = lines.lines().find_map(|line| line.strip_prefix("STAT ")?.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).ok_or(Unfit::AnotherDialect)
}

/// A restart makes another process, at another time. (In a container the process is always 1, so that a restart within
/// the same second looks like none.)
fn life(pid: u64, start: u64) -> Life {
    let hash = Sha256::new().chain_update(pid.to_be_bytes()).chain_update(start.to_be_bytes()).finalize();
    let first: [u8; 8] = hash[..8].try_into().expect("the hash has 32 bytes");
    Life(u64::from_be_bytes(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for good in ["1.6.12", "1.6.18", "1.6.9999", "1.7.0", "1.10.1", "1.6.38_1_gabc"] {
            assert_eq!(version(good.as_bytes()), Ok(()), "{good}");
        }
        for old in ["1.6.11", "1.5.22", "1.4.39", "1.6.9"] {
            assert_eq!(version(old.as_bytes()), Err(Unfit::TooOld(old.to_owned())), "{old}");
        }
        for other in ["", "1.6", "x", "1.6.x", "36.0.0 mcrouter", "36.0 mcrouter", "2.0.0", "1..6"] {
            assert_eq!(version(other.as_bytes()), Err(Unfit::AnotherDialect), "{other}");
        }
        assert_eq!(version(&[0xFF]), Err(Unfit::AnotherDialect));
    }

    fn stats(pid: u64, uptime: u64, time: u64) -> String {
        format!("STAT pid {pid}\r\nSTAT uptime {uptime}\r\nSTAT time {time}\r\nSTAT time_in_listen_disabled_us 0\r\n")
    }

    #[test]
    fn g10_process_and_start_make_the_life() {
        let life = |pid, uptime, time| beat(stats(pid, uptime, time).as_bytes()).unwrap().life;
        assert_eq!(life(7, 10, 1000), life(7, 110, 1100));
        assert_ne!(life(7, 10, 1000), life(8, 10, 1000));
        assert_ne!(life(7, 10, 1000), life(7, 9, 1000));
        assert_eq!(beat(stats(7, 10, 1000).as_bytes()).unwrap().time, 1000);
    }

    #[test]
    fn what_no_memcached_says_is_another_dialect() {
        for bad in [
            String::new(),
            stats(7, 1001, 1000),
            stats(7, 0, 1 << 32),
            "STAT pid x\r\nSTAT uptime 1\r\nSTAT time 2\r\n".to_owned(),
            "STAT pid 1\r\nSTAT time 2\r\n".to_owned(),
        ] {
            assert_eq!(beat(bad.as_bytes()), Err(Unfit::AnotherDialect), "{bad}");
        }
        let proxy = stats(7, 1, 2) + "STAT proxy_conn_requests 0\r\n";
        assert_eq!(beat(proxy.as_bytes()), Err(Unfit::Proxy));
        assert_eq!(largest_item(b"STAT maxbytes 1\r\nSTAT item_size_max 1048576\r\n"), Ok(1_048_576));
        assert_eq!(largest_item(b"STAT maxbytes 1\r\n"), Err(Unfit::AnotherDialect));
        assert_eq!(largest_item(b"STAT item_size_max 1073741824\r\n"), Ok(LARGEST_ITEM));
        for much in ["1073741825", "18446744073709551615"] {
            let said = format!("STAT item_size_max {much}\r\n");
            assert_eq!(largest_item(said.as_bytes()), Err(Unfit::AnotherDialect));
        }
    }
}
