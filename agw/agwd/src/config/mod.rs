//! Configuration: the file, what the machine tells, and what follows from both.

mod detect;
mod file;
mod parse;
mod resolve;
mod show;
mod values;

pub use detect::Machine;
#[cfg(test)]
pub use parse::parse;
pub use parse::read;
pub use resolve::{DataplaneMode, Effective, EgressMode, SctpChoice, resolve};
