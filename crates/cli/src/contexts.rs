//! Where commands go: a gateway's socket or an orchestrator, by name, kept in a file that only its owner reads.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The one that is used when none is named.
    pub(crate) current: Option<String>,
    #[serde(default, rename = "context")]
    pub(crate) all: BTreeMap<String, Context>,
}

/// One of them.
#[derive(Default, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Address of an orchestrator's REST interface.
    pub(crate) orchestrator: Option<String>,
    /// Network that is meant when none is named.
    pub(crate) network: Option<String>,
    /// API key or session.
    pub(crate) api_key: Option<String>,
    /// File with the API key, in place of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// File of the authorities that the orchestrator's certificate must come from; those of the system, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// Control socket of a gateway.
    pub(crate) socket: Option<PathBuf>,
}

impl core::fmt::Debug for Context {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Context").field("orchestrator", &self.orchestrator).field("socket", &self.socket).finish()
    }
}

impl Context {
    /// The key, from wherever it is.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub(crate) fn key(&self) -> Result<Option<String>> {
        match (&self.api_key, &self.api_key_file) {
            (None, Some(file)) => key_of(file).map(Some),
            (key, _) => Ok(key.clone()),
        }
    }
}

/// An API key from a file.
///
/// # Errors
/// It cannot be read.
pub(crate) fn key_of(file: &Path) -> Result<String> {
    let read = fs::read_to_string(file);
    read.map(|text| text.trim().to_owned()).map_err(|error| {
        let words = format!("the API key's file {} cannot be read: {error}", file.display());
        Error::usage(words, "name another by --api-key-file, or give the key by BASALT_API_KEY")
    })
}

impl Contexts {
    /// Where the file is, when it is not said: `basalt/contexts.toml` in the user's configuration folder.
    pub(crate) fn usual_path() -> Option<PathBuf> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
        Some(folder.join("basalt/contexts.toml"))
    }

    /// Reads the file; no file is no context.
    ///
    /// # Errors
    /// It cannot be read, or is none of ours.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                let words = format!("{} cannot be read: {error}", path.display());
                return Err(Error::usage(words, "make it readable, or name another by --contexts"));
            }
        };
        // What toml says shows the line it is about, and a line may hold a key.
        toml::from_str(&text).map_err(|error: toml::de::Error| {
            let words = format!("{} is no file of contexts: {}", path.display(), error.message());
            Error::usage(words, "correct or remove it; `basalt context add` makes it anew")
        })
    }

    /// Writes the file, readable by its owner only; whoever reads sees the old or the new one.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(std::io::Error::other)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = path.with_extension("new");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(fs::rename(&new, path)?)
    }

    /// The context of this name, or the current one.
    ///
    /// # Errors
    /// There is none of this name.
    pub(crate) fn take(&self, name: Option<&str>) -> Result<Option<Context>> {
        let Some(name) = name.or(self.current.as_deref()) else { return Ok(None) };
        let found = self.all.get(name).cloned();
        found.map(Some).ok_or_else(|| {
            let words = format!("there is no context `{}`", name.escape_debug());
            Error::usage(words, "`basalt context list` shows them, `basalt context add` makes one")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn contexts_are_kept_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/contexts.toml");
        assert!(Contexts::read(&path).unwrap().take(None).unwrap().is_none());
        let mut contexts = Contexts::default();
        let context = Context { api_key: Some("bst_secret".to_owned()), ..Context::default() };
        assert!(!format!("{context:?}").contains("secret"));
        contexts.all.insert("lab".to_owned(), context);
        contexts.current = Some("lab".to_owned());
        contexts.write(&path).unwrap();
        contexts.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = Contexts::read(&path).unwrap();
        assert_eq!(read.take(None).unwrap().unwrap().api_key.unwrap(), "bst_secret");
        assert!(read.take(Some("other")).is_err());
        fs::write(&path, "[context.lab]\napi_key = \"bst_secret\" x\n").unwrap();
        assert!(!Contexts::read(&path).err().unwrap().to_string().contains("bst_secret"));
    }
}
