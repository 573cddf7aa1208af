//! `orchestratord backup`: what `basalt backup` runs on the orchestrator's machine.

use crate::now;
use crate::sealing;
use crate::settings::Settings;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use orchestrator_backup::age::{Identity, Lock, Opener, Passphrase, Recipient};
use orchestrator_backup::{Copied, create, drill, put_back, verify};
use orchestrator_db::open_as_it_is;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Copies that a folder holds are named so; what else is there is left alone.
const PREFIX: &str = "orchestrator-";
const ENDING: &str = ".backup.age";

/// Copies of the database.
#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Make a copy, while the orchestrator runs or not
    Create(Create),
    /// Read a copy to its end: all parts decrypt and have their digests
    Verify(Opened),
    /// Bring a copy back, whole or not at all; the orchestrator must not run
    Restore {
        #[command(flatten)]
        copy: Opened,
        /// Give up what is there now; a file is kept beside
        #[arg(long)]
        replace: bool,
    },
    /// Practise a restore into a database that is thrown away: compare all rows, open all secrets
    Drill(Opened),
    /// Make a key pair for copies: keep the key elsewhere, name the recipient in `backup_recipients`
    Keygen {
        /// The file of the key; - writes it to standard output
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
}

/// A new copy.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// A file, or a folder in which it gets a name with its time
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    /// For whom it is (age1…), also several; those of the settings, when absent
    #[arg(long, value_name = "RECIPIENT", conflicts_with = "passphrase_file")]
    recipient: Vec<Recipient>,
    /// A file whose first line is the passphrase; also in BASALT_BACKUP_PASSPHRASE
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Leave the sealing key out: where it is lost, the keys of SIMs are lost with it
    #[arg(long)]
    without_key: bool,
    /// In a folder, keep so many copies and remove older ones
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    keep: Option<u16>,
}

/// A copy that is there, and what opens it.
#[derive(Debug, Args)]
pub(crate) struct Opened {
    /// The copy
    file: PathBuf,
    /// A file with a key (AGE-SECRET-KEY-1…), also several
    #[arg(long, short, value_name = "FILE")]
    identity: Vec<PathBuf>,
    /// A file whose first line is the passphrase; also in BASALT_BACKUP_PASSPHRASE
    #[arg(long, value_name = "FILE", conflicts_with = "identity")]
    passphrase_file: Option<PathBuf>,
}

/// Does it and says what was done.
pub(crate) async fn run(backup: &Backup, settings: &Settings) -> Result<()> {
    match backup {
        Backup::Create(wanted) => make(wanted, settings).await,
        Backup::Verify(copy) => {
            let copied = verify(&copy.opener()?, copy.open()?).with_context(|| copy.name())?;
            tell(&copied);
            println!("whole: every part has its digest");
            Ok(())
        }
        Backup::Restore { copy, replace } => restore(copy, *replace, settings).await,
        Backup::Drill(copy) => practise(copy, settings).await,
        Backup::Keygen { output } => keygen(output),
    }
}

async fn make(wanted: &Create, settings: &Settings) -> Result<()> {
    let lock = wanted.lock(settings)?;
    let at = now();
    let key = if wanted.without_key {
        None
    } else {
        let key = sealing::existing(settings)?;
        ensure!(
            !key.is_in_exchange(),
            "the sealing key is being exchanged: first run `orchestratord sealing exchange`"
        );
        Some(key)
    };
    let into_folder = wanted.to.is_dir();
    let path = if into_folder { wanted.to.join(format!("{PREFIX}{at}{ENDING}")) } else { wanted.to.clone() };
    ensure!(!path.exists(), "{} is there already", path.display());
    let mut partial = path.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let db = open_as_it_is(&orchestrator_db::Settings { address: settings.database.clone(), connections: 4 }).await?;
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial);
    let file = file.with_context(|| format!("cannot write {}", partial.display()))?;
    let made = create(db.as_ref(), key.as_ref().map(|key| key.octets().expose()), &lock, at, file).await;
    db.close().await;
    let written = made.and_then(|(copied, file)| {
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        Ok(copied)
    });
    let copied = match written {
        Ok(copied) => copied,
        Err(error) => {
            // Half a copy is none.
            let _ = fs::remove_file(&partial);
            return Err(error.into());
        }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    tell(&copied);
    println!("written: {}", path.display());
    if let (true, Some(keep)) = (into_folder, wanted.keep) {
        remove_older(&wanted.to, usize::from(keep))?;
    }
    Ok(())
}

