//! The laws. All use most of the words of the ground.

#![allow(clippy::wildcard_imports)]

pub mod counters;
pub mod entries;
pub mod grants;
pub mod lives;
pub mod pauses;
pub mod signals;
pub mod table;
pub mod threads;
pub mod times;
