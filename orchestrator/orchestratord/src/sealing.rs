//! Where the sealing key comes from: a file, a credential of systemd, the environment, or a program that asks a key manager.

use crate::settings::Settings;
use anyhow::{Context, Result, bail, ensure};
use basalt_security::{SEALING_NONCE, SealedKey, SealingKey, Secret};
use orchestrator_db::{Exchange, Repository};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program that asks a key manager may print so much.
const PRINTED: usize = 4096;

/// One place to have a key from; exactly one of its fields is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Place {
    /// A file of 32 octets that only its owner may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// The name of a credential that systemd loads (`LoadCredential=`, `LoadCredentialEncrypted=`): sealed to a TPM where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    /// The name of a variable of the environment, 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    /// A program and its words, which prints 32 octets or 64 hexadecimal digits: the way to a key manager.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
}

/// The key that seals, from one place, and those that open while keys are exchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sealing {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
    /// Others that open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<Place>,
}

/// Beside the key file: a key that opens too, until everything is sealed anew.
pub(crate) fn former(data_dir: &Path) -> PathBuf {
    data_dir.join("sealing.former.key")
}

/// The key file, where the key comes from one.
pub(crate) fn file(settings: &Settings) -> Option<PathBuf> {
    let place = settings.sealing.key();
    match (place.file.clone(), place.is_set()) {
        (Some(path), _) => Some(path),
        (None, false) => Some(settings.data_dir.join("sealing.key")),
        (None, true) => None,
    }
}

/// The key for the daemon. A database in which something is sealed already has a key: it is neither made anew nor exchanged by chance,
/// as it would be by a replica that was started without it.
pub(crate) async fn open_for(settings: &Settings, db: &dyn Repository) -> Result<SealingKey> {
    let Some(held) = db.setting(orchestrator_fleet::AUTHORITY_SETTING, None).await? else { return open(settings) };
    let key = existing(settings).context(NEEDED)?;
    let sealed = held.split_once('\n').and_then(|(sealed, _)| SealedKey::from_hex(sealed));
    let sealed = sealed.context("the certificate authority's key in the database is damaged")?;
    let opened = key.open_named(orchestrator_fleet::AUTHORITY_SEALED_AS, &sealed);
    ensure!(opened.is_ok(), "this sealing key does not open what is sealed in the database: {NEEDED}");
    Ok(key)
}

/// What is to be done where there is no key, or a wrong one.
const NEEDED: &str = "the database has secrets that another sealing key sealed: give this replica the key of the first one (a copy of its \
                      sealing.key in the data directory, mode 0600, or [sealing] in the settings)";

/// The key of an installation that begins. Its file is made when it is the usual one and not there.
fn open(settings: &Settings) -> Result<SealingKey> {
    let sealing = &settings.sealing;
    let own = if sealing.key().is_set() {
        sealing.key().read().context("sealing")?
    } else {
        let random = |key: &mut [u8; 32]| getrandom::fill(key).map_err(std::io::Error::other);
        SealingKey::load_or_create(&settings.data_dir.join("sealing.key"), random)?
    };
    with_others(own, settings)
}

/// The key, which must be there.
pub(crate) fn existing(settings: &Settings) -> Result<SealingKey> {
    let sealing = &settings.sealing;
    let own = if sealing.key().is_set() {
        sealing.key().read().context("sealing")?
    } else {
        SealingKey::load_existing(&settings.data_dir.join("sealing.key"))?
    };
    with_others(own, settings)
}

fn with_others(mut key: SealingKey, settings: &Settings) -> Result<SealingKey> {
    for place in &settings.sealing.also {
        key = key.and(place.read().context("sealing.also")?);
    }
    let former = former(&settings.data_dir);
    if former.exists() {
        key = key.and(SealingKey::load_existing(&former)?);
    }
    Ok(key)
}

impl Sealing {
    /// Nothing is said: the data directory's file.
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    fn key(&self) -> Place {
        let (file, credential) = (self.file.clone(), self.credential.clone());
        Place { file, credential, environment: self.environment.clone(), command: self.command.clone() }
    }

    /// Each place says one thing.
    pub(crate) fn check(&self) -> Result<()> {
        let own = self.key();
        for place in std::iter::once(&own).filter(|place| place.is_set()).chain(&self.also) {
            let said = [
                place.file.is_some(),
                place.credential.is_some(),
                place.environment.is_some(),
                !place.command.is_empty(),
            ];
            let said = said.into_iter().filter(|there| *there).count();
            ensure!(said == 1, "a sealing key comes from one of file, credential, environment, command");
        }
        Ok(())
    }
}

impl Place {
    fn is_set(&self) -> bool {
        *self != Self::default()
    }

