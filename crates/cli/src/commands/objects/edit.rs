//! Editing an object in the user's own editor.

use super::Orchestrator;
use crate::documents::{self, Document};
use crate::error::{Error, Result};
use crate::kinds::Kind;
use crate::output::Out;
use crate::rest::Request;
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Opens an object in `$VISUAL` or `$EDITOR`, and applies what was written, unless somebody else changed it meanwhile.
pub(in crate::commands) async fn edit(kind: &Kind, name: &str, at: &Orchestrator, out: &mut Out<'_>) -> Result<()> {
    let path = kind.path(at.network.as_deref(), Some(name))?;
    let object = at.ask("GET", &path, None).await?;
    let shown = Document::shown(kind, at.shown_network(), &object);
    let before = serde_yaml_ng::to_string(&shown).map_err(std::io::Error::other)?;
    let file = scratch(&before)?;
    let Some(documents) = with_editor(&file, &before, at)? else {
        // There is nothing in it that is worth keeping.
        let _ = fs::remove_file(&file);
        return Ok(out.note("nothing was changed")?);
    };
    let kept = || format!("what you wrote is in {}", file.display());
    let [document] = documents.as_slice() else {
        return Err(Error::usage("there is more than one object in it", kept()));
    };
    if document.kind != kind || document.name != name {
        return Err(Error::usage("kind and name cannot be changed by editing", kept()));
    }
    let mut request = Request::new("PUT", &path);
    request.body = Some(document.body.to_string().into_bytes());
    request.if_match = object.get("revision").and_then(Value::as_u64);
    match at.send(&request).await {
        Ok(_) => {
            // The orchestrator has it.
            let _ = fs::remove_file(&file);
            Ok(out.line(&format!("{} changed", document.title()))?)
        }
        Err(Error::Refused { code, what, fix }) => {
            let fix = if fix.is_empty() { kept() } else { format!("{fix}; {}", kept()) };
            Err(Error::Refused { code, what, fix })
        }
        Err(other) => Err(other),
    }
}

/// A file of the user's own in the folder for temporary ones; one that exists is never opened.
fn scratch(text: &str) -> Result<PathBuf> {
    for number in 0..100_u32 {
        let path = std::env::temp_dir().join(format!("basalt-edit-{}-{number}.yaml", std::process::id()));
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                return Ok(path);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::usage("there is no free name for a temporary file", "remove basalt-edit-* from the temporary folder"))
}

fn with_editor(file: &Path, before: &str, at: &Orchestrator) -> Result<Option<Vec<Document>>> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    // As git and kubectl do: the variable may hold options.
    let status = Command::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(file).status();
    match status {
        Ok(status) if status.success() => {}
        Ok(_) => {
            return Err(Error::usage(
                "the editor ended with a failure: nothing was changed",
                "set EDITOR to one that works",
            ));
        }
        Err(error) => return Err(Error::usage(format!("no editor can be started: {error}"), "set EDITOR")),
    }
    if fs::read_to_string(file)? == before {
        return Ok(None);
    }
    let mut nothing = std::io::empty();
    documents::read(file, at.network.as_deref(), &mut nothing).map(Some)
}
