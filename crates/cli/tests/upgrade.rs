//! Upgrades with the real programs in a user namespace, where they have been built: a new version is signed, sent, tried and found well;
//! versions that end, hang or are strangers' are left again by themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_release::{Stamp, stamp};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the three programs are, if they have been built: `BASALT_PROGRAMS`, or beside the command.
fn programs() -> Option<PathBuf> {
    let said = std::env::var_os("BASALT_PROGRAMS").map(PathBuf::from);
    let folder = said.or_else(|| Some(Path::new(env!("CARGO_BIN_EXE_basalt")).parent()?.to_owned()))?;
    ["agwd", "orchestratord"].iter().all(|name| folder.join(name).is_file()).then_some(folder)
}

fn write(path: &Path, octets: &[u8]) {
    std::fs::write(path, octets).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The gateway's program, saying that it is another version.
fn version(agwd: &[u8], version: &str) -> Vec<u8> {
    let mut octets = agwd.to_vec();
    let (place, known) = Stamp::place(agwd).expect("agwd says what it is");
    let (arch, system) = known.platform.split_once('-').unwrap();
    let new = stamp(known.product, version, arch, system);
    octets[place..place + new.len()].copy_from_slice(&new);
    octets
}

/// A program that says what is wanted when it is looked at, and then does something else.
fn liar(agwd: &[u8], version: &str, does: &str) -> Vec<u8> {
    let known = Stamp::find(agwd).unwrap();
    let (arch, system) = known.platform.split_once('-').unwrap();
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in --version) echo 'agwd {version}'; exit 0;; *--check*) exit 0;; esac\n{does}\nexit 1\n"
    );
    [text.as_bytes(), &stamp(known.product, version, arch, system)].concat()
}

const STORY: &str = r#"
set -eu; [ -z "${TRACE:-}" ] || set -x
ip link set lo up
ip link add site0 type veth peer name site1
ip link set site1 up
ip addr add 198.51.100.1/24 dev site0
ip link set site0 up
ip route add default dev site0
wait_for() { # WHAT COMMAND...
    what=$1; shift; n=0
    until "$@" >/dev/null 2>&1; do
        n=$((n + 1))
        if [ $n -gt 900 ]; then echo "waited in vain: $what"; tail -40 "$F/agwd.log"; exit 1; fi
        sleep 0.1
    done
}
rest() { # METHOD PATH BODY
    exec 3<>/dev/tcp/127.0.0.1/8480
    bearer=$(sed -n 's/^api_key = "\(.*\)"/authorization: Bearer \1/p' "$BASALT_CONTEXTS" 2>/dev/null || echo "x: y")
    printf '%s /api/v1%s HTTP/1.0\r\n%s\r\ncontent-length: %s\r\n\r\n%s' "$1" "$2" "$bearer" "${#3}" "$3" >&3
    cat <&3
    exec 3<&-
}
# A database of the state's folder, no supervisor: the guard starts the gateway again by itself.
"$ORCHESTRATORD" --data-dir "$F/orchestrator" --first-network home > "$F/orchestrator.out" 2> "$F/orchestrator.log" &
wait_for "the orchestrator" grep -q "joins with" "$F/orchestrator.out"
setup=$(sed -n 's/.*setup#//p' "$F/orchestrator.out")
token=$(sed -n 's/.*joins with //p' "$F/orchestrator.out")
export BASALT_CONTEXTS="$F/contexts.toml"
rest POST /setup "{\"token\":\"$setup\",\"name\":\"root\",\"password\":\"correct horse battery\"}" > "$F/made"
grep -q " 201 " "$F/made" || { cat "$F/made"; exit 1; }
key=$("$BASALT" release key "$F/release.key")
[ "$key" = "$("$BASALT" release key "$F/release.key")" ]
"$BASALT" release key "$F/other.key" > /dev/null
cat > "$F/agwd.toml" <<END
name = "site"
state_dir = "$F/state"
run_dir = "$F/run"
[network]
plmns = ["001-01"]
[upgrade]
keys = ["$key"]
END
"$AGWD" --config "$F/agwd.toml" 2>> "$F/agwd.log" &
wait_for "the gateway" "$BASALT" --socket "$F/run/agwd.sock" status
"$BASALT" --socket "$F/run/agwd.sock" gateway join "$token" > /dev/null
echo "correct horse battery" | "$BASALT" context add here --orchestrator http://127.0.0.1:8480 --network home --user root
runs() { "$BASALT" --socket "$F/run/agwd.sock" -o json status | grep -q "\"version\": *\"$1\""; }
tells() { rest GET /networks/home/gateways/site/status "" | grep -q "\"version\":\"$1\""; }
runs "$OLD"
keeper=$(cat "$F/run/keeper.pid")