    fn read(&self) -> Result<SealingKey> {
        if let Some(path) = &self.file {
            return Ok(SealingKey::load_existing(path)?);
        }
        let text = if let Some(name) = &self.credential {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY");
            let folder = folder.context("there are no credentials: name LoadCredential= in the unit")?;
            ensure!(!name.contains('/') && !name.starts_with('.'), "`{name}` is no name of a credential");
            let path = Path::new(&folder).join(name);
            zeroizing(std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?)
        } else if let Some(name) = &self.environment {
            let value = std::env::var(name).with_context(|| format!("{name} is not in the environment"))?;
            zeroizing(value.into_bytes())
        } else {
            self.ask()?
        };
        key(text.expose()).context("that is no sealing key: 32 octets, or 64 hexadecimal digits")
    }

    fn ask(&self) -> Result<Secret<Vec<u8>>> {
        let (program, words) = self.command.split_first().context("a program for the sealing key is not named")?;
        let output = Command::new(program).args(words).output();
        let output = output.with_context(|| format!("{program} cannot be run"))?;
        let printed = zeroizing(output.stdout);
        if !output.status.success() {
            // What it says on standard error is for people; what it printed may be the key.
            let said = String::from_utf8_lossy(&output.stderr);
            let said: String = said.chars().take(500).collect();
            bail!("{program} gave no sealing key ({}): {}", output.status, said.trim());
        }
        ensure!(printed.expose().len() <= PRINTED, "{program} printed more than a key");
        Ok(printed)
    }
}

fn zeroizing(octets: Vec<u8>) -> Secret<Vec<u8>> {
    Secret::new(octets)
}

fn key(text: &[u8]) -> Option<SealingKey> {
    if let Ok(key) = <[u8; 32]>::try_from(text) {
        return Some(SealingKey::from_octets(Secret::new(key)));
    }
    let digits = text.trim_ascii();
    let mut key = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (octet, pair) in key.iter_mut().zip(digits.chunks(2)) {
        let text = core::str::from_utf8(pair).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *octet = u8::from_str_radix(text, 16).ok()?;
    }
    Some(SealingKey::from_octets(Secret::new(key)))
}

/// Seals everything in a database with the key that seals now. How many values were exchanged; orchestrators may run meanwhile that
/// know both keys.
pub(crate) async fn exchange(db: &dyn Repository, key: &SealingKey) -> Result<u64> {
    Ok(db.exchange_sealed(&Anew { key, alone: key.alone() }).await?)
}

struct Anew<'a> {
    key: &'a SealingKey,
    alone: SealingKey,
}

impl Anew<'_> {
    fn anew(&self, name: &str, sealed: &str) -> Result<Option<String>, orchestrator_db::Error> {
        let closed = || orchestrator_db::Error::Copy(format!("{name} does not open with any of the keys"));
        let sealed = SealedKey::from_hex(sealed).ok_or_else(closed)?;
        if self.alone.open_named(name, &sealed).is_ok() {
            return Ok(None);
        }
        let opened = self.key.open_named(name, &sealed).map_err(|_| closed())?;
        let mut nonce = [0; SEALING_NONCE];
        getrandom::fill(&mut nonce).map_err(|_| orchestrator_db::Error::Copy("there is no randomness".to_owned()))?;
        Ok(Some(self.key.seal_named(name, nonce, opened.expose()).to_hex()))
    }
}

impl Exchange for Anew<'_> {
    fn object(&self, target: &str, sealed: &str) -> Result<Option<String>, orchestrator_db::Error> {
        self.anew(target, sealed)
    }

    fn setting(&self, name: &str, value: &str) -> Result<Option<String>, orchestrator_db::Error> {
        if !orchestrator_fleet::holds_authority_key(name) {
            return Ok(None);
        }
        let (sealed, rest) = value.split_once('\n').unwrap_or((value, ""));
        let new = self.anew(orchestrator_fleet::AUTHORITY_SEALED_AS, sealed)?;
        Ok(new.map(|new| format!("{new}\n{rest}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn place(text: &str) -> Place {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_program_prints_the_key_or_says_why_not() {
        let sealed = SealingKey::from_octets(Secret::new([0xab; 32])).seal_named("x", [1; SEALING_NONCE], b"y");
        let digits = "ab".repeat(32);
        let read = place(&format!("command = ['/bin/sh', '-c', 'echo {digits}']")).read().unwrap();
        assert!(read.open_named("x", &sealed).is_ok());
        let failed = place("command = ['/bin/sh', '-c', 'echo secret; echo denied >&2; exit 3']").read().unwrap_err();
        let words = format!("{failed:#}");
        assert!(words.contains("denied") && !words.contains("secret"), "{words}");
        assert!(place("command = ['/bin/sh', '-c', 'echo short']").read().is_err());
        assert!(place("command = ['/nonexistent']").read().is_err());
        assert!(place("environment = 'BASALT_NO_SUCH_VARIABLE'").read().is_err());
        assert!(place("credential = '../x'").read().is_err());
    }

    #[test]
    fn a_key_comes_from_one_place() {
        let check = |text: &str| toml::from_str::<Sealing>(text).unwrap().check();
        assert!(check("").is_ok() && check("file = '/k'").is_ok());
        assert!(check("file = '/k'\nenvironment = 'K'").is_err());
        assert!(check("[[also]]\nfile = '/k'\ncredential = 'k'").is_err());
        assert!(check("[[also]]").is_err());
    }
}
