//! The names of regions.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The name of a region, which is the namespace of its keys: every stored key begins with the name and a colon.
///
/// A name has 1 to [`LONGEST`](Namespace::LONGEST) characters out of `A` to `Z`, `a` to `z`, `0` to `9`, `-`, `_`, `.`
/// and `/`. The colon is not among them. The keys of two regions therefore differ, whatever the keys contain, and
/// `name:` is the prefix of the keys of one region alone. Pattern characters are not among them either, so an access
/// list of a server can contain a name as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// The length of the longest name, in bytes. A quarter of what memcached takes (250 bytes), so that most is left to
    /// the keys.
    pub const LONGEST: usize = 64;

    /// Makes a namespace of a name. Never blocks.
    ///
    /// # Errors
    ///
    /// Returns a [`NameError`] if the name is empty, too long, or contains another character.
    pub fn new(name: &str) -> Result<Namespace, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > Self::LONGEST {
            return Err(NameError::TooLong(name.len()));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        match name.chars().find(|c| !allowed(*c)) {
            None => Ok(Namespace(name.into())),
            Some(character) => Err(NameError::Character(character)),
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The fault of a region's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    Empty,
    /// The name has this many bytes, which is more than [`Namespace::LONGEST`].
    TooLong(usize),
    /// The name contains this character, which a name must not contain.
    Character(char),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("the name of a region is empty"),
            NameError::TooLong(length) => {
                write!(f, "the name of a region has {length} bytes, and at most {} are allowed", Namespace::LONGEST)
            }
            NameError::Character(character) => {
                write!(
                    f,
                    "the name of a region contains {character:?}: only A-Z, a-z, 0-9, '-', '_', '.' and '/' are allowed"
                )
            }
        }
    }
}

impl Error for NameError {}
