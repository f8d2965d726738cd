//! Many scenarios on all cores: the pool of workers, parameter sweeps, their tables and shards.

pub mod design;
pub mod flow;
pub mod limits;
pub mod param;
mod parquet;
pub mod pool;
pub mod random;
pub mod sweep;
pub mod table;
pub mod torque;

pub use pool::{Done, Pool, Stop};
pub use sweep::Sweep;
pub use table::Table;
