//! Configuration: the file, what the machine tells, and what follows from both.

mod detect;
mod file;
mod parse;
mod resolve;
mod values;

pub use detect::Machine;
pub use file::File;
pub use parse::{ConfigError, parse, read};
pub use resolve::{DataplaneMode, Effective, EgressMode, SctpChoice, resolve};
