//! `orchestratord sealing`: another key for the secrets in the database, without a moment in which they do not open.
//!
//! ```text
//! both keys known (sealing.also, or sealing.former.key) -> everything sealed anew -> the former key is given up
//! ```

use crate::sealing::{exchange, existing, file, former};
use crate::settings::Settings;
use anyhow::{Context, Result, bail, ensure};
use basalt_security::SealingKey;
use clap::Subcommand;
use orchestrator_db::{Repository, open};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::sync::Arc;

/// The sealing key.
#[derive(Debug, Subcommand)]
pub(crate) enum Sealing {
    /// Make a new key in place of the key file's, seal everything with it and give the former one up; the orchestrator must not run
    Rotate,
    /// Seal everything anew with the key of the settings; orchestrators that know both (`sealing.also`) may run
    Exchange,
}

/// Does it and says what was done.
pub(crate) async fn run(sealing: &Sealing, settings: &Settings) -> Result<()> {
    match sealing {
        Sealing::Rotate => rotate(settings).await,
        Sealing::Exchange => {
            let db = database(settings).await?;
            let done = exchange(db.as_ref(), &existing(settings)?).await;
            db.close().await;
            println!("sealed anew: {} values; `sealing.also` is not needed any more", done?);
            Ok(())
        }
    }
}

async fn rotate(settings: &Settings) -> Result<()> {
    let Some(path) = file(settings) else {
        bail!(
            "the sealing key comes from elsewhere: put the new one there, the former one into `sealing.also`, \
               start the orchestrators anew, then run `orchestratord sealing exchange`"
        );
    };
    let folder = path.parent().context("the key file is nowhere")?;
    let former = former(&settings.data_dir);
    // An exchange that was cut off goes on with the key that it had made.
    if !former.exists() {
        existing(settings)?;
        let next = folder.join("sealing.next.key");
        let _ = fs::remove_file(&next);
        let random = |key: &mut [u8; 32]| getrandom::fill(key).map_err(std::io::Error::other);
        SealingKey::load_or_create(&next, random)?;
        like(&next, &path)?;
        // From here on both open: first the former key has its second name, then the new one takes its first.
        fs::hard_link(&path, &former)?;
        fs::rename(&next, &path)?;
        File::open(folder)?.sync_all()?;
    }
    let key = existing(settings)?;
    ensure!(key.is_in_exchange(), "there is no former key");
    let db = database(settings).await?;
    if !db.leads().await? {
        db.close().await;
        bail!(
            "an orchestrator works with this database: it does not know the new key yet; start it anew, then run this again"
        );
    }
    let done = exchange(db.as_ref(), &key).await;
    db.close().await;
    let done = done?;
    fs::remove_file(&former)?;
    println!("sealed anew: {done} values; the former key is gone, copies that were made before have it still");
    Ok(())
}

async fn database(settings: &Settings) -> Result<Arc<dyn Repository>> {
    Ok(open(&orchestrator_db::Settings { address: settings.database.clone(), connections: 4 }).await?)
}

/// The new key is for whom the former one was.
fn like(new: &Path, old: &Path) -> Result<()> {
    let old = fs::metadata(old)?;
    if fs::metadata(new)?.uid() != old.uid() {
        chown(new, Some(old.uid()), Some(old.gid()))?;
    }
    Ok(())
}
