//! `cargo xtask ebpf`: builds the XDP programs.
//!
//! They need a compiler with a `core` for BPF. In this order: the one named by `$BASALT_BPF_RUSTC`; a rustup nightly that has
//! rust-src; Debian's `rustc-web` with `libstd-rust-web-dev-bpf`. And `bpf-linker`, built with an LLVM at least as new as the
//! compiler's. The result is `<target>/bpf/basalt-bpf.o`, and `basalt-bpf-bench.o` beside it; neither is committed.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "bpfel-unknown-none";
/// The crates that may use `asm!` for BPF, which a stable compiler does not allow otherwise.
const BOOTSTRAP: &str = "aya_ebpf,basalt_ebpf_abi,basalt_programs";
const OBJECTS: [&str; 2] = ["basalt-bpf", "basalt-bpf-bench"];

const INSTRUCTIONS: &str = "\
No compiler for BPF was found. Either of these helps:
  Debian 12:  apt-get install --no-install-recommends rustc-web libstd-rust-web-dev-bpf llvm-22-dev
  elsewhere:  rustup toolchain install nightly --component rust-src
and the linker:
  LLVM_PREFIX=$(llvm-config-22 --prefix) cargo install bpf-linker --version 0.13.0 \\
      --locked --no-default-features --features llvm-22
`make demo` and `make test` install them by themselves on Debian and Ubuntu.";

/// Builds the programs and gives the path of the gateway's object. A `release` build and another one differ in debug information
/// only: an unoptimised program would not pass the verifier.
///
/// # Errors
/// No compiler or linker (with instructions), a compiler error, or an object in which a panic path survived.
pub fn build(release: bool) -> Result<PathBuf> {
    let root = workspace_root()?;
    let target = target_dir(&root);
    let out = target.join("bpf");
    fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    linker()?;
    let mut command = compiler()?.command();
    command
        .current_dir(root.join("ebpf/programs"))
        .env("CARGO_TARGET_DIR", out.join("build"))
        .args(["build", "--locked", "--quiet", "--bins", "--target", TARGET])
        // Set by the cargo that runs us, and not meant for BPF.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    if release {
        command.arg("--release");
    }
    let status = command.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("building ebpf/programs failed ({status})");
    }
    let built = out.join("build").join(TARGET).join(if release { "release" } else { "debug" });
    for name in OBJECTS {
        install(&built.join(name), &out.join(format!("{name}.o")))?;
    }
    Ok(out.join("basalt-bpf.o"))
}

/// Copies an object to its place, unless the verifier would refuse it.
fn install(from: &Path, to: &Path) -> Result<()> {
    let object = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    let symbols = symbols(&object).with_context(|| format!("{} is no object", from.display()))?;
    let panics: Vec<&str> = symbols.iter().map(String::as_str).filter(|name| name.contains("panicking")).collect();
    if !panics.is_empty() {
        bail!(
            "{}: a panic path survived, so the kernel would refuse the program: {}",
            from.display(),
            panics.join(", ")
        );
    }
    if fs::read(to).is_ok_and(|old| old == object) {
        return Ok(());
    }
    // Replaced in one step: a gateway may be reading it.
    let new = to.with_extension("o.new");
    fs::write(&new, &object).with_context(|| format!("cannot write {}", new.display()))?;
    fs::rename(&new, to).with_context(|| format!("cannot replace {}", to.display()))
}

/// Names in the symbol table of a 64-bit little-endian ELF file.
fn symbols(elf: &[u8]) -> Option<Vec<String>> {
    const SYMTAB: u64 = 2;
    let number = |offset: usize, size: usize| -> Option<u64> {
        let octets = elf.get(offset..offset.checked_add(size)?)?;
        Some(octets.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    };
    let place = |offset, size| number(offset, size).and_then(|n| usize::try_from(n).ok());
    if elf.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (table, entry, count) = (place(0x28, 8)?, place(0x3a, 2)?, place(0x3c, 2)?);
    let section = |index: usize| table.checked_add(index.checked_mul(entry)?);
    let mut names = Vec::new();
    for index in 0..count {
        let header = section(index)?;
        if number(header + 4, 4)? != SYMTAB {
            continue;
        }
        let (start, size) = (place(header + 0x18, 8)?, place(header + 0x20, 8)?);
        let strings = place(section(place(header + 0x28, 4)?)? + 0x18, 8)?;
        for symbol in (start..start.checked_add(size)?).step_by(24) {
            let text = elf.get(strings.checked_add(place(symbol, 4)?)?..)?;
            let name = text.split(|b| *b == 0).next()?;
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    Some(names)
}

/// A way to compile for BPF.
enum Compiler {
    /// A compiler that has `core` for BPF ready-made.
    Prebuilt(PathBuf),
    /// A rustup nightly that builds `core` itself.
    Nightly(String),
}

impl Compiler {
    fn command(&self) -> Command {
        match self {
            Compiler::Prebuilt(rustc) => {
                let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
                let mut command = Command::new(cargo);
                command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", BOOTSTRAP);
                command
            }
            Compiler::Nightly(toolchain) => {
                let mut command = Command::new("rustup");
                command
                    .args(["run", toolchain, "cargo", "-Zbuild-std=core"])
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .env_remove("CARGO")
                    .env_remove("RUSTC");
                command
            }
        }
    }
}

fn compiler() -> Result<Compiler> {
    if let Some(rustc) = std::env::var_os("BASALT_BPF_RUSTC") {
        return Ok(Compiler::Prebuilt(rustc.into()));
    }
    if let Some(toolchain) = nightly_with_source() {
        return Ok(Compiler::Nightly(toolchain));
    }
    debian().map(Compiler::Prebuilt).context(INSTRUCTIONS)
}

/// A nightly toolchain of rustup whose standard library sources are there.
fn nightly_with_source() -> Option<String> {
    let list = output(Command::new("rustup").args(["toolchain", "list"]))?;
    list.lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.starts_with("nightly"))
        .find(|name| {
            output(Command::new("rustup").args(["run", name, "rustc", "--print", "sysroot"])).is_some_and(|sysroot| {
                Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/Cargo.toml").exists()
            })
        })
        .map(str::to_owned)
}

/// The compiler of Debian's package, when the library for BPF is installed, too.
fn debian() -> Option<PathBuf> {
    let files = output(Command::new("dpkg").args(["-L", "rustc-web"]))?;
    let rustc = files.lines().find(|line| line.ends_with("bin/rustc"))?;
    let sysroot = output(Command::new(rustc).args(["--print", "sysroot"]))?;
    Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir().then(|| PathBuf::from(rustc))
}

/// Fails with instructions where there is no linker.
fn linker() -> Result<()> {
    output(Command::new("bpf-linker").arg("--version"))
        .map(drop)
        .with_context(|| format!("bpf-linker does not run.\n{INSTRUCTIONS}"))
}

/// What a command prints, if it succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn workspace_root() -> Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).context("xtask is not in a workspace")
}

fn target_dir(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn symbols_of_this_very_program_are_found() {
        let program = fs::read(std::env::current_exe().unwrap()).unwrap();
        let names = symbols(&program).unwrap();
        assert!(names.iter().any(|name| name.contains("panicking")));
        assert!(names.iter().any(|name| name == "main"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(symbols(b""), None);
        assert_eq!(symbols(b"\x7fELF\x01\x01 32 bit"), None);
        assert_eq!(symbols(b"\x7fELF\x02\x01 cut short"), None);
    }
}
