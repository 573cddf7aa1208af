//! Upgrade: another version of this program is fetched, checked, put into the slot that is not in use, and tried in place of this one.
//!
//! ```text
//! signed for here? -> fetched, as far as it is not there -> whole? -> runs, and takes the configuration? -> on trial (`slots`)
//! ```

use super::{Reporter, ask};
use crate::gateway::Job;
use crate::slots::{self, Installed, Place, Slots, Trial};
use crate::version;
use basalt_cloud_sync::CommandState;
use basalt_release::{Description, LARGEST, compare, unhex};
use serde::Deserialize;
use serde_json::Value;
use std::cmp::Ordering;
use std::ffi::CString;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering as Memory};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Octets that stay free on the disk: the gateway's own store comes first.
const RESERVE: u64 = 64 << 20;
/// Octets that are written at once.
const WRITE: usize = 1 << 20;
/// A piece comes within this, or the link is tried anew.
const PIECE: Duration = Duration::from_secs(60);
/// Before the link is tried anew: first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A program may take so long to come, over links as bad as they are.
const FETCH: Duration = Duration::from_secs(24 * 3600);
/// A new program may take so long to say what it is.
const SAY: Duration = Duration::from_secs(30);
/// Seconds of a trial in all, and of being well without a break: unless it is said, and at most.
const TRIAL: (u64, u64) = (180, 3600);
const WELL: (u64, u64) = (20, 600);

/// One at a time.
static RUNS: AtomicBool = AtomicBool::new(false);

/// What is wanted.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
struct Wanted {
    /// Go back to what ran before, in place of all that follows but the times.
    back: bool,
    release: String,
    product: String,
    version: String,
    platform: String,
    size: u64,
    sha256: String,
    signature: String,
    /// An older version than this is wanted.
    downgrade: bool,
    /// Octets in a second at most; 0 is as fast as they come.
    rate: u64,
    trial_seconds: u64,
    well_seconds: u64,
}

impl Default for Wanted {
    fn default() -> Self {
        let none = String::new;
        Self {
            back: false,
            release: none(),
            product: none(),
            version: none(),
            platform: none(),
            size: 0,
            sha256: none(),
            signature: none(),
            downgrade: false,
            rate: 0,
            trial_seconds: TRIAL.0,
            well_seconds: WELL.0,
        }
    }
}

type Ended = (CommandState, String);

fn failed(why: impl Into<String>) -> Ended {
    (CommandState::Failed, why.into() + "\n")
}

/// Does it; nothing when the new program is about to be tried.
pub(super) async fn run(jobs: &mpsc::Sender<Job>, id: &str, arguments: &Value, report: &Reporter) -> Option<Ended> {
    if RUNS.swap(true, Memory::AcqRel) {
        return Some(failed("another upgrade runs"));
    }
    let done = prepared(jobs, id, arguments, report).await;
    match done {
        Ok(None) => {
            // The next daemon begins with nothing of this.
            super::restart(jobs, id.to_owned()).await;
            None
        }
        Ok(Some(ended)) | Err(ended) => {
            RUNS.store(false, Memory::Release);
            Some(ended)
        }
    }
}

/// Everything up to the start of the new program.
async fn prepared(
    jobs: &mpsc::Sender<Job>,
    id: &str,
    arguments: &Value,
    report: &Reporter,
) -> Result<Option<Ended>, Ended> {
    let wanted: Wanted = serde_json::from_value(arguments.clone()).map_err(|error| failed(error.to_string()))?;
    let about = |gateway: &mut crate::gateway::Gateway| {
        let effective = &gateway.effective;
        (effective.release_keys.clone(), effective.state_dir.clone(), effective.run_dir.clone())
    };
    let (keys, state_dir, run_dir) = ask(jobs, about).await.ok_or_else(stopping)?;
    let slots = Slots::of(&state_dir);
    let (place, name) = if wanted.back {
        former(&slots)?
    } else {
        let release = described(&wanted, &keys)?;
        match compare(&release.version, version::version()) {
            Ordering::Equal => {
                return Ok(Some((CommandState::Done, format!("agwd {} runs already\n", release.version))));
            }
            Ordering::Less if !wanted.downgrade => {
                return Err(failed(format!("agwd {} runs, which is newer: say `downgrade`", version::version())));
            }
            _ => {}
        }
        let incoming = fetch(jobs, &slots, &wanted, &release, report).await?;
        report.running(80, format!("{} is here and whole\n", release.name())).await;
        let place = slots.load().free();
        let installed = Installed { version: release.version.clone(), sha256: wanted.sha256.clone() };
        let of = slots.clone();
        let program = apart(move || of.install(&incoming, place, &installed)).await?;
        looked_at(&program, &release.version).await?;
        (place, release.version)
    };
    let before = ask(jobs, slots::trial::look).await.ok_or_else(stopping)?;
    let seconds = wanted.trial_seconds.clamp(5, TRIAL.1);
    let well = wanted.well_seconds.clamp(1, WELL.1).min(seconds / 2 + 1);
    let trial = Trial { command: id.to_owned(), place, version: name.clone(), seconds, well, before };
    let (of, command) = (slots.clone(), id.to_owned());
    let guarded = apart(move || {
        of.begin(trial)?;
        slots::start_guard(&of, &command, seconds, &run_dir).map_err(io::Error::other)
    });
    if let Err(why) = guarded.await {
        let (of, command) = (slots.clone(), id.to_owned());
        apart(move || of.change(|state| state.fail(&command, "no guard"))).await?;
        return Err(why);
    }
    report.running(85, format!("agwd {name} begins in {}\n", place.words())).await;
    Ok(None)
}