echo "== a new version"
"$BASALT" release add "$F/new" --key "$F/release.key"
"$BASALT" release add "$F/new" --key "$F/release.key" > /dev/null
"$BASALT" release list | grep -q "complete"
"$BASALT" upgrade gateway site --release "$(named "$NEW")" --trial 60
runs "$NEW"
[ "$keeper" = "$(cat "$F/run/keeper.pid")" ]

echo "== one of a stranger"
"$BASALT" release add "$F/strange" --key "$F/other.key"
if "$BASALT" upgrade gateway site --release "$(named 91.0.0)" > "$F/said"; then echo "a stranger's ran"; exit 1; fi
grep -q "signature" "$F/said"

echo "== one that ends, and one that hangs"
for bad in ends:92.0.0 hangs:93.0.0; do
    "$BASALT" release add "$F/${bad%:*}" --key "$F/release.key"
    if "$BASALT" upgrade gateway site --release "$(named "${bad#*:}")" --trial 5 > "$F/said"; then echo "$bad ran"; exit 1; fi
    cat "$F/said"
    grep -q "back to slot" "$F/said"
    wait_for "the former version" runs "$NEW"
    wait_for "the link" tells "$NEW"
done

echo "== a tier: halted, and nothing is left of it"
"$BASALT" upgrade tier stable --release "$(named 92.0.0)" --soak 0
rolled() { "$BASALT" upgrade list | grep -q rolled-back; }
wait_for "the halt" rolled
"$BASALT" upgrade list
wait_for "the former version" runs "$NEW"
wait_for "the link" tells "$NEW"

echo "== back to the installed program"
"$BASALT" upgrade gateway site --back --trial 60
runs "$OLD"
"#;

#[test]
fn versions_come_go_and_stay_away() {
    let Some(folder) = programs() else {
        println!("skipped: agwd and orchestratord are not built beside basalt");
        return;
    };
    let names = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    if !Command::new("unshare").args(names).arg("true").status().is_ok_and(|status| status.success()) {
        println!("skipped: user namespaces are forbidden here");
        return;
    }
    let files = tempfile::tempdir().unwrap();
    let agwd = std::fs::read(folder.join("agwd")).unwrap();
    let known = Stamp::find(&agwd).expect("agwd says what it is");
    // Copies: what runs is not what is built anew meanwhile.
    write(&files.path().join("agwd"), &agwd);
    write(&files.path().join("new"), &version(&agwd, "90.0.0"));
    write(&files.path().join("strange"), &liar(&agwd, "91.0.0", "sleep 600"));
    write(&files.path().join("ends"), &liar(&agwd, "92.0.0", "exit 7"));
    write(&files.path().join("hangs"), &liar(&agwd, "93.0.0", "sleep 600"));
    let story = format!("named() {{ echo \"agwd-$1-{}\"; }}\n{STORY}", known.platform);
    // Whatever waits in vain is told with what was said until then.
    let mut command = Command::new("timeout");
    command.args(["--kill-after=10", "400", "unshare"]).args(names).args(["bash", "-c", &story]).stdin(Stdio::null());
    command.env("BASALT", env!("CARGO_BIN_EXE_basalt")).env("F", files.path());
    command.env("AGWD", files.path().join("agwd")).env("ORCHESTRATORD", folder.join("orchestratord"));
    command.env("OLD", known.version).env("NEW", "90.0.0");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let log = std::fs::read_to_string(files.path().join("agwd.log")).unwrap_or_default();
    assert!(output.status.success(), "{said}\n{log}");
    println!("{said}");
}
