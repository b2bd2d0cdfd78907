//! MessagePack, by the names of fields.

mod outline;

use crate::codec::{Codec, CodecError, Format};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Encodes with serde as [MessagePack](https://msgpack.org), in which structs are maps by the names of their fields.
///
/// Two builds share entries during a deploy, and names keep them from misreading each other: a field that was added
/// (with `#[serde(default)]`), removed or moved is read right. Formats that go by position are smaller, but read two
/// fields that have changed places as each other.
///
/// # Bounds
///
/// Before any value is built, the codec walks over the bytes once, and accepts exactly one complete item. A list that
/// claims more elements than follow is an error; so are a text that is cut off, bytes behind the item, and lists and
/// maps that are nested more than 128 deep. The memory of a value is therefore bounded by the number of elements that
/// are really there, times the size of their type. No depth overflows the stack. `encode` refuses a value that is
/// nested too deep.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessagePack;

impl<V: Serialize + DeserializeOwned> Codec<V> for MessagePack {
    fn format(&self) -> Format {
        Format::MESSAGE_PACK
    }

    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let start = out.len();
        rmp_serde::encode::write_named(out, value).map_err(CodecError::new)?;
        // A value that cannot be read back would be created at each access.
        outline::check(&out[start..])
    }

    fn decode(&self, bytes: &Bytes) -> Result<V, CodecError> {
        outline::check(bytes)?;
        rmp_serde::from_slice(bytes).map_err(CodecError::new)
    }
}
