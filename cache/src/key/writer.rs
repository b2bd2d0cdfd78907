//! How a key becomes text: one item, escaped, nested by parentheses.

use crate::key::Key;
use std::fmt::{self, Write};

/// Writes one key, or one field of a key, as readable text.
///
/// A [`Key`] is given a `KeyWriter` and uses it up for exactly one *item*: a text, some bytes, or a list of fields,
/// each of which is an item again. The writer takes care of separators and escapes:
///
/// ```
/// use dogpile_cache::key::{Key, KeyWriter, Written};
///
/// struct PageOf { tenant: String, page: u32 }
///
/// impl Key for PageOf {
///     fn write(&self, to: KeyWriter<'_>) -> Written {
///         to.fields().field(&self.tenant).field(&self.page).end()
///     }
/// }
///
/// let page = PageOf { tenant: "a,b".to_owned(), page: 7 };
/// assert_eq!(dogpile_cache::key::to_text(&page), "a%2Cb,7");
/// ```
///
/// # Different items have different texts
///
/// The writer is injective: two items that differ in their content or in their structure become different texts,
/// whatever bytes they contain. A struct that writes all its fields is therefore injective, too.
///
/// The writer does not record the type of an item: the text `"7"`, the bytes `b"7"` and the number 7 are the same item.
/// An `enum` has to tell its variants apart by itself. Each variant writes its name as the first field:
///
/// ```
/// use dogpile_cache::key::{Key, KeyWriter, Written};
///
/// enum User { Id(u64), Name(String) }
///
/// impl Key for User {
///     fn write(&self, to: KeyWriter<'_>) -> Written {
///         match self {
///             User::Id(id) => to.fields().field("id").field(id).end(),
///             User::Name(name) => to.fields().field("name").field(name).end(),
///         }
///     }
/// }
///
/// assert_eq!(dogpile_cache::key::to_text(&User::Id(7)), "id,7");
/// assert_eq!(dogpile_cache::key::to_text(&User::Name("7".to_owned())), "name,7");
/// ```
#[derive(Debug)]
#[must_use = "a key writes exactly one item"]
pub struct KeyWriter<'a> {
    out: &'a mut String,
    /// Whether the item is the key itself and not a field. The parentheses of a key are left out where they say
    /// nothing.
    whole: bool,
}

/// The proof that a [`KeyWriter`] has written its item.
///
/// Only the methods of the writer make one, so a [`Key`] that compiles has written exactly one item.
#[derive(Debug)]
#[must_use = "`Key::write` returns it"]
pub struct Written(pub(super) ());

/// A list of fields that is being written, from [`KeyWriter::fields`].
#[derive(Debug)]
#[must_use = "a list of fields is ended by `end`"]
pub struct FieldsWriter<'a> {
    out: &'a mut String,
    whole: bool,
    start: usize,
    fields: usize,
}

