//! The tags of a value.

use crate::envelope::EncodeError;
use bytes::Bytes;

/// The tags of a value, with the version that each had when the value's creation began.
///
/// The tags are kept in the form in which they are stored, and are read one by one. A hostile envelope with thousands
/// of tags therefore takes no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Bytes);

impl Tags {
    /// Writes down names and versions. Never blocks.
    ///
    /// # Errors
    ///
    /// Returns [`EncodeError::HeaderTooLarge`] if the names, and 10 bytes for each of them, take more than 65,535
    /// bytes.
    pub fn new<N: AsRef<[u8]>>(tags: impl IntoIterator<Item = (N, u64)>) -> Result<Tags, EncodeError> {
        let mut bytes = Vec::new();
        for (name, version) in tags {
            let name = name.as_ref();
            let size = bytes.len() + 10 + name.len();
            let (Ok(length), Ok(_)) = (u16::try_from(name.len()), u16::try_from(size)) else {
                return Err(EncodeError::HeaderTooLarge { size });
            };
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(&version.to_le_bytes());
        }
        Ok(Tags(bytes.into()))
    }

    /// Returns the tags of an envelope, or `None` if `bytes` are not tags to their end.
    pub(super) fn read(bytes: Bytes) -> Option<Tags> {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            rest = first(rest)?.1;
        }
        Some(Tags(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether there are no tags.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names and versions, in the order in which they were written down.
    #[must_use]
    pub fn iter(&self) -> TagsIter<'_> {
        TagsIter(&self.0)
    }
}

impl<'a> IntoIterator for &'a Tags {
    type Item = (&'a [u8], u64);
    type IntoIter = TagsIter<'a>;

    fn into_iter(self) -> TagsIter<'a> {
        self.iter()
    }
}

/// The names and versions of [`Tags`].
#[derive(Clone, Debug)]
pub struct TagsIter<'a>(&'a [u8]);

impl<'a> Iterator for TagsIter<'a> {
    type Item = (&'a [u8], u64);

    fn next(&mut self) -> Option<(&'a [u8], u64)> {
        let (tag, rest) = first(self.0)?;
        self.0 = rest;
        Some(tag)
    }
}

type Tag<'a> = (&'a [u8], u64);

/// Returns the first tag, and the bytes behind it.
fn first(bytes: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let (version, rest) = rest.split_first_chunk()?;
    Some(((name, u64::from_le_bytes(*version)), rest))
}
