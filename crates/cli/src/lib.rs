//! The `basalt` command: what an operator says to a gateway, and how the answer looks.
//!
//! It speaks `control-api` over the gateway's Unix socket, and REST to an orchestrator for its objects and tokens; only the local half of
//! `basalt doctor` looks at the machine itself. What it deliberately is not: a place for decisions. Whether an IMSI may be added, a phone detached, is
//! the gateway's to say; the command checks what it can read at a glance, so that a mistake is named with its cause and fix.
//!
//! Invariants: no key of a SIM is ever printed, not even in an error; nothing that a radio, a phone or a file wrote reaches the
//! terminal unescaped; a closed standard output is no failure.
//!
//! Exit codes: 0 done; 1 the gateway refused, or there is no such thing, or the doctor found an error; 2 wrong usage or a wrong
//! file; 3 the gateway cannot be reached.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod args;
mod client;
mod commands;
mod contexts;
mod csv;
mod documents;
mod error;
mod escape;
mod keys;
mod kinds;
mod output;
mod pcapng;
mod rest;
mod table;
mod text;
mod transport;
mod view;

use args::Cli;
use basalt_doctor::{Finding, Wanted};
use clap::Parser as _;
use error::Error;
use output::Out;
use std::ffi::OsString;
use std::io::{Read, Write};

/// Everything the command takes from its surroundings, so that tests can give it something else.
pub struct Environment<'a> {
    /// Standard input.
    pub stdin: &'a mut dyn Read,
    /// Standard output.
    pub stdout: &'a mut dyn Write,
    /// Standard error.
    pub stderr: &'a mut dyn Write,
    /// Seconds since 1970 UTC: ages are counted from here.
    pub now: u64,
    /// The local half of the doctor.
    pub machine: fn(&Wanted) -> Vec<Finding>,
}

/// Runs one command and answers with its exit code.
pub fn run<I>(arguments: I, environment: &mut Environment<'_>) -> u8
where
    I: IntoIterator<Item = OsString>,
{
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => return show_usage(&usage, environment),
    };
    let format = cli.output;
    let result = {
        let mut out = Out::new(format, environment.now, environment.stdout, environment.stderr);
        let result = commands::run(cli, &mut out, environment.stdin, environment.machine);
        // A full disk is a failure even of a command that did its work; a first failure is told rather than a second.
        match out.finish() {
            Err(error) if result.is_ok() => Err(Error::from(error)),
            _ => result,
        }
    };
    let code = match &result {
        Ok(code) => *code,
        Err(error) => error.exit_code(),
    };
    if let Err(error) = result {
        error.show(format, environment.stderr);
    }
    code
}

/// Help and version go to standard output and are no mistake; everything else is.
fn show_usage(usage: &clap::Error, environment: &mut Environment<'_>) -> u8 {
    let text = usage.render().to_string();
    // Whoever has closed the other end does not want to read it.
    if usage.use_stderr() {
        let _ = environment.stderr.write_all(escape::lines(&text).as_bytes());
        Error::USAGE
    } else {
        let _ = environment.stdout.write_all(text.as_bytes());
        0
    }
}
