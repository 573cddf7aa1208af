//! `orchestratord init`: an orchestrator for good, in one command. What is there already is left as it is, so that it may be run again.
//!
//! ```text
//! user -> settings -> folder -> sealing key -> database -> authority -> unit -> setup link
//! ```

use crate::settings::{Arguments, Settings};
use crate::{sealing, setup_token};
use anyhow::{Context, Result, bail, ensure};
use basalt_control_api::orchestrator::is_place;
use clap::{Args, Parser as _};
use orchestrator_backup::age::Recipient;
use orchestrator_db::open;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

const USER: &str = "basalt-orchestrator";
const UNIT: &str = "basalt-orchestratord.service";

/// An orchestrator on this machine.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Name under which people and gateways find it; this machine's, when absent
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Addresses for browsers and programs, over TLS
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8480")]
    rest: std::net::SocketAddr,
    /// PostgreSQL in place of a SQLite file: postgres://USER:PASSWORD@HOST/NAME
    #[arg(long, value_name = "URL", env = "BASALT_INIT_DATABASE", hide_env_values = true)]
    postgres: Option<String>,
    /// For whom backups are (age1…), see `basalt backup keygen`
    #[arg(long, value_name = "RECIPIENT")]
    backup_recipient: Vec<Recipient>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Below this folder in place of /; then neither user nor unit are touched
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    root: PathBuf,
}

/// Sets everything up and says what was done.
pub(super) async fn run(init: &Init) -> Result<()> {
    let name = match &init.name {
        Some(name) => name.clone(),
        None => fs::read_to_string("/proc/sys/kernel/hostname").context("this machine has no name")?.trim().to_owned(),
    };
    ensure!(is_place(&format!("{name}:1")), "`{name}` is no name of a machine");
    let work = Work { init, here: init.root == Path::new("/") };
    ensure!(!work.here || init.dry_run || is_root(), "only root can set up a service: sudo basalt init");
    work.user()?;
    let config = work.settings(&name)?;
    work.environment()?;
    let data = init.root.join("var/lib/basalt-orchestrator");
    work.folder(&data)?;
    if init.dry_run {
        work.say(true, "sealing key, database and the gateways' certificate authority", "");
        work.say(true, "unit", UNIT);
        return Ok(());
    }
    let mut words = vec!["orchestratord".into(), "--config".into(), config.into_os_string()];
    if let Some(address) = work.database()? {
        words.extend(["--database".into(), address.into()]);
    }
    let settings = Settings::resolve(&Arguments::parse_from(words))?;
    let made = !settings.data_dir.join("sealing.key").exists();
    let db = open(&orchestrator_db::Settings { address: settings.database.clone(), connections: 5 }).await;
    let db = db.context("the database cannot be used")?;
    let key = sealing::open_for(&settings, db.as_ref()).await?;
    work.say(made, "sealing key", "keep a backup of it elsewhere: without it the keys of SIMs are lost");
    let authority = orchestrator_fleet::Authority::ensure(db.as_ref(), &key).await?;
    drop(authority);
    work.say(false, "database", if settings.database.starts_with("sqlite:") { "SQLite" } else { "PostgreSQL" });
    work.own_all(&data)?;
    let started = work.unit()?;
    // After the start: the daemon makes a link of its own, the last one holds.
    let token = setup_token(db.as_ref()).await?;
    db.close().await;
    work.own_all(&data)?;
    match token {
        Some(token) => {
            println!("make the first user within a day: https://{name}:{}/setup#{token}", init.rest.port());
        }
        None => println!("there are users already: https://{name}:{}", init.rest.port()),
    }
    if !started {
        println!("start it: orchestratord --config {} (it then says a new link)", work.config().display());
    }
    Ok(())
}

struct Work<'a> {
    init: &'a Init,
    /// On this machine itself, with its users and units.
    here: bool,
}

