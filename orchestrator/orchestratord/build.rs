//! Lists the files of the built console (`nms-ui/dist`), so that the daemon carries them. It builds nothing and fetches
//! nothing: where the console was not built before, the list is empty and the daemon says how to build it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = root.join("../../nms-ui/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        walk(&dist.canonicalize()?, &mut files)?;
    }
    files.sort();
    let mut text = String::from("&[\n");
    for path in files.iter().filter(|path| !is_compressed(path)) {
        let base = dist.canonicalize()?;
        let Ok(relative) = path.strip_prefix(&base) else { continue };
        let beside = |ending: &str| {
            let other = PathBuf::from(format!("{}.{ending}", path.display()));
            if other.is_file() {
                format!("Some(include_bytes!({:?}))", other.display().to_string())
            } else {
                "None".to_owned()
            }
        };
        let _ = writeln!(
            text,
            "    Embedded {{ path: {:?}, plain: include_bytes!({:?}), brotli: {}, gzip: {} }},",
            format!("/{}", relative.display()),
            path.display().to_string(),
            beside("br"),
            beside("gz"),
        );
    }
    text.push(']');
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::write(out.join("console.rs"), text)
}

/// Everything that a browser may ask for; what begins with a dot is the build's own.
fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if path.is_dir() {
            walk(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "br" || ending == "gz")
}
