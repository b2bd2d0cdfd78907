//! Tasks and threads share one lock: what the contract does not test of tasks.

mod background;
mod cancellation;
#[path = "../child/mod.rs"]
mod child;
mod circles;
#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod each_type;
mod executor;
mod itself;
mod lock_mode;
mod meddling;
mod sizes;
mod spawned;
mod spawned_modes;
mod spawned_shares;
mod together;
mod wakers;
mod within;
