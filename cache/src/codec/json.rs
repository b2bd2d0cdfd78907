//! JSON.

use crate::codec::{Codec, CodecError, Format};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Encodes with serde as JSON, which an operator can read on the server.
///
/// JSON cannot express everything. `encode` returns an error for a map whose keys are neither texts nor numbers. A
/// float that is infinite or not a number becomes `null`, and `decode` does not read `null` as a float.
///
/// # Bounds
///
/// Both directions refuse lists and maps that are nested more than 127 deep, since a reader of deep nesting overflows
/// its stack. Decoding allocates nothing for elements that are not there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

/// The depth up to which `serde_json` reads: one less than its limit of 128.
const DEEPEST: usize = 127;

impl<V: Serialize + DeserializeOwned> Codec<V> for Json {
    fn format(&self) -> Format {
        Format::JSON
    }

    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let start = out.len();
        serde_json::to_writer(&mut *out, value).map_err(CodecError::new)?;
        if depth(&out[start..]) > DEEPEST {
            return Err(CodecError::new("the value is nested more than 127 deep, and could not be read back"));
        }
        Ok(())
    }

    fn decode(&self, bytes: &Bytes) -> Result<V, CodecError> {
        serde_json::from_slice(bytes).map_err(CodecError::new)
    }
}

/// Returns the depth to which lists and maps are nested in a text that is known to be JSON.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        if in_text {
            in_text = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    deepest
}
