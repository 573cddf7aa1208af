//! Which machines packages are for: this one, or another kind that is built for here (`cargo xtask package --architecture arm64`).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::env;

/// The machines that we build for, beside the one that builds.
const FOREIGN: [(&str, &str, &str); 2] = [
    ("arm64", "aarch64-unknown-linux-gnu", "aarch64-linux-gnu"),
    ("amd64", "x86_64-unknown-linux-gnu", "x86_64-linux-gnu"),
];

/// A kind of machine that packages are for.
pub(super) struct Architecture {
    /// Debian's name: `arm64`.
    pub(super) name: String,
    /// Of another kind than this machine.
    foreign: Option<Foreign>,
}

struct Foreign {
    /// The compiler's name of it.
    triple: &'static str,
    /// What the names of Debian's tools for it begin with.
    tools: &'static str,
}

impl Architecture {
    /// This machine's.
    pub(super) fn own() -> Result<Self> {
        let name = env::output("dpkg", &["--print-architecture"]).context("this is no Debian: dpkg is missing")?;
        Ok(Self { name, foreign: None })
    }

    /// That of this name in Debian.
    pub(super) fn named(name: &str) -> Result<Self> {
        let own = Self::own()?;
        if own.name == name {
            return Ok(own);
        }
        let known = FOREIGN.iter().find(|(debian, ..)| *debian == name);
        let Some((_, triple, tools)) = known else {
            let names = FOREIGN.map(|(debian, ..)| debian).join(", ");
            bail!("packages are made for {names}, not for {name}");
        };
        Ok(Self { name: name.to_owned(), foreign: Some(Foreign { triple, tools }) })
    }

    /// Where cargo puts programs of a profile.
    pub(super) fn programs(&self, target: &Path, profile: &str) -> PathBuf {
        self.foreign.as_ref().map_or_else(|| target.join(profile), |it| target.join(it.triple).join(profile))
    }

    /// One of the binary utilities (`strip`, `objdump`) for its programs.
    pub(super) fn tool(&self, name: &str) -> String {
        self.foreign.as_ref().map_or_else(|| name.to_owned(), |it| format!("{}-{name}", it.tools))
    }

    /// Tells cargo to build for it, with which compilers.
    pub(super) fn prepare(&self, cargo: &mut Command) -> Result<()> {
        let Some(Foreign { triple, tools }) = &self.foreign else { return Ok(()) };
        let compiler = format!("{tools}-gcc");
        if !env::has_program(&compiler) {
            bail!("no C compiler for {0}: apt-get install gcc-{tools} g++-{tools}", self.name);
        }
        let underscored = triple.replace('-', "_");
        cargo.args(["--target", triple]);
        cargo.env(format!("CARGO_TARGET_{}_LINKER", underscored.to_uppercase()), &compiler);
        for (variable, tool) in [("CC", "gcc"), ("CXX", "g++"), ("AR", "ar")] {
            cargo.env(format!("{variable}_{underscored}"), format!("{tools}-{tool}"));
        }
        if let Some(rustc) = compiler_for(triple, &self.name)? {
            cargo.env("RUSTC", rustc);
        }
        Ok(())
    }

    /// Tells dpkg-shlibdeps whose libraries to look for.
    pub(super) fn host(&self, command: &mut Command) {
        if let Some(Foreign { triple: _, tools }) = &self.foreign {
            command.env("DEB_HOST_ARCH", &self.name).env("DEB_HOST_GNU_TYPE", tools).env("DEB_HOST_MULTIARCH", tools);
        }
    }
}

/// A compiler that has the standard library of a machine: ours (then none is named), or Debian's.
fn compiler_for(triple: &str, debian: &str) -> Result<Option<&'static str>> {
    const DEBIANS: &str = "/usr/bin/rustc";
    let has = |sysroot: &str| Path::new(sysroot).join("lib/rustlib").join(triple).join("lib").is_dir();
    if env::output("rustc", &["--print", "sysroot"]).is_some_and(|sysroot| has(&sysroot)) {
        return Ok(None);
    }
    if env::output(DEBIANS, &["--print", "sysroot"]).is_some_and(|sysroot| has(&sysroot)) {
        return Ok(Some(DEBIANS));
    }
    bail!(
        "no standard library of Rust for {debian}: `rustup target add {triple}`; or Debian's: `dpkg --add-architecture {debian} && \
         apt-get update && apt-get install rustc-web libstd-rust-web-dev:{debian}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_machine_has_its_own_tools_and_folder() {
        let arm = Architecture {
            name: "arm64".to_owned(),
            foreign: Some(Foreign { triple: "aarch64-unknown-linux-gnu", tools: "aarch64-linux-gnu" }),
        };
        assert_eq!(arm.tool("strip"), "aarch64-linux-gnu-strip");
        assert_eq!(arm.programs(Path::new("t"), "release"), Path::new("t/aarch64-unknown-linux-gnu/release"));
        let own = Architecture { name: "amd64".to_owned(), foreign: None };
        assert_eq!(own.tool("strip"), "strip");
        assert_eq!(own.programs(Path::new("t"), "release"), Path::new("t/release"));
    }

    #[test]
    fn an_unknown_machine_is_refused_with_those_that_are_known() {
        let error = Architecture::named("sparc").err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("packages are made for arm64, amd64, not for sparc"));
    }
}
