//! The replies of the scripts.

use super::entry;
use super::failure::another_dialect;
use super::millis;
use crate::backend::{
    BackendError, Changed, Claimed, Counted, Ended, Grant, HeldBy, Life, Look, Pause, Published, Refusal, Renewed,
    Token,
};
use redis::Value;

type Result<T> = std::result::Result<T, BackendError>;

/// What an answer is read with: when it came, and from where.
#[derive(Clone, Copy, Debug)]
pub(super) struct From {
    /// The server's time, in milliseconds.
    pub(super) now: u64,
    pub(super) life: Life,
}

/// An answer, read from its beginning.
struct Parts(std::vec::IntoIter<Value>);

impl Parts {
    fn of(reply: Value) -> Result<Parts> {
        match reply {
            Value::Array(parts) => Ok(Parts(parts.into_iter())),
            _ => Err(another_dialect()),
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>> {
        match self.0.next() {
            Some(Value::BulkString(bytes)) => Ok(bytes),
            Some(Value::SimpleString(text)) => Ok(text.into_bytes()),
            _ => Err(another_dialect()),
        }
    }

    fn text(&mut self) -> Result<String> {
        String::from_utf8(self.bytes()?).map_err(|_| another_dialect())
    }

    fn int(&mut self) -> Result<i64> {
        match self.0.next() {
            Some(Value::Int(number)) => Ok(number),
            _ => Err(another_dialect()),
        }
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T> {
        self.text()?.parse().map_err(|_| another_dialect())
    }

    fn token(&mut self) -> Result<Token> {
        u64::from_str_radix(&self.text()?, 16).map(Token).map_err(|_| another_dialect())
    }

    fn look(&mut self, from: From) -> Result<Look> {
        Ok(entry::look(Some(self.bytes()?), from.now, from.life))
    }
}

/// Whether the last part of an answer says that the signal was not sent, as the user has no right to the channel.
pub(super) fn is_mute(reply: &Value) -> bool {
    matches!(reply, Value::Array(parts) if parts.len() > 1 && parts.last() == Some(&Value::Int(1)))
}

pub(super) fn claimed(reply: Value, token: Token, from: From) -> Result<Claimed> {
    let mut parts = Parts::of(reply)?;
    match &*parts.text()? {
        "granted" => {
            let (cas, failures) = (parts.number()?, parts.number()?);
            Ok(Claimed::Granted { grant: Grant { token, life: from.life, cas }, failures })
        }
        "held" => Ok(Claimed::Held(HeldBy {
            token: parts.token()?,
            beat: parts.number()?,
            lease_left: millis::left(parts.int()?),
            is_void: parts.int()? == 1,
        })),
        "paused" => {
            let (failures, left) = (parts.number()?, parts.int()?);
            Ok(Claimed::Paused(Pause { failures, left: millis::left(left) }))
        }
        "changed" => Ok(Claimed::Changed(parts.look(from)?)),
        _ => Err(another_dialect()),
    }
}

pub(super) fn renewed(reply: Value, grant: &Grant) -> Result<Renewed> {
    let text = Parts(vec![reply].into_iter()).text()?;
    if text == "yes" { Ok(Renewed::Yes(*grant)) } else { refusal(&text).map(Renewed::Lost) }
}

pub(super) fn published(reply: Value) -> Result<Published> {
    match &*Parts::of(reply)?.text()? {
        "fresh" => Ok(Published::Fresh),
        "stale" => Ok(Published::Stale),
        why => refusal(why).map(Published::Refused),
    }
}

pub(super) fn ended(reply: Value) -> Result<Ended> {
    let text = Parts::of(reply)?.text()?;
    if text == "yes" { Ok(Ended::Yes) } else { refusal(&text).map(Ended::Lost) }
}

pub(super) fn changed(reply: Value, from: From) -> Result<Changed> {
    let mut parts = Parts::of(reply)?;
    match &*parts.text()? {
        "yes" => Ok(Changed::Yes { was_there: parts.int()? == 1, voided: parts.int()? == 1 }),
        "refused" => Ok(Changed::Refused(parts.look(from)?)),
        _ => Err(another_dialect()),
    }
}

pub(super) fn counted(reply: Value) -> Result<Counted> {
    let mut parts = Parts::of(reply)?;
    match &*parts.text()? {
        "now" => parts.number().map(Counted::Now),
        "too large" => parts.number().map(Counted::TooLarge),
        _ => Err(another_dialect()),
    }
}

/// What lies at the key of an entry, or of a counter. What is no text counts as missing.
pub(super) fn found(reply: Value) -> Result<Option<Vec<u8>>> {
    match reply {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        Value::Nil => Ok(None),
        _ => Err(another_dialect()),
    }
}

/// The value of a counter. What is no such number was not written by this backend, and counts as missing (G7).
pub(super) fn counter(text: &[u8]) -> u64 {
    let value = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    // In the form that the server writes: the script takes no other one.
    let value = value.filter(|value| value.to_string().as_bytes() == text);
    value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0)
}

fn refusal(word: &str) -> Result<Refusal> {
    Refusal::of(word).ok_or_else(another_dialect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g7_an_answer_in_another_dialect_is_an_error() {
        let from = From { now: 0, life: Life(1) };
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let odd = [
            Value::Nil,
            Value::Int(3),
            text("granted"),
            Value::Array(vec![]),
            Value::Array(vec![text("granted"), text("x"), text("0")]),
            Value::Array(vec![text("held"), text("no token"), text("1"), Value::Int(1), Value::Int(0)]),
            Value::Array(vec![text("paused"), text("1")]),
            Value::Array(vec![text("yes")]),
            Value::Array(vec![text("now"), text("-1")]),
            Value::Array(vec![Value::BulkString(vec![0xFF])]),
        ];
        for reply in odd {
            let grant = Grant { token: Token(1), life: Life(1), cas: 1 };
            assert!(claimed(reply.clone(), Token(1), from).is_err(), "{reply:?}");
            assert!(published(reply.clone()).is_err(), "{reply:?}");
            assert!(changed(reply.clone(), from).is_err(), "{reply:?}");
            assert!(counted(reply.clone()).is_err(), "{reply:?}");
            assert!(renewed(reply, &grant).is_err());
        }
    }
}
