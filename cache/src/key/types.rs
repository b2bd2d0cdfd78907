//! The types of others that are keys.

use crate::key::{Key, KeyWriter, Written};
use bytes::Bytes;
use std::borrow::{Cow, ToOwned};
use std::rc::Rc;
use std::sync::Arc;

impl Key for str {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        to.text(self)
    }
}

impl Key for String {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        to.text(self)
    }
}

impl Key for [u8] {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        to.bytes(self)
    }
}

impl<const N: usize> Key for [u8; N] {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        to.bytes(self)
    }
}

impl Key for Vec<u8> {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        to.bytes(self)
    }
}

impl Key for Bytes {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        to.bytes(self)
    }
}

impl Key for char {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        to.text(self.encode_utf8(&mut [0; 4]))
    }
}

impl Key for bool {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        to.text(if *self { "true" } else { "false" })
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl Key for $integer {
            fn write(&self, to: KeyWriter<'_>) -> Written {
                to.integer(*self)
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

/// `None` is the empty list, and `Some` a list of one: `()` and `(7)`.
impl<K: Key> Key for Option<K> {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        match self {
            None => to.fields().end(),
            Some(key) => to.fields().field(key).end(),
        }
    }
}

macro_rules! pointers {
    ($($pointer:ty)*) => {$(
        impl<K: Key + ?Sized> Key for $pointer {
            fn write(&self, to: KeyWriter<'_>) -> Written {
                (**self).write(to)
            }
        }
    )*};
}

pointers!(&K &mut K Box<K> Rc<K> Arc<K>);

impl<K: Key + ToOwned + ?Sized> Key for Cow<'_, K> {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        (**self).write(to)
    }
}

/// The key of a region that has one entry.
impl Key for () {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        to.fields().end()
    }
}

macro_rules! tuples {
    ($(($($field:ident)*))*) => {$(
        impl<$($field: Key),*> Key for ($($field,)*) {
            fn write(&self, to: KeyWriter<'_>) -> Written {
                #[allow(non_snake_case)]
                let ($($field,)*) = self;
                to.fields()$(.field($field))*.end()
            }
        }
    )*};
}

tuples!((A)(A B)(A B C)(A B C D)(A B C D E)(A B C D E F));
