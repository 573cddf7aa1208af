//! One Debian package: its files, its control folder, the archive.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::cross::Architecture;
use super::{Common, Recipe, Sources, checked};
use crate::env;

/// What all packages of one run have in common.
pub(super) struct Release {
    pub(super) version: String,
    /// Seconds of Unix that every file bears.
    pub(super) epoch: String,
    /// How dpkg-deb compresses.
    pub(super) compression: &'static [&'static str],
}

/// Makes the package; where it is.
pub(super) fn pack(
    common: &Common,
    recipe: &Recipe,
    (release, architecture): (&Release, &Architecture),
    sources: &Sources,
    into: &Path,
) -> Result<PathBuf> {
    let stage = into.join("stage").join(&recipe.name);
    for file in &recipe.files {
        let mode = u32::from_str_radix(file.mode.as_deref().unwrap_or("644"), 8).context("mode")?;
        let from = sources.find(&file.from);
        let octets = fs::read(&from).with_context(|| format!("{} is not built", from.display()))?;
        put(&stage, &file.to, &octets, mode)?;
    }
    for program in &recipe.programs {
        let mut strip = Command::new(architecture.tool("strip"));
        strip.args(["--strip-unneeded", "--remove-section=.comment"]).arg(below(&stage, program));
        checked(strip)?;
    }
    documents(&stage, recipe, release, sources)?;
    control_folder(&stage, common, recipe, (release, architecture), sources)?;
    let package = into.join(format!("{}_{}_{}.deb", recipe.name, release.version, architecture.name));
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.arg("--root-owner-group").args(release.compression).arg("--build").arg(&stage).arg(&package);
    dpkg.env("SOURCE_DATE_EPOCH", &release.epoch);
    checked(dpkg)?;
    fs::remove_dir_all(into.join("stage"))?;
    Ok(package)
}

fn below(stage: &Path, path: &Path) -> PathBuf {
    stage.join(path.strip_prefix("/").unwrap_or(path))
}

