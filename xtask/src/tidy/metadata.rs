//! The workspace as cargo sees it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::env;

/// All packages, our own among them.
pub(crate) struct Workspace {
    /// Our own, by name.
    pub(crate) rooms: BTreeMap<String, Room>,
    /// Everything that is linked into something, with its licence.
    pub(crate) foreign: Vec<Foreign>,
}

/// A package of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) name: String,
    /// Its folder below the root: `crates/ids`.
    pub(crate) folder: String,
    /// `ids`, `codec`, `core`, `driver`, `api` or `tool`.
    pub(crate) layer: String,
    pub(crate) licence: String,
    /// Names of packages that it is built with, tests apart.
    pub(crate) dependencies: Vec<String>,
}

impl Room {
    /// Whether laws 1 and 2 hold for it: no runtime, clock, socket, file, thread or entropy.
    pub(crate) fn is_pure(&self) -> bool {
        ["ids", "codec", "core"].contains(&self.layer.as_str())
    }
}

/// A package of somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    workspace_root: String,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    manifest_path: String,
    dependencies: Vec<Dependency>,
    metadata: Option<Tags>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Tags {
    basalt: Option<Basalt>,
}

#[derive(Deserialize)]
struct Basalt {
    layer: String,
}

impl Workspace {
    /// Asks cargo, for the machines that Basalt runs on.
    pub(crate) fn load() -> Result<Self> {
        let target = "x86_64-unknown-linux-gnu";
        let mut cargo = env::cargo(&["metadata", "--format-version", "1", "--filter-platform", target])?;
        let output = cargo.output().context("cannot run cargo")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
        Ok(Self::from(metadata))
    }
}

impl From<Metadata> for Workspace {
    fn from(metadata: Metadata) -> Self {
        let mut workspace = Self { rooms: BTreeMap::new(), foreign: Vec::new() };
        for package in metadata.packages {
            if metadata.workspace_members.contains(&package.id) {
                let room = room(package, &metadata.workspace_root);
                workspace.rooms.insert(room.name.clone(), room);
            } else {
                let Package { name, version, license, .. } = package;
                workspace.foreign.push(Foreign { name, version, licence: license });
            }
        }
        workspace
    }
}

fn room(package: Package, root: &str) -> Room {
    let folder = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path);
    let folder = folder.trim_start_matches('/').trim_end_matches("/Cargo.toml").to_owned();
    let built_with = package.dependencies.into_iter().filter(|it| it.kind.as_deref() != Some("dev"));
    Room {
        name: package.name,
        folder,
        layer: package.metadata.and_then(|tags| tags.basalt).map(|basalt| basalt.layer).unwrap_or_default(),
        licence: package.license.unwrap_or_default(),
        dependencies: built_with.map(|dependency| dependency.name).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn tests_dependencies_are_left_out_and_layers_read() {
        let text = r#"{"workspace_root":"/w","workspace_members":["a"],"packages":[
            {"id":"a","name":"basalt-a","version":"0.1.0","license":"Apache-2.0","manifest_path":"/w/crates/a/Cargo.toml",
             "dependencies":[{"name":"serde","kind":null},{"name":"proptest","kind":"dev"},{"name":"cc","kind":"build"}],
             "metadata":{"basalt":{"layer":"codec"}}},
            {"id":"s","name":"serde","version":"1.0.0","license":"MIT","manifest_path":"/x/Cargo.toml","dependencies":[],"metadata":null}]}"#;
        let workspace = Workspace::from(serde_json::from_str::<Metadata>(text).unwrap());
        let room = &workspace.rooms["basalt-a"];
        assert_eq!((room.folder.as_str(), room.layer.as_str()), ("crates/a", "codec"));
        assert_eq!(room.dependencies, ["serde", "cc"]);
        assert_eq!(workspace.foreign[0].name, "serde");
    }
}
