//! What keeps the house readable: sizes of files, a map that is true, no names of registries.

use anyhow::Result;

use super::metadata::Workspace;
use super::{Files, Finding, allowed};

/// Lines of a source file above which one asks why, and above which there must be an answer in its head:
/// `// tidy: allow-file(length): REASON`.
const ASK: usize = 500;
const TOO_LONG: usize = 800;

const SOURCES: [&str; 5] = ["rs", "ts", "tsx", "py", "sh"];

pub(crate) fn check(workspace: &Workspace, files: &Files) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for name in SOURCES.iter().flat_map(|extension| files.with_extension(extension)) {
        findings.extend(files.text(name).and_then(|text| too_long(name, &text)));
    }
    findings.extend(map(workspace, files));
    findings.extend(lints(workspace, files));
    findings.extend(registries(files));
    Ok(findings)
}

fn too_long(name: &str, text: &str) -> Option<Finding> {
    let lines: Vec<&str> = text.lines().collect();
    let explained = allowed(&lines, 0, "length");
    let warning = lines.len() <= TOO_LONG;
    if lines.len() <= ASK || explained {
        return None;
    }
    let what = format!("{} lines: split it, or say in its head why not", lines.len());
    Some(Finding { warning, ..Finding::new(name, 0, "length", what) })
}

/// Every room is on the map, and everything on the map is there.
fn map(workspace: &Workspace, files: &Files) -> Vec<Finding> {
    let Some(text) = files.text("ARCHITECTURE.md") else {
        return vec![Finding::new("ARCHITECTURE.md", 0, "map", "is missing")];
    };
    let on_map: Vec<(usize, &str)> =
        text.lines().enumerate().filter_map(|(index, line)| Some((index, room_of_row(line)?))).collect();
    let missing = workspace.rooms.values().filter(|room| !on_map.iter().any(|(_, folder)| *folder == room.folder));
    let missing = missing.map(|room| {
        Finding::new("ARCHITECTURE.md", 0, "map", format!("the room {} has no row in the table of rooms", room.folder))
    });
    let gone = on_map.iter().filter(|(_, folder)| {
        let inside = format!("{folder}/");
        !files.names().any(|name| name.starts_with(&inside))
    });
    let gone =
        gone.map(|(index, folder)| Finding::new("ARCHITECTURE.md", index + 1, "map", format!("there is no {folder}")));
    missing.chain(gone).collect()
}

/// The folder that a row of a table begins with: "| `crates/ids` | ...".
fn room_of_row(line: &str) -> Option<&str> {
    let (folder, _) = line.strip_prefix("| `")?.split_once("` |")?;
    let plain = folder.chars().all(|c| c.is_ascii_alphanumeric() || "/-_".contains(c));
    (plain && !folder.contains('.')).then_some(folder)
}

/// Every package of ours has the lints of the workspace.
fn lints(workspace: &Workspace, files: &Files) -> Vec<Finding> {
    let without = workspace.rooms.values().filter_map(|room| {
        let name = format!("{}/Cargo.toml", room.folder);
        let text = files.text(&name)?;
        let has = text.contains("[lints]\nworkspace = true");
        (!has).then(|| Finding::new(name, 0, "lints", "`[lints] workspace = true` is missing"))
    });
    without.collect()
}

/// Packages are named, the hosts that serve them are not: which one serves them is everybody's own configuration.
fn registries(files: &Files) -> Vec<Finding> {
    // Put together here, so that this file does not name them either.
    let hosts = [
        ["crates", "io"].join("."),
        ["pypi", "org"].join("."),
        ["npmjs", "org"].join("."),
        ["npmjs", "com"].join("."),
        ["deb", "debian", "org"].join("."),
        ["pythonhosted", "org"].join("."),
    ];
    let mut findings = Vec::new();
    // Lock files are written by their tools.
    let texts = files.names().filter(|name| !name.ends_with(".lock") && !name.ends_with("package-lock.json"));
    for name in texts {
        let Some(text) = files.text(name) else { continue };
        for (index, line) in text.lines().enumerate() {
            if let Some(host) = hosts.iter().find(|host| line.contains(host.as_str())) {
                findings.push(Finding::new(name, index + 1, "registry", format!("names {host}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_explain_themselves() {
        let lines = |count: usize| "x\n".repeat(count);
        assert_eq!(too_long("a.rs", &lines(500)), None);
        assert!(too_long("a.rs", &lines(501)).is_some_and(|finding| finding.warning));
        assert!(too_long("a.rs", &lines(801)).is_some_and(|finding| !finding.warning));
        let explained = format!("//! A table.\n// tidy: allow-file(length): one row per cause\n{}", lines(900));
        assert_eq!(too_long("a.rs", &explained), None);
    }

    #[test]
    fn rows_of_the_map_are_read() {
        assert_eq!(room_of_row("| `crates/ids` | identities | logic |"), Some("crates/ids"));
        assert_eq!(room_of_row("| `xtask` | tasks | |"), Some("xtask"));
        assert_eq!(room_of_row("| a NAS procedure | `agw/mobility/src/eps/x.rs` |"), None);
        assert_eq!(room_of_row("| `agw/mobility/src/collision.rs` | |"), None);
    }
}