fn remove_older(folder: &Path, keep: usize) -> Result<()> {
    let names = fs::read_dir(folder)?.flatten().map(|entry| entry.file_name());
    let at = |name: &std::ffi::OsString| -> Option<i64> {
        name.to_str()?.strip_prefix(PREFIX)?.strip_suffix(ENDING)?.parse().ok()
    };
    let mut copies: Vec<_> = names.filter_map(|name| Some((at(&name)?, name))).collect();
    copies.sort_unstable();
    for (_, name) in copies.iter().rev().skip(keep) {
        fs::remove_file(folder.join(name))?;
        println!("removed: {}", folder.join(name).display());
    }
    Ok(())
}

async fn restore(copy: &Opened, replace: bool, settings: &Settings) -> Result<()> {
    let opener = copy.opener()?;
    let put = put_back(&opener, &copy.file, &settings.database, &settings.data_dir, replace, now()).await;
    let put = put.with_context(|| format!("{}: nothing was changed", copy.name()))?;
    tell(&put.copied);
    for path in &put.before {
        println!("kept: {}", path.display());
    }
    println!("restored: start the orchestrator; people log in anew");
    if !put.copied.has_key {
        println!("the copy has no sealing key: put it where the settings say before that");
    }
    Ok(())
}

async fn practise(copy: &Opened, settings: &Settings) -> Result<()> {
    let scratch = tempfile::tempdir().context("there is no room for a drill: name another by TMPDIR")?;
    let key = sealing::existing(settings).ok();
    let drilled =
        drill(&copy.opener()?, &copy.file, key.as_ref(), scratch.path()).await.with_context(|| copy.name())?;
    tell(&drilled.copied);
    println!("drill: restored, compared row by row, {} objects' secrets opened", drilled.opened);
    Ok(())
}

fn keygen(output: &Path) -> Result<()> {
    let key = Identity::generate()?;
    let text = Zeroizing::new(format!("# recipient: {}\n{}\n", key.recipient(), key.to_text().as_str()));
    if output == Path::new("-") {
        print!("{}", text.as_str());
    } else {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(output);
        let mut file = file.with_context(|| format!("cannot make {}", output.display()))?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.sync_all()?;
    }
    eprintln!("recipient: {}", key.recipient());
    eprintln!("keep the key where the copies are not; name the recipient in backup_recipients");
    Ok(())
}

fn tell(copied: &Copied) {
    let rows: u64 = copied.parts.values().map(|part| part.rows).sum();
    println!(
        "copy of {} (milliseconds since 1970) by version {}: {} tables, {rows} rows, {}",
        copied.head.made_at,
        copied.head.version,
        copied.parts.len(),
        if copied.has_key { "with the sealing key" } else { "without the sealing key" }
    );
    for (table, part) in copied.parts.iter().filter(|(_, part)| part.rows > 0) {
        println!("  {table}: {} rows, sha256 {}", part.rows, part.digest);
    }
}

impl Create {
    fn lock(&self, settings: &Settings) -> Result<Lock> {
        if !self.recipient.is_empty() {
            return Ok(Lock::Recipients(self.recipient.clone()));
        }
        if let Some(passphrase) = passphrase(self.passphrase_file.as_deref())? {
            return Ok(Lock::Passphrase(passphrase));
        }
        let read = |text: &String| text.parse::<Recipient>().map_err(anyhow::Error::from);
        let all: Vec<Recipient> = settings.backup_recipients.iter().map(read).collect::<Result<_>>()?;
        ensure!(
            !all.is_empty(),
            "for whom is it? --recipient age1…, a passphrase, or backup_recipients in the settings (`orchestratord backup keygen`)"
        );
        Ok(Lock::Recipients(all))
    }
}

impl Opened {
    fn opener(&self) -> Result<Opener> {
        let mut all = Vec::new();
        for path in &self.identity {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let text = Zeroizing::new(text);
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            for line in lines {
                all.push(line.parse::<Identity>().with_context(|| path.display().to_string())?);
            }
        }
        if !all.is_empty() {
            return Ok(Opener::Identities(all));
        }
        match passphrase(self.passphrase_file.as_deref())? {
            Some(passphrase) => Ok(Opener::Passphrase(passphrase)),
            None => bail!("what opens it? --identity FILE, --passphrase-file FILE or BASALT_BACKUP_PASSPHRASE"),
        }
    }

    fn open(&self) -> Result<File> {
        File::open(&self.file).with_context(|| self.name())
    }

    fn name(&self) -> String {
        self.file.display().to_string()
    }
}

fn passphrase(path: Option<&Path>) -> Result<Option<Passphrase>> {
    let text = match path {
        Some(path) => Some(fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?),
        None => std::env::var("BASALT_BACKUP_PASSPHRASE").ok(),
    };
    let Some(text) = text.map(Zeroizing::new) else { return Ok(None) };
    Ok(Some(Passphrase::new(text.lines().next().unwrap_or_default())?))
}
