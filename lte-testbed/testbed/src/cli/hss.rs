//! `testbed hss`: an HSS with EIR, told what to do on its standard input.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use testbed_peers::{Behaviour, Config, Order, Seen, Server};
use tokio::io::{AsyncBufReadExt, BufReader};

#[derive(Debug, Args)]
pub(super) struct HssArgs {
    /// Its configuration: host, realm, listen, peers, [[subscriber]], prohibited and tracked equipment, behaviour.
    #[arg(long, short)]
    config: PathBuf,
}

pub(super) fn run(args: &HssArgs) -> Result<()> {
    let text = std::fs::read_to_string(&args.config).with_context(|| format!("reading {}", args.config.display()))?;
    let config: Config = toml::from_str(&text).with_context(|| args.config.display().to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(&config));
    // The thread that reads the standard input can be interrupted by nobody: an HSS that waited for it would not die.
    runtime.shutdown_background();
    ended
}

async fn serve(config: &Config) -> Result<()> {
    let server = testbed_peers::start_telling(config, Box::new(show)).await?;
    println!("ready");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut listening = true;
    loop {
        tokio::select! {
            line = lines.next_line(), if listening => match line? {
                Some(line) => println!("done {}", obey(&server, line.trim()).await),
                // Nobody tells it anything any more; it serves on.
                None => listening = false,
            },
            () = server.died() => return Ok(()),
        }
    }
}

/// A line for each request, before its answer leaves.
fn show(seen: &Seen) {
    let given: String = seen.given.iter().map(|rand| format!(" {:032x}", u128::from_be_bytes(*rand))).collect();
    println!("{} {} {}{given}", seen.command, seen.imsi, seen.code);
    if let Some((gateway, apn)) = &seen.gateway {
        println!("GATEWAY {gateway} {apn} {}", seen.imsi);
    }
}

/// What came of a line: `ok`, the code of an answer, or what is wrong with it.
async fn obey(server: &Server, line: &str) -> String {
    if line == "behave well" {
        server.behave_well();
        return "ok".to_owned();
    }
    if let Some(text) = line.strip_prefix("behave ") {
        return match text.parse::<Behaviour>() {
            Ok(behaviour) => {
                server.behave(behaviour);
                "ok".to_owned()
            }
            Err(error) => error,
        };
    }
    match line.parse::<Order>() {
        Ok(order) => match server.order(&order).await {
            Ok(code) => code.to_string(),
            Err(error) => format!("{error:#}"),
        },
        Err(error) => error,
    }
}
