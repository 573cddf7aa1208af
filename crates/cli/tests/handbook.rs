//! The commands of the operator's handbook (`docs/book`), executed chapter by chapter on a machine that is thrown away: a user namespace
//! with its own network, and folders of its own where the chapters write. Of systemd there is only what the chapters ask of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Chapters with commands, and those whose commands come before.
const CHAPTERS: [(&str, &[&str]); 7] = [
    ("orchestrator", &[]),
    ("gateway", &[]),
    ("first-sim", &["gateway"]),
    ("policies", &["gateway"]),
    ("internet", &[]),
    ("backup", &["orchestrator"]),
    ("secrets", &[]),
];

/// The machine. A unit that is started is the daemon itself in the background; it is ready when it says so at its socket or port.
const MACHINE: &str = r#"
set -eu
for folder in /var/lib /run /usr/local; do mount -t tmpfs tmpfs $folder; done
mkdir -p /run/etc /run/basalt /usr/local/bin /run/here
cp -a /etc/passwd /etc/group /etc/hosts /etc/nsswitch.conf /etc/resolv.conf /run/etc 2>/dev/null || true
if [ -e /etc/ld.so.cache ]; then cp /etc/ld.so.cache /run/etc; fi
cp -a /etc/alternatives /run/etc 2>/dev/null || true
mount --bind /run/etc /etc
echo 'basalt-orchestrator:x:0:0::/nonexistent:/usr/sbin/nologin' >> /etc/passwd
ip link set lo up
ip link add site0 type veth peer name site1
ip link set site1 up
ip address add 198.51.100.1/24 dev site0
ip link set site0 up
ip link add wan0 type veth peer name wan1
ip link set wan1 up
ip address add 203.0.113.2/24 dev wan0
ip link set wan0 up
ip route add default via 203.0.113.1
cat > /usr/local/bin/sudo <<'END'
#!/bin/sh
exec "$@"
END
cat > /usr/local/bin/journalctl <<'END'
#!/bin/sh
cat /run/basalt-orchestratord.log
END
cat > /usr/local/bin/systemctl <<'END'
#!/bin/sh
set -eu
unit=$2
if [ "$1" != start ]; then kill "$(cat /run/$unit.pid)"; while kill -0 "$(cat /run/$unit.pid)" 2>/dev/null; do sleep 0.1; done; fi
case $1 in stop) exit 0 ;; start | restart) ;; *) exit 1 ;; esac
case $unit in
    basalt-agwd) agwd --config /etc/basalt/agwd.toml > /run/$unit.log 2>&1 & ;;
    basalt-orchestratord) orchestratord --config /etc/basalt/orchestratord.toml > /run/$unit.log 2>&1 & ;;
esac
echo $! > /run/$unit.pid
tries=0
ready() {
    case $unit in
        basalt-agwd) basalt status > /dev/null 2>&1 ;;
        basalt-orchestratord) curl --silent --insecure --output /dev/null https://localhost:8480/metrics ;;
    esac
}
until ready; do
    tries=$((tries + 1))
    if [ $tries -gt 600 ] || ! kill -0 "$(cat /run/$unit.pid)" 2>/dev/null; then cat /run/$unit.log; exit 1; fi
    sleep 0.1
done
END
chmod 755 /usr/local/bin/*
cd /run/here
export HOME=/run/here PATH=/usr/local/bin:$PROGRAMS:/usr/sbin:/usr/bin:/sbin:/bin
set -x
"#;

/// Units that a chapter before started, where the next one wants them stopped.
const BETWEEN: &str = "\nfor unit in basalt-orchestratord basalt-agwd; do\n    if [ -e /run/$unit.pid ]; then systemctl stop $unit; rm /run/$unit.pid; fi\ndone\n";

#[test]
fn what_the_handbook_says_works() {
    let Some(programs) = programs() else {
        return println!("skipped: agwd and orchestratord are not built beside basalt");
    };
    let names = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    if !Command::new("unshare").args(names).arg("true").status().is_ok_and(|status| status.success()) {
        return println!("skipped: user namespaces are forbidden here");
    }
    for (chapter, before) in CHAPTERS {
        let mut script = MACHINE.to_owned();
        for name in before.iter().chain([&chapter]) {
            script += &commands(name);
            script += BETWEEN;
        }
        // Whatever waits in vain is told with what was said until then.
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=10", "300", "unshare"])
            .args(names)
            .args(["bash", "-c", &script])
            .env("PROGRAMS", &programs)
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "chapter {chapter}: {said}");
    }
}

/// A chapter with commands is in the list above; all chapters are in the summary.
#[test]
fn no_chapter_is_forgotten() {
    let summary = std::fs::read_to_string(book().join("SUMMARY.md")).unwrap();
    for entry in std::fs::read_dir(book()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let Some(chapter) = name.strip_suffix(".md").filter(|name| *name != "SUMMARY") else { continue };
        assert!(summary.contains(&format!("({name})")), "{name} is not in the summary");
        let listed = CHAPTERS.iter().any(|(known, _)| *known == chapter);
        assert_eq!(listed, !commands(chapter).is_empty(), "{name}");
    }
}

fn book() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/src")
}

/// The blocks of a chapter that are to be executed, one after the other.
fn commands(chapter: &str) -> String {
    let text = std::fs::read_to_string(book().join(format!("{chapter}.md"))).unwrap();
    let blocks = text.split("```sh run\n").skip(1).map(|rest| rest.split_once("```").expect("a block has no end").0);
    blocks.collect()
}

/// Where the programs are, if they have been built: `BASALT_PROGRAMS`, or beside the command.
fn programs() -> Option<PathBuf> {
    let said = std::env::var_os("BASALT_PROGRAMS").map(PathBuf::from);
    let folder = said.or_else(|| Some(Path::new(env!("CARGO_BIN_EXE_basalt")).parent()?.to_owned()))?;
    ["agwd", "orchestratord", "basalt"].iter().all(|name| folder.join(name).is_file()).then_some(folder)
}
