//! Configuration: the file, what the machine tells, and what follows from both.

mod detect;
mod effective;
pub mod file;
mod parse;
mod resolve;
mod show;
mod values;

#[cfg(test)]
pub use detect::Interface;
pub use detect::Machine;
pub use effective::{ApnEgress, DataplaneMode, Effective, EgressMode, GroupQuota, SctpChoice};
#[cfg(test)]
pub use parse::parse;
pub use parse::{read, state_dir};
pub use resolve::resolve;
pub use values::duration;
