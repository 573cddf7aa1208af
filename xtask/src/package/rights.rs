//! The CI step "demo with the unit's rights": the capabilities that the package's unit lists are all that the gateway needs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};

use crate::steps::{Outcome, Step};
use crate::{demo, env};

/// The demo, with a gateway that can do what its unit says and nothing else; its data plane must be XDP.
pub(crate) fn demo_within(step: &mut Step) -> Result<Outcome> {
    if !env::has_program("setpriv") || !env::is_root() {
        return Ok(Outcome::Skipped("wants root and setpriv".to_owned()));
    }
    let usual = fs::read_to_string(env::root()?.join("target/demo/summary.json")).unwrap_or_default();
    let usual: serde_json::Value = serde_json::from_str(&usual).unwrap_or_default();
    if usual["data_plane"].as_str().is_some_and(|plane| !plane.starts_with("xdp")) {
        return Ok(Outcome::Skipped("XDP does not work here, with all rights".to_owned()));
    }
    let unit = fs::read_to_string(env::root()?.join("packaging/systemd/basalt-agwd.service"))?;
    let set = bounding_set(&unit).context("the unit has no CapabilityBoundingSet")?;
    let folder = env::target()?.join("rights");
    fs::create_dir_all(&folder)?;
    for program in ["testbed", "basalt", "orchestratord", "fegd"] {
        let link = folder.join(program);
        // A link to the file itself: the testbed looks for the others beside its own.
        let _ = fs::remove_file(&link);
        fs::hard_link(demo::program(program)?, &link).with_context(|| program.to_owned())?;
    }
    // systemd has mounted a BPF file system; here each start of the gateway has a mount namespace of its own.
    let script = format!(
        "#!/bin/sh\nfor word in \"$@\"; do case $word in *.toml) file=$word ;; esac; done\n\
         folder=$(sed -n 's/^run_dir = \"\\(.*\\)\"/\\1/p' \"$file\")/bpf\n\
         mountpoint -q \"$folder\" || {{ mkdir -p \"$folder\" && mount -t bpf bpf \"$folder\"; }}\n\
         exec setpriv --bounding-set '{set}' --no-new-privs '{}' \"$@\"\n",
        demo::program("agwd")?.display()
    );
    fs::write(folder.join("agwd"), script)?;
    fs::set_permissions(folder.join("agwd"), fs::Permissions::from_mode(0o755))?;
    let into = folder.join("demo");
    let mut testbed = std::process::Command::new(folder.join("testbed"));
    testbed.current_dir(env::root()?).args(["demo", "--once", "--lab", "basalt-rights", "--into"]).arg(&into);
    testbed.env("BASALT_BPF_OBJECT", env::target()?.join("bpf/basalt-bpf.o"));
    step.run(testbed)?;
    let log = step.log()?;
    let plane =
        log.lines().rev().find_map(|line| line.split_once("data plane: ")?.1.split_once(';')).map(|(plane, _)| plane);
    match plane {
        Some(plane) if plane.starts_with("xdp") => Ok(Outcome::Passed(format!("{plane}, {set}"))),
        other => {
            anyhow::bail!("the data plane is {other:?}: the unit lists too few capabilities, or XDP does not work here")
        }
    }
}

/// For setpriv, of the unit's list.
fn bounding_set(unit: &str) -> Option<String> {
    let list = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet="))?;
    let words = list.split_whitespace().filter_map(|name| name.strip_prefix("CAP_"));
    let mut set = "-all".to_owned();
    for word in words {
        set.push_str(",+");
        set.push_str(&word.to_lowercase());
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_list_is_read() {
        let unit = "[Service]\n# CAP_X\nCapabilityBoundingSet=CAP_NET_ADMIN CAP_BPF\n";
        assert_eq!(bounding_set(unit).as_deref(), Some("-all,+net_admin,+bpf"));
        assert_eq!(bounding_set("[Service]\nCapabilityBoundingSet=\n").as_deref(), Some("-all"));
        assert_eq!(bounding_set("[Service]\n"), None);
    }
}
