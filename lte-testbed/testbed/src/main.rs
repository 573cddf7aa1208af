//! The testbed command: a lab of namespaces, base stations and phones against a gateway.

use std::process::ExitCode;

fn main() -> ExitCode {
    testbed::cli::main()
}
