//! The bill of materials: which crates, in which versions and under which licences, are in each program (CycloneDX 1.5).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::deb::Release;
use crate::env;

/// The packages whose programs are shipped.
const SHIPPED: [&str; 4] = ["agwd", "basalt-cli", "orchestratord", "fegd"];

/// Writes `basalt-VERSION.cdx.json`.
pub(super) fn write(release: &Release, into: &Path) -> Result<()> {
    let mut lines = Vec::new();
    for package in SHIPPED {
        let args =
            ["tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "--no-dedupe", "-f", "{p}|{l}"];
        let output = env::cargo(&args)?.output()?;
        if !output.status.success() {
            bail!("cargo tree: {}", String::from_utf8_lossy(&output.stderr));
        }
        lines.extend(String::from_utf8(output.stdout)?.lines().map(str::to_owned));
    }
    lines.sort();
    lines.dedup();
    let components: Vec<Value> = lines.iter().filter_map(|line| component(line)).collect();
    if components.is_empty() {
        bail!("cargo tree names no crate");
    }
    let time =
        env::output("date", &["--utc", "-d", &format!("@{}", release.epoch), "+%Y-%m-%dT%H:%M:%SZ"]).context("date")?;
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time,
            "component": {"type": "application", "name": "basalt", "version": release.version},
        },
        "components": components,
    });
    fs::write(into.join(format!("basalt-{}.cdx.json", release.version)), format!("{bill:#}\n"))?;
    Ok(())
}

/// Of a line of `cargo tree`: `NAME vVERSION [(proc-macro)] [(PATH)]|LICENCE`. Our own rooms are the application itself.
fn component(line: &str) -> Option<Value> {
    let (package, licence) = line.split_once('|')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let vendored = package.contains("/third_party/");
    if words.any(|word| word.starts_with("(/")) && !vendored {
        return None;
    }
    Some(json!({
        "type": "library",
        "name": name,
        "version": version,
        "purl": format!("pkg:cargo/{name}@{version}"),
        "licenses": [{"expression": licence.replace('/', " OR ").replace("  ", " ")}],
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn crates_of_others_are_listed_and_ours_are_the_application() {
        let serde = component("serde v1.0.228|MIT OR Apache-2.0").unwrap();
        assert_eq!(serde["purl"], "pkg:cargo/serde@1.0.228");
        assert_eq!(serde["licenses"][0]["expression"], "MIT OR Apache-2.0");
        let old = component("x v1.0.0 (proc-macro)|MIT/Apache-2.0").unwrap();
        assert_eq!(old["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert!(component("agwd v0.1.0 (/home/me/basalt/agw/agwd)|Apache-2.0").is_none());
        assert!(component("dcsctp v0.1.16 (/home/me/basalt/third_party/dcsctp)|Apache-2.0").is_some());
    }
}
