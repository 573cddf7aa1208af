//! `orchestratord authority`: another certificate authority of the gateways, without a visit to any of them.
//!
//! ```text
//! rotate -> every replica believes both -> the new one issues -> gateways renew, each in its time -> retire
//! ```

use crate::now;
use crate::sealing::existing;
use crate::settings::Settings;
use anyhow::{Result, bail};
use clap::Subcommand;
use orchestrator_db::{Repository, open};
use orchestrator_fleet::{Authority, Overview};

/// Gateways that are named at most.
const NAMED: usize = 5;

/// The gateways' certificate authority.
#[derive(Debug, Subcommand)]
pub(crate) enum Words {
    /// Show its generations, and which gateways have no certificate of the present one yet
    Status,
    /// Make its next generation, with a new key; orchestrators and gateways go on running
    Rotate {
        /// Seconds until it issues certificates: every orchestrator must have heard of it by then
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=86_400))]
        after: u64,
    },
    /// Believe its former generations no more, once every gateway has a certificate of the present one
    Retire {
        /// Also where gateways have none yet: those must join again with a token
        #[arg(long)]
        force: bool,
    },
}

/// Does it and says what was done.
pub(crate) async fn run(words: &Words, settings: &Settings) -> Result<()> {
    let key = existing(settings)?;
    let db = open(&orchestrator_db::Settings { address: settings.database.clone(), connections: 4 }).await?;
    let done = async {
        let authority = Authority::ensure(db.as_ref(), &key).await?;
        let seconds = u64::try_from(now() / 1000).unwrap_or(0);
        match words {
            Words::Status => status(db.as_ref(), &authority, seconds).await,
            Words::Rotate { after } => {
                let number = authority.rotate(db.as_ref(), &key, seconds, seconds + after).await?;
                println!(
                    "generation {number} is made and issues in {after} s; gateways take it as they renew, within days"
                );
                println!("`basalt authority status` tells who has not; when nobody is left: `basalt authority retire`");
                println!("make a backup: those from before know nothing of it");
                Ok(())
            }
            Words::Retire { force } => retire(db.as_ref(), &authority, seconds, *force).await,
        }
    };
    let done = done.await;
    db.close().await;
    done
}

async fn status(db: &dyn Repository, authority: &Authority, seconds: u64) -> Result<()> {
    for one in authority.overview(seconds) {
        let state = match one {
            Overview { issues: true, .. } => "issues".to_owned(),
            Overview { from, .. } if from > seconds => format!("issues in {} s", from - seconds),
            Overview { .. } => "is believed".to_owned(),
        };
        let digits: String = one.fingerprint.iter().map(|octet| format!("{octet:02x}")).collect();
        println!("generation {}  {state:<14}  SHA-256 {digits}", one.number);
    }
    let behind = behind(db, authority, seconds).await?;
    match behind.as_slice() {
        [] => println!("every gateway has a certificate of the generation that issues"),
        some => println!("without a certificate of the generation that issues: {}", named(some)),
    }
    Ok(())
}

async fn retire(db: &dyn Repository, authority: &Authority, seconds: u64, force: bool) -> Result<()> {
    let behind = behind(db, authority, seconds).await?;
    if !behind.is_empty() && !force {
        bail!(
            "these have no certificate of the present generation and would have to join again: {}; wait until they have been \
             there, revoke those that will not come back, or say --force",
            named(&behind)
        );
    }
    let retired = authority.retire(db, seconds).await?;
    let numbers: Vec<String> = retired.iter().map(u32::to_string).collect();
    println!("believed no more: generation {}; orchestrators that run have heard of it in seconds", numbers.join(", "));
    Ok(())
}

/// Gateways that have had no certificate since the present generation issues.
async fn behind(db: &dyn Repository, authority: &Authority, seconds: u64) -> Result<Vec<(String, String)>> {
    let issues = authority.overview(seconds).into_iter().find(|one| one.issues);
    let from = issues.map_or(0, |one| one.from);
    Ok(db.certified_before(i64::try_from(from.saturating_mul(1000)).unwrap_or(i64::MAX)).await?)
}

fn named(gateways: &[(String, String)]) -> String {
    let names: Vec<String> =
        gateways.iter().take(NAMED).map(|(network, gateway)| format!("{gateway} ({network})")).collect();
    let more = gateways.len().saturating_sub(NAMED);
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}