impl Work<'_> {
    fn say(&self, new: bool, what: &str, more: &str) {
        let how = match (self.init.dry_run, new) {
            (true, true) => "would make",
            (_, false) => "there is  ",
            (false, true) => "made      ",
        };
        println!("{how} {what}{}{more}", if more.is_empty() { "" } else { ": " });
    }

    fn config(&self) -> PathBuf {
        self.init.root.join("etc/basalt/orchestratord.toml")
    }

    fn user(&self) -> Result<()> {
        if !self.here {
            return Ok(());
        }
        let new = ids().is_none();
        if new && !self.init.dry_run {
            let mut add = Command::new("useradd");
            add.args(["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]);
            checked(add.args(["--shell", "/usr/sbin/nologin", USER]))?;
        }
        self.say(new, "user", USER);
        Ok(())
    }

    /// The settings, unless somebody wrote some: the file of the package, which only has comments, is somebody's too as soon as it
    /// says more than where the data are.
    fn settings(&self, name: &str) -> Result<PathBuf> {
        let path = self.config();
        let present = fs::read_to_string(&path).unwrap_or_default();
        let said = |line: &&str| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#') && !line.starts_with("data_dir")
        };
        let new = !present.lines().any(|line| said(&line));
        if new && !self.init.dry_run {
            DirBuilder::new().recursive(true).mode(0o755).create(path.parent().context("no folder")?)?;
            write_new(&path, &self.text(name), 0o644)?;
        }
        self.say(new, "settings", &path.display().to_string());
        Ok(path)
    }

    fn text(&self, name: &str) -> String {
        let data = self.init.root.join("var/lib/basalt-orchestrator");
        let mut text =
            "# Written by `basalt init`; `orchestratord --print-config` shows what follows from it.\n\n".to_owned();
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        // Writing into a text does not fail.
        let _ = writeln!(text, "data_dir = {}", quoted(&data.display().to_string()));
        let _ = writeln!(text, "listen = {}", quoted(&self.init.rest.to_string()));
        let _ = writeln!(text, "tls = true");
        let _ = writeln!(text, "tls_names = [{}]", quoted(name));
        let _ = writeln!(text, "public_url = {}", quoted(&format!("https://{name}:{}", self.init.rest.port())));
        let _ = writeln!(text, "gateway_address = {}", quoted(&format!("{name}:8481")));
        let recipients: Vec<String> = self.init.backup_recipient.iter().map(|it| quoted(&it.to_string())).collect();
        let _ = writeln!(text, "backup_recipients = [{}]", recipients.join(", "));
        text
    }

    fn env(&self) -> PathBuf {
        self.init.root.join("etc/basalt/orchestratord.env")
    }

    /// The database's address may have a password: it goes where only root reads.
    fn environment(&self) -> Result<()> {
        let Some(address) = &self.init.postgres else { return Ok(()) };
        ensure!(
            address.starts_with("postgres://") && !address.contains(char::is_whitespace),
            "--postgres is postgres://USER:PASSWORD@HOST/NAME"
        );
        let path = self.env();
        let new = !path.exists();
        if new && !self.init.dry_run {
            write_new(&path, &format!("BASALT_DATABASE={address}\n"), 0o600)?;
        }
        self.say(new, "database's address", &path.display().to_string());
        Ok(())
    }

    /// The address that the unit will have.
    fn database(&self) -> Result<Option<String>> {
        let text = match fs::read_to_string(self.env()) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(self.env().display().to_string()),
        };
        Ok(text.lines().find_map(|line| line.strip_prefix("BASALT_DATABASE=")).map(|text| text.trim().to_owned()))
    }

    fn folder(&self, data: &Path) -> Result<()> {
        let new = !data.exists();
        if new && !self.init.dry_run {
            DirBuilder::new().recursive(true).mode(0o700).create(data)?;
        }
        self.say(new, "folder", &data.display().to_string());
        Ok(())
    }

    /// What root made belongs to the daemon.
    fn own_all(&self, data: &Path) -> Result<()> {
        let Some((user, group)) = ids().filter(|_| self.here) else { return Ok(()) };
        let files = fs::read_dir(data)?.flatten().map(|entry| entry.path());
        for path in files.chain([data.to_owned()]) {
            if fs::symlink_metadata(&path).is_ok_and(|own| own.uid() != user) {
                chown(&path, Some(user), Some(group))?;
            }
        }
        Ok(())
    }

    /// Whether the daemon runs now.
    fn unit(&self) -> Result<bool> {
        if !self.here || !Path::new("/run/systemd/system").exists() {
            return Ok(false);
        }
        let there = ["/usr/lib/systemd/system", "/etc/systemd/system"]
            .iter()
            .any(|folder| Path::new(folder).join(UNIT).exists());
        if !there {
            bail!("there is no {UNIT}: install the package basalt-orchestrator, then run this again");
        }
        checked(Command::new("systemctl").args(["enable", UNIT]))?;
        checked(Command::new("systemctl").args(["restart", UNIT]))?;
        self.say(true, "unit enabled and started", UNIT);
        Ok(true)
    }
}

/// User and group of the daemon.
fn ids() -> Option<(u32, u32)> {
    let table = fs::read_to_string("/etc/passwd").ok()?;
    let line = table.lines().find(|line| line.split(':').next() == Some(USER))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Writes beside and moves there: no half a file is ever read.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()?;
    Ok(fs::rename(&beside, path)?)
}

fn checked(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} cannot be run"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