fn put(stage: &Path, to: &Path, octets: &[u8], mode: u32) -> Result<()> {
    let path = below(stage, to);
    let folder = path.parent().context("a file needs a folder")?;
    fs::create_dir_all(folder)?;
    for made in folder.ancestors().take_while(|made| made.starts_with(stage)) {
        fs::set_permissions(made, fs::Permissions::from_mode(0o755))?;
    }
    fs::write(&path, octets).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// Licence, changes and where to read on, as Debian wants them.
fn documents(stage: &Path, recipe: &Recipe, release: &Release, sources: &Sources) -> Result<()> {
    let folder = Path::new("/usr/share/doc").join(&recipe.name);
    let copyright = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
        Upstream-Name: Basalt\n\nFiles: *\nCopyright: 2026 the authors of Basalt\nLicense: Apache-2.0\n \
        On Debian systems the full text of the licence is in\n /usr/share/common-licenses/Apache-2.0.\n";
    put(stage, &folder.join("copyright"), copyright.as_bytes(), 0o644)?;
    put(stage, &folder.join("README.md"), &fs::read(sources.root.join("packaging/README.md"))?, 0o644)?;
    let date = env::output("date", &["--utc", "-R", "-d", &format!("@{}", release.epoch)]).context("date")?;
    let changes = format!(
        "{} ({}) stable; urgency=medium\n\n  * See CHANGELOG.md of Basalt.\n\n -- Basalt <packages@basalt.example>  {date}\n",
        recipe.name, release.version
    );
    put(stage, &folder.join("changelog.gz"), &compressed(&changes)?, 0o644)
}

/// By gzip, without time and name.
fn compressed(text: &str) -> Result<Vec<u8>> {
    let mut gzip = Command::new("gzip");
    gzip.args(["-9", "-n"]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = gzip.spawn().context("gzip")?;
    let mut stdin = child.stdin.take().context("gzip takes nothing")?;
    std::io::Write::write_all(&mut stdin, text.as_bytes())?;
    drop(stdin);
    Ok(child.wait_with_output()?.stdout)
}

fn control_folder(
    stage: &Path,
    common: &Common,
    recipe: &Recipe,
    (release, architecture): (&Release, &Architecture),
    sources: &Sources,
) -> Result<()> {
    let sums = md5sums(stage)?;
    let kilobytes = size(stage)?.div_ceil(1024);
    let mut depends = linked_with(stage, recipe, architecture)?;
    depends.extend(recipe.depends.iter().cloned());
    let mut control = format!(
        "Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: {}\nInstalled-Size: {kilobytes}\n\
         Section: {}\nPriority: optional\n",
        recipe.name, release.version, architecture.name, common.maintainer, common.section
    );
    for (field, packages) in [("Depends", &depends), ("Recommends", &recipe.recommends), ("Suggests", &recipe.suggests)]
    {
        if !packages.is_empty() {
            writeln!(control, "{field}: {}", packages.join(", "))?;
        }
    }
    write!(control, "Description: {}\n {}\n", recipe.summary, recipe.description.replace('\n', "\n "))?;
    let folder = Path::new("/DEBIAN");
    put(stage, &folder.join("control"), control.as_bytes(), 0o644)?;
    put(stage, &folder.join("md5sums"), sums.as_bytes(), 0o644)?;
    let etc = recipe.files.iter().filter(|file| file.to.starts_with("/etc"));
    let conffiles: String = etc.map(|file| format!("{}\n", file.to.display())).collect();
    if !conffiles.is_empty() {
        put(stage, &folder.join("conffiles"), conffiles.as_bytes(), 0o644)?;
    }
    if !recipe.units.is_empty() {
        for script in ["postinst", "prerm", "postrm"] {
            let text = fs::read_to_string(sources.root.join(format!("packaging/debian/{script}.in")))?;
            put(stage, &folder.join(script), filled(&text, recipe).as_bytes(), 0o755)?;
        }
    }
    Ok(())
}

fn filled(script: &str, recipe: &Recipe) -> String {
    script
        .replace("@PACKAGE@", &recipe.name)
        .replace("@UNITS@", &recipe.units.join(" "))
        .replace("@USER@", &recipe.user)
        .replace("@STATE@", &recipe.state)
        .replace("@START@", if recipe.start { "yes" } else { "no" })
        .replace("@NEXT@", &recipe.next)
}

/// The packages of the libraries that the programs are linked with, as dpkg-shlibdeps finds them.
fn linked_with(stage: &Path, recipe: &Recipe, architecture: &Architecture) -> Result<Vec<String>> {
    let beside = stage.with_extension("shlibs");
    fs::create_dir_all(beside.join("debian"))?;
    fs::write(beside.join("debian/control"), format!("Source: {0}\n\nPackage: {0}\nArchitecture: any\n", recipe.name))?;
    let mut command = Command::new("dpkg-shlibdeps");
    command.arg("-O").args(recipe.programs.iter().map(|program| below(stage, program))).current_dir(&beside);
    architecture.host(&mut command);
    let output = command.output().context("dpkg-shlibdeps is missing: apt-get install dpkg-dev")?;
    if !output.status.success() {
        bail!("dpkg-shlibdeps: {}", String::from_utf8_lossy(&output.stderr));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let depends = said.trim().strip_prefix("shlibs:Depends=").unwrap_or_default();
    Ok(depends.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// Every file below a folder, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<std::io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn size(stage: &Path) -> Result<u64> {
    files(stage)?.iter().map(|file| Ok(fs::metadata(file)?.len())).sum()
}

fn md5sums(stage: &Path) -> Result<String> {
    let names = files(stage)?;
    let names = names.iter().map(|file| file.strip_prefix(stage)).collect::<std::result::Result<Vec<_>, _>>()?;
    let output = Command::new("md5sum").args(names).current_dir(stage).output()?;
    if !output.status.success() {
        bail!("md5sum: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
