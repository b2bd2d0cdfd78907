//! The outline of MessagePack: its items, and how they are nested.
//!
//! `rmp-serde` alone is not enough against hostile bytes, for three reasons:
//!
//! - serde's visitors are told the claimed length of a list. They reserve up to 1 MiB for a list of five bytes, and as
//!   much again for each list within that list.
//! - The depth of lists and maps is bounded, at 1,024. The depth of enums is not, and overflows the stack.
//! - Bytes behind the value are ignored.
//!
//! The walk here needs no memory but one number for each level.

use crate::codec::CodecError;

/// The greatest depth of lists and maps. (`serde_json` has the same limit.)
pub(super) const DEEPEST: usize = 128;

/// Returns an error unless `bytes` are exactly one complete item. Never blocks.
pub(super) fn check(bytes: &[u8]) -> Result<(), CodecError> {
    walk(bytes).map_err(CodecError::new)
}

fn walk(bytes: &[u8]) -> Result<(), &'static str> {
    let mut rest = bytes;
    // The number of items that are still to come, on each level that is open.
    let mut to_come = [0_u64; DEEPEST + 1];
    let mut level = 0;
    to_come[0] = 1;
    loop {
        while to_come[level] == 0 {
            if level == 0 {
                return if rest.is_empty() { Ok(()) } else { Err("bytes are left behind the value") };
            }
            level -= 1;
        }
        to_come[level] -= 1;

        let marker = length(&mut rest, 1)?;
        let items = match marker {
            // Small numbers, nil, booleans.
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => continue,
            // Numbers.
            0xcc | 0xd0 => skip(&mut rest, 1)?,
            0xcd | 0xd1 => skip(&mut rest, 2)?,
            0xca | 0xce | 0xd2 => skip(&mut rest, 4)?,
            0xcb | 0xcf | 0xd3 => skip(&mut rest, 8)?,
            // Texts and bytes.
            0xa0..=0xbf => skip(&mut rest, marker & 0x1f)?,
            0xc4 | 0xd9 => sized(&mut rest, 1, 0)?,
            0xc5 | 0xda => sized(&mut rest, 2, 0)?,
            0xc6 | 0xdb => sized(&mut rest, 4, 0)?,
            // Extensions, with a byte for their type.
            0xd4..=0xd8 => skip(&mut rest, 1 + (1 << (marker - 0xd4)))?,
            0xc7 => sized(&mut rest, 1, 1)?,
            0xc8 => sized(&mut rest, 2, 1)?,
            0xc9 => sized(&mut rest, 4, 1)?,
            // Lists.
            0x90..=0x9f => marker & 0x0f,
            0xdc => length(&mut rest, 2)?,
            0xdd => length(&mut rest, 4)?,
            // Maps: a key and a value each.
            0x80..=0x8f => 2 * (marker & 0x0f),
            0xde => 2 * length(&mut rest, 2)?,
            0xdf => 2 * length(&mut rest, 4)?,
            _ => return Err("a byte that MessagePack does not use"),
        };
        if items == 0 {
            continue;
        }
        // Each item takes a byte. (Without this line the walk itself would find out, but later.)
        if items > rest.len() as u64 {
            return Err("a list claims more elements than there are bytes");
        }
        level += 1;
        *to_come.get_mut(level).ok_or("lists and maps are nested more than 128 deep")? = items;
    }
}

/// Reads a number of `size` bytes.
fn length(rest: &mut &[u8], size: usize) -> Result<u64, &'static str> {
    let (number, behind) = rest.split_at_checked(size).ok_or(CUT_OFF)?;
    *rest = behind;
    Ok(number.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Passes over `bytes` bytes; no items follow.
fn skip(rest: &mut &[u8], bytes: u64) -> Result<u64, &'static str> {
    let bytes = usize::try_from(bytes).map_err(|_| CUT_OFF)?;
    *rest = rest.get(bytes..).ok_or(CUT_OFF)?;
    Ok(0)
}

/// Passes over as many bytes as a number of `size` bytes says, and `more`; no items follow.
fn sized(rest: &mut &[u8], size: usize, more: u64) -> Result<u64, &'static str> {
    let bytes = length(rest, size)?;
    skip(rest, bytes + more)
}

const CUT_OFF: &str = "the value is cut off";
