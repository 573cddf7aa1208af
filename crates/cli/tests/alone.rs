//! The verbs of objects against the real gateway on its own, over its socket, in a user namespace, where it has been built: an editor that
//! changes, leaves, spoils and is overtaken, and a watch that tells all of it and ends with the gateway.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const K: &str = "465B5CE8B199B49FAA5F0A2EE238A6BC";

/// The gateway's program, if it has been built: in `BASALT_PROGRAMS`, or beside the command.
fn agwd() -> Option<PathBuf> {
    let said = std::env::var_os("BASALT_PROGRAMS").map(PathBuf::from);
    let folder = said.or_else(|| Some(Path::new(env!("CARGO_BIN_EXE_basalt")).parent()?.to_owned()))?;
    Some(folder.join("agwd")).filter(|program| program.is_file())
}

const STORY: &str = r#"
set -eu
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
        if [ $n -gt 600 ]; then echo "waited in vain: $what"; cat "$F/agwd.log" "$F/watched" 2>/dev/null; exit 1; fi
        sleep 0.1
    done
}
printf 'name = "site"\nstate_dir = "%s/state"\nrun_dir = "%s/run"\n[network]\nplmns = ["001-01"]\n' "$F" "$F" > "$F/agwd.toml"
"$AGWD" --config "$F/agwd.toml" 2> "$F/agwd.log" &
gateway=$!
export BASALT_SOCKET="$F/run/agwd.sock" BASALT_CONTEXTS="$F/contexts.toml" TMPDIR="$F"
wait_for "the gateway" "$BASALT" status
one=subscriber/001010000000001
cat > "$F/one.yaml" <<END
kind: subscriber
name: '001010000000001'
body: {title: pump, keys: {k: '$K', opc: 'E8ED289DEBA952E4283B54E88E6183CA'}, active_apns: [{apn: internet, qci: 9, priority: 8}]}
END
"$BASALT" get subscribers --watch -o json > "$F/watched" 2> "$F/watch.words" &
watch=$!
"$BASALT" apply -f "$F/one.yaml" | grep -q "$one created"
wait_for "the watch tells who came" grep -q pump "$F/watched"

echo "== an editor that changes something"
EDITOR="sed -i s/pump/well/" "$BASALT" edit subscriber 001010000000001 | grep -q "$one changed"
"$BASALT" get subscriber 001010000000001 -o yaml | grep -q "title: well"
wait_for "the watch tells the change" grep -q well "$F/watched"

echo "== one that leaves it, and one that fails"
EDITOR=true "$BASALT" edit subscriber 001010000000001 2>&1 | grep -q "nothing was changed"
code=0; EDITOR=false "$BASALT" edit subscriber 001010000000001 2> "$F/said" || code=$?
[ $code = 2 ] && grep -q "the editor ended with a failure" "$F/said"

echo "== one that writes what cannot be, and what it wrote is kept"
code=0; EDITOR="sed -i s/ACTIVE/SLEEPY/" "$BASALT" edit subscriber 001010000000001 2> "$F/said" || code=$?
[ $code != 0 ] && grep -q "ACTIVE or INACTIVE" "$F/said"
code=0; EDITOR="sed -i s/001010000000001/001010000000009/" "$BASALT" edit subscriber 001010000000001 2> "$F/said" || code=$?
[ $code = 2 ] && grep -q "cannot be changed by editing" "$F/said" && grep -q 001010000000009 "$(sed -n 's/.*wrote is in //p' "$F/said")"

echo "== one that is overtaken by somebody else"
cat > "$F/slow" <<END
sed 's/pump/spring/' "$F/one.yaml" | "$BASALT" apply -f - > /dev/null
sed -i s/well/brook/ "\$1"
END
code=0; EDITOR="sh $F/slow" "$BASALT" edit subscriber 001010000000001 2> "$F/said" || code=$?
[ $code != 0 ] && grep -q "has changed meanwhile" "$F/said" && grep -q "what you wrote is in" "$F/said"
"$BASALT" get subscriber 001010000000001 -o yaml | grep -q "title: spring"
wait_for "the watch tells who was first" grep -q spring "$F/watched"

echo "== gone, over a restart of the gateway"
"$BASALT" delete subscriber 001010000000001 | grep -q "$one deleted"
code=0; EDITOR=true "$BASALT" edit subscriber 001010000000001 2> "$F/said" || code=$?
[ $code = 1 ]
[ "$(grep -c . "$F/watched")" -ge 3 ]
if grep -qi "$K" "$F/watched" "$F/said" "$F/agwd.log"; then echo "a key is shown"; exit 1; fi
kill -9 "$gateway"
code=0; wait "$watch" || code=$?
[ $code = 3 ] || { echo "the watch ended with $code"; cat "$F/watch.words"; exit 1; }
"#;

#[test]
fn an_editor_and_a_watch_at_a_gateway_on_its_own() {
    let Some(agwd) = agwd() else {
        println!("skipped: agwd is not built beside basalt");
        return;
    };
    let names = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    if !Command::new("unshare").args(names).arg("true").status().is_ok_and(|status| status.success()) {
        println!("skipped: user namespaces are forbidden here");
        return;
    }
    let files = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.args(["--kill-after=10", "240", "unshare"]).args(names).args(["bash", "-c", STORY]).stdin(Stdio::null());
    command.env("BASALT", env!("CARGO_BIN_EXE_basalt")).env("AGWD", agwd).env("F", files.path()).env("K", K);
    command.env_remove("VISUAL").env_remove("BASALT_ORCHESTRATOR").env_remove("BASALT_NETWORK");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let words = std::fs::read_to_string(files.path().join("said")).unwrap_or_default();
    assert!(output.status.success(), "{said}\n{words}");
    assert!(said.contains("== gone"), "{said}");
}
