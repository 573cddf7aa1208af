//! Where the compiled XDP programs are.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// File name of the programs' object.
pub const OBJECT: &str = "basalt-bpf.o";

/// Names a file to use instead of searching.
pub const OBJECT_VARIABLE: &str = "BASALT_BPF_OBJECT";

/// The programs' object, and where it was found: `$BASALT_BPF_OBJECT`; beside the executable; in a folder `bpf` beside it or up to
/// two folders above it, as `cargo xtask ebpf` leaves it for programs and tests in `target`; in `../lib/basalt`, as packages have it.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] with the places that were looked at; any other error of reading the file.
pub fn object() -> io::Result<(PathBuf, Vec<u8>)> {
    named(OBJECT)
}

/// As [`object`], for another object of the same build.
///
/// # Errors
/// As [`object`].
pub fn named(name: &str) -> io::Result<(PathBuf, Vec<u8>)> {
    let places = places(name);
    for path in &places {
        match fs::read(path) {
            Ok(octets) => return Ok((path.clone(), octets)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        }
    }
    let list: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
    let text = format!("no {name}; looked at {}; `cargo xtask ebpf` builds it", list.join(", "));
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}

fn places(name: &str) -> Vec<PathBuf> {
    if name == OBJECT
        && let Some(path) = env::var_os(OBJECT_VARIABLE)
    {
        return vec![path.into()];
    }
    let executable = env::current_exe().unwrap_or_default();
    let mut places = Vec::new();
    for (height, folder) in executable.ancestors().skip(1).take(3).enumerate() {
        if height == 0 {
            places.push(folder.join(name));
        }
        if height == 1 {
            places.push(folder.join("lib/basalt").join(name));
        }
        places.push(folder.join("bpf").join(name));
    }
    places.push(Path::new("target/bpf").join(name));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_object_is_reported_with_the_places() {
        let error = named("no-such-object.o").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("bpf/no-such-object.o"));
    }
}
