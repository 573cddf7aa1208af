//! x
mod pool;
mod teid;