fn stopping() -> Ended {
    failed("agwd is stopping")
}

/// What ran before this.
fn former(slots: &Slots) -> Result<(Place, String), Ended> {
    let state = slots.load();
    let place = state.former.ok_or_else(|| failed("nothing is known that ran before"))?;
    let version = match place {
        Place::Package => state.package.map(|package| package.version),
        slot => state.installed.get(&slot).map(|installed| installed.version.clone()),
    };
    Ok((place, version.unwrap_or_default()))
}

/// The release, if it is signed and for this gateway.
fn described(wanted: &Wanted, keys: &[[u8; 32]]) -> Result<Description, Ended> {
    let sha256 = unhex(&wanted.sha256).ok_or_else(|| failed("`sha256` has 64 hexadecimal digits"))?;
    let release = Description {
        product: wanted.product.clone(),
        version: wanted.version.clone(),
        platform: wanted.platform.clone(),
        size: wanted.size,
        sha256,
    };
    let signature = unhex::<64>(&wanted.signature).unwrap_or([0; 64]);
    release.verify(&signature, keys).map_err(|refused| match refused {
        basalt_release::Refused::NoKeys => {
            failed("this gateway trusts no key of releases: name one in its configuration, [upgrade] keys")
        }
        other => failed(other.to_string()),
    })?;
    let own = version::own();
    if (release.product.as_str(), release.platform.as_str()) != (own.product, own.platform) {
        return Err(failed(format!("this is {} for {}: {} is not for it", own.product, own.platform, release.name())));
    }
    if release.size > LARGEST {
        return Err(failed(format!("a program has {LARGEST} octets at most")));
    }
    Ok(release)
}

/// Fetches what is not there yet, however often the link goes; the file, whole.
async fn fetch(
    jobs: &mpsc::Sender<Job>,
    slots: &Slots,
    wanted: &Wanted,
    release: &Description,
    report: &Reporter,
) -> Result<PathBuf, Ended> {
    let (of, sha256) = (slots.clone(), wanted.sha256.to_ascii_lowercase());
    let file = apart(move || of.incoming(&sha256)).await?;
    let (until, mut retry) = (Instant::now() + FETCH, RETRY.0);
    let mut told = 0;
    loop {
        let there = std::fs::metadata(&file).map_or(0, |file| file.len());
        if there >= release.size {
            let whole = file.clone();
            let found = apart(move || slots::digest_of(&whole)).await?;
            if found == (release.sha256, release.size) {
                return Ok(file);
            }
            let damaged = file.clone();
            apart(move || std::fs::remove_file(&damaged)).await?;
            return Err(failed("what came is not what was signed; ask again"));
        }
        room(&file, release.size - there)?;
        let got = once(jobs, &file, wanted, (there, release.size), &mut told, report).await?;
        if Instant::now() >= until {
            return Err(failed("it did not come within a day; what came is kept, ask again"));
        }
        if let Err(why) = got {
            let now = std::fs::metadata(&file).map_or(0, |file| file.len());
            retry = if now > there { RETRY.0 } else { (retry * 2).min(RETRY.1) };
            report.running(percent(now, release.size), format!("at octet {now}: {why}; tried again\n")).await;
            tokio::time::sleep(retry).await;
        }
    }
}

fn percent(there: u64, of: u64) -> u32 {
    u32::try_from(there * 80 / of.max(1)).unwrap_or(80)
}

/// Fetches until the link goes: the inner error. The outer one ends all.
async fn once(
    jobs: &mpsc::Sender<Job>,
    file: &Path,
    wanted: &Wanted,
    (from, size): (u64, u64),
    told: &mut u32,
    report: &Reporter,
) -> Result<Result<(), String>, Ended> {
    let link = ask(jobs, |gateway| gateway.managed.link().cloned()).await.flatten().ok_or_else(stopping)?;
    let mut pieces = link.fetch(wanted.release.clone(), from).await;
    let (begun, mut there, mut waiting) = (Instant::now(), from, Vec::new());
    let mut gone = Ok(());
    while there < size && gone.is_ok() {
        match tokio::time::timeout(PIECE, pieces.recv()).await {
            Ok(Some(Ok(octets))) if there + octets.len() as u64 <= size => {
                there += octets.len() as u64;
                waiting.extend(octets);
            }
            Ok(Some(Ok(_))) => return Err(failed("more came than was signed")),
            Ok(Some(Err(why))) => gone = Err(why),
            Ok(None) => gone = Err("the link ended".to_owned()),
            Err(_) => gone = Err("nothing comes".to_owned()),
        }
        if waiting.len() >= WRITE || there == size || gone.is_err() {
            let (to, octets) = (file.to_owned(), std::mem::take(&mut waiting));
            apart(move || append(&to, &octets, there == size)).await?;
        }
        if percent(there, size) >= *told + 5 {
            *told = percent(there, size);
            report.running(*told, String::new()).await;
        }
        if wanted.rate > 0 {
            let due = Duration::from_secs_f64((there - from) as f64 / wanted.rate as f64);
            tokio::time::sleep_until(begun + due).await;
        }
    }
    Ok(gone)
}

