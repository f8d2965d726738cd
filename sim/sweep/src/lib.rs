//! Many scenarios on all cores: the pool of workers, parameter sweeps, their tables and shards.

pub mod pool;

pub use pool::{Done, Pool, Stop};