impl<'a> KeyWriter<'a> {
    /// A writer of a whole key, which appends to `out`.
    pub(super) fn new(out: &'a mut String) -> KeyWriter<'a> {
        KeyWriter { out, whole: true }
    }

    /// Writes a text.
    ///
    /// The text stays as it is, but for the characters that would be invisible or would be mistaken for structure. The
    /// [module](crate::key#the-text-of-a-key) lists them.
    pub fn text(self, text: &str) -> Written {
        self.bytes(text.as_bytes())
    }

    /// Writes bytes: as text where they are UTF-8, and as `%XX` where they are not.
    pub fn bytes(self, bytes: &[u8]) -> Written {
        if bytes.is_empty() {
            // A list of one empty field must differ from the empty list.
            self.out.push_str("%-");
        }
        for chunk in bytes.utf8_chunks() {
            escape(chunk.valid(), self.out);
            chunk.invalid().iter().for_each(|byte| percent(*byte, self.out));
        }
        Written(())
    }

    /// Writes the text of a number or of another type that has one text for each of its values.
    ///
    /// ```
    /// use dogpile_cache::key::{Key, KeyWriter, Written};
    /// use std::net::IpAddr;
    ///
    /// struct Peer(IpAddr);
    ///
    /// impl Key for Peer {
    ///     fn write(&self, to: KeyWriter<'_>) -> Written {
    ///         to.display(&self.0)
    ///     }
    /// }
    ///
    /// assert_eq!(dogpile_cache::key::to_text(&Peer("127.0.0.1".parse().unwrap())), "127.0.0.1");
    /// ```
    ///
    /// The writer escapes this text as any other. Two values that have the same text become the same item: `f64` is
    /// such a type, with many values whose text is `NaN`.
    ///
    /// # Panics
    ///
    /// Panics if `value` returns an error from its `Display`, which [`std::fmt`] forbids.
    pub fn display(self, value: &(impl fmt::Display + ?Sized)) -> Written {
        let mut escaping = Escaping { out: self.out, empty: true };
        write!(escaping, "{value}").expect("`Display` of a key does not fail");
        if escaping.empty {
            self.out.push_str("%-");
        }
        Written(())
    }

    /// Writes a number. As by [`display`](Self::display), in a quarter of the time: most keys are numbers.
    pub(super) fn integer(self, value: impl itoa::Integer) -> Written {
        // Neither a digit nor a minus is escaped.
        self.out.push_str(itoa::Buffer::new().format(value));
        Written(())
    }

    /// Begins a list of fields. [`FieldsWriter::end`] ends it.
    pub fn fields(self) -> FieldsWriter<'a> {
        let start = self.out.len();
        if !self.whole {
            self.out.push('(');
        }
        FieldsWriter { out: self.out, whole: self.whole, start, fields: 0 }
    }
}

impl FieldsWriter<'_> {
    /// Writes the next field.
    pub fn field<K: Key + ?Sized>(mut self, field: &K) -> Self {
        if self.fields > 0 {
            self.out.push(',');
        }
        self.fields += 1;
        let Written(()) = field.write(KeyWriter { out: self.out, whole: false });
        self
    }

    /// Ends the list.
    pub fn end(self) -> Written {
        // A comma outside all parentheses tells a key that is a list from one that is an atom. A list of fewer than two
        // fields has no comma, and keeps its parentheses.
        if self.whole && self.fields < 2 {
            self.out.insert(self.start, '(');
            self.out.push(')');
        } else if !self.whole {
            self.out.push(')');
        }
        Written(())
    }
}

/// Escapes whatever is written through it.
struct Escaping<'a> {
    out: &'a mut String,
    empty: bool,
}

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.empty &= text.is_empty();
        escape(text, self.out);
        Ok(())
    }
}

/// Returns whether a character is written as `%XX`.
///
/// The list is fixed and does not use the Unicode tables of the standard library: two builds by different compilers
/// must write the same key.
fn escaped(character: char) -> bool {
    // The structure of a key; the braces by which a Redis Cluster finds the slot.
    let structure = matches!(character, '%' | ',' | '(' | ')' | '{' | '}');
    // Characters that an operator would not see: control characters, spaces, marks without width, marks of direction.
    // The ASCII ones end a word or a command of memcached's protocol.
    let unseen = matches!(character,
        '\0'..=' ' | '\x7f'..='\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{feff}');
    structure || unseen
}

/// Appends `text`, escaped.
fn escape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some((at, character)) = rest.char_indices().find(|(_, character)| escaped(*character)) {
        out.push_str(&rest[..at]);
        let behind = at + character.len_utf8();
        rest[at..behind].bytes().for_each(|byte| percent(byte, out));
        rest = &rest[behind..];
    }
    out.push_str(rest);
}

/// Appends `%XX`.
fn percent(byte: u8, out: &mut String) {
    out.push('%');
    hex(byte, b"0123456789ABCDEF", out);
}

/// Appends a byte as two digits.
pub(super) fn hex(byte: u8, digits: &[u8; 16], out: &mut String) {
    out.push(char::from(digits[usize::from(byte >> 4)]));
    out.push(char::from(digits[usize::from(byte & 15)]));
}
