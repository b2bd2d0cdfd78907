//! Compression with lz4, if the user asks for it.

use crate::envelope::Why;
use bytes::Bytes;

/// Which values are compressed.
///
/// A value that compression does not make smaller is stored as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    #[cfg(feature = "lz4")]
    above: Option<usize>,
}

impl Compression {
    /// No value is compressed. This is the default, since compression takes time and most values are small.
    pub const NONE: Compression = Compression {
        #[cfg(feature = "lz4")]
        above: None,
    };

    /// Values of more than `bytes` bytes are compressed with lz4.
    #[cfg(feature = "lz4")]
    #[must_use]
    pub const fn lz4_above(bytes: usize) -> Compression {
        Compression { above: Some(bytes) }
    }

    /// Returns the compressed value, or `None` if the value is to be stored as it is.
    #[cfg(feature = "lz4")]
    pub(super) fn compress(self, value: &[u8]) -> Option<Vec<u8>> {
        let above = self.above?;
        let compressed = (value.len() > above).then(|| lz4_flex::block::compress(value))?;
        (compressed.len() < value.len()).then_some(compressed)
    }

    #[cfg(not(feature = "lz4"))]
    #[allow(clippy::unused_self)] // as with the feature
    pub(super) fn compress(self, _value: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// Decompresses a value of `length` bytes, and allocates as many: the caller has checked that they are within the
/// limit.
#[cfg(feature = "lz4")]
pub(super) fn decompress(compressed: &[u8], length: usize) -> Result<Bytes, Why> {
    let mut value = vec![0; length];
    match lz4_flex::block::decompress_into(compressed, &mut value) {
        Ok(written) if written == length => Ok(value.into()),
        _ => Err(Why::Malformed),
    }
}

#[cfg(not(feature = "lz4"))]
pub(super) fn decompress(_compressed: &[u8], _length: usize) -> Result<Bytes, Why> {
    Err(Why::Compressed)
}
