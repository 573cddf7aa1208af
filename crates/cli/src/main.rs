//! The `basalt` command; see the library.

use basalt_cli::Environment;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let mut environment = Environment {
        stdin: &mut std::io::stdin(),
        stdout: &mut std::io::BufWriter::new(std::io::stdout()),
        stderr: &mut std::io::stderr(),
        now,
        machine: basalt_doctor::machine_findings,
    };
    ExitCode::from(basalt_cli::run(std::env::args_os(), &mut environment))
}
