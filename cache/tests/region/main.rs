//! Regions: near alone, over a backend, and near over it.

mod absence;
mod backend_down;
mod bad_input;
mod basics;
mod blocking;
mod cancel;
mod changes;
mod closing;
mod connecting;
mod corners;
mod errors;
mod fleet;
mod kit;
mod lease;
mod many;
mod near;
mod policy;
mod probe;
mod races;
mod schemas;
mod seen;
mod signals;
mod storm;
mod terminals;
mod timeouts;
mod wire;
