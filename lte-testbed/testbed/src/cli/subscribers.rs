//! `testbed subscribers`.

use std::io::Write;

use anyhow::Result;
use basalt_ids::Plmn;
use clap::Args;

use crate::radio::subscriber::Subscriber;

/// `testbed subscribers …`
#[derive(Debug, Args)]
pub struct SubscribersArgs {
    /// How many.
    #[arg(long, default_value_t = 10)]
    count: u32,
    /// Number of the first.
    #[arg(long, default_value_t = 1)]
    first: u32,
    /// The network.
    #[arg(long, default_value = "001-01")]
    plmn: Plmn,
}

pub(super) fn run(args: &SubscribersArgs) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "imsi,k,opc")?;
    for number in 0..args.count {
        let subscriber = Subscriber::new(args.plmn, args.first + number)?;
        writeln!(out, "{},{},{}", subscriber.imsi, subscriber.k_hex(), subscriber.opc_hex())?;
    }
    Ok(())
}