fn append(file: &Path, octets: &[u8], last: bool) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
    file.write_all(octets)?;
    if last { file.sync_all() } else { Ok(()) }
}

/// Refuses to fill the disk.
fn room(file: &Path, wanted: u64) -> Result<(), Ended> {
    let folder = file.parent().and_then(|folder| CString::new(folder.as_os_str().as_bytes()).ok());
    let folder = folder.ok_or_else(|| failed("the folder has no name"))?;
    // SAFETY: all octets zero is a valid value of this plain structure.
    let mut about: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the name is terminated and the structure alive.
    if unsafe { libc::statvfs(folder.as_ptr(), &raw mut about) } != 0 {
        return Err(failed(io::Error::last_os_error().to_string()));
    }
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    if free < wanted.saturating_add(RESERVE) {
        let words = format!("the disk has {free} octets free, and {wanted} would have to leave {RESERVE} of them");
        return Err(failed(words));
    }
    Ok(())
}

/// Whether the new program runs here at all, is what it was said to be, and takes the configuration.
async fn looked_at(program: &Path, version: &str) -> Result<(), Ended> {
    let said = said(program, &["--version".into()]).await?;
    if said.trim() != format!("{} {version}", version::PRODUCT) {
        let words: String = said.trim().chars().take(80).collect();
        return Err(failed(format!("the new program says that it is `{}`", words.escape_debug())));
    }
    let mut words = slots::own_words();
    words.push("--check".into());
    self::said(program, &words).await.map(|_| ())
}

async fn said(program: &Path, words: &[std::ffi::OsString]) -> Result<String, Ended> {
    let mut command = tokio::process::Command::new(program);
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(SAY, command.output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(Ok(output)) => {
            let text = String::from_utf8_lossy(&output.stderr).trim().chars().take(2000).collect::<String>();
            Err(failed(format!("the new program refuses ({}): {text}", output.status)))
        }
        Ok(Err(error)) => Err(failed(format!("the new program cannot be started: {error}"))),
        Err(_) => Err(failed("the new program does not answer")),
    }
}

/// Does something with the disk apart from the loop.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Ended> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| failed(error.to_string())),
        Err(_) => Err(stopping()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_release::hex;
    use serde_json::json;

    fn wanted(change: impl FnOnce(&mut Description), seed: [u8; 32]) -> Wanted {
        let own = version::own();
        let mut release = Description {
            product: own.product.to_owned(),
            version: "99.0.0".to_owned(),
            platform: own.platform.to_owned(),
            size: 10,
            sha256: [1; 32],
        };
        change(&mut release);
        let signature = hex(&release.sign(&seed).unwrap());
        serde_json::from_value(json!({
            "release": release.name(), "product": release.product, "version": release.version,
            "platform": release.platform, "size": release.size, "sha256": hex(&release.sha256), "signature": signature,
        }))
        .unwrap()
    }

    #[test]
    fn only_what_is_signed_for_this_gateway_is_fetched() {
        let keys = [basalt_release::public_key(&[1; 32]).unwrap()];
        assert!(described(&wanted(|_| {}, [1; 32]), &keys).is_ok());
        let refused = |wanted: Wanted, keys: &[[u8; 32]], word: &str| {
            let (state, words) = described(&wanted, keys).unwrap_err();
            assert!(state == CommandState::Failed && words.contains(word), "{words}");
        };
        refused(wanted(|_| {}, [1; 32]), &[], "[upgrade] keys");
        refused(wanted(|_| {}, [2; 32]), &keys, "signature");
        refused(wanted(|it| it.platform = "riscv-moon".to_owned(), [1; 32]), &keys, "not for it");
        refused(wanted(|it| it.product = "fegd".to_owned(), [1; 32]), &keys, "not for it");
        refused(wanted(|it| it.size = LARGEST + 1, [1; 32]), &keys, "at most");
        refused(Wanted { size: 11, ..wanted(|_| {}, [1; 32]) }, &keys, "signature");
        refused(Wanted::default(), &keys, "sha256");
    }

    #[test]
    fn a_full_disk_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        assert!(room(&file, 1).is_ok());
        assert!(room(&file, u64::MAX / 2).unwrap_err().1.contains("octets free"));
    }
}
