//! Puts the scenarios into the executable: `SCENARIOS`, sorted by name. Those in a folder have its name and a slash before their own.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new("scenarios");
    let mut files = Vec::new();
    find(folder, "", &mut files)?;
    files.sort();
    let mut code = String::from("/// Names and texts.\nconst SCENARIOS: &[(&str, &str)] = &[\n");
    for (name, path) in files {
        code += &format!("    ({name:?}, include_str!({:?})),\n", path.canonicalize()?);
    }
    code += "];\n";
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(PathBuf::from(out).join("scenarios.rs"), code)
}

fn find(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = format!("{prefix}{}", path.file_stem().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            find(&path, &format!("{name}/"), files)?;
        } else if path.extension().is_some_and(|extension| extension == "scenario") {
            files.push((name, path));
        }
    }
    Ok(())
}
