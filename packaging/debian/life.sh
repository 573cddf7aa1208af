#!/bin/sh
# The life of the packages, in a mount namespace of its own: install, upgrade with a changed configuration, downgrade, remove,
# purge, on an overlay of SYSTEM: a folder with a bare Debian that has what the packages depend on and nothing else, or `/`, this
# machine. Run by `cargo xtask ci packages`:
#   unshare --mount --pid --net --fork --kill-child --mount-proc sh packaging/debian/life.sh OLDER NEWER SYSTEM
set -eu
older=$1 newer=$2 system=$3

root=$(mktemp -d)
mount -t tmpfs tmpfs "$root"
mkdir "$root/upper" "$root/work" "$root/machine"
machine=$root/machine
if ! mount -t overlay overlay -o "lowerdir=$system,upperdir=$root/upper,workdir=$root/work" "$machine" ||
    ! mount -t proc proc "$machine/proc" || ! mount --bind /dev "$machine/dev" || ! mount -t tmpfs tmpfs "$machine/run"; then
    echo "skipped: this machine permits no overlay of $system"
    exit 0
fi
mkdir -p "$machine/packages/older" "$machine/packages/newer"
cp "$older"/*.deb "$machine/packages/older"
cp "$newer"/*.deb "$machine/packages/newer"
# Nothing is started by maintainer scripts here.
printf '#!/bin/sh\nexit 101\n' > "$machine/usr/sbin/policy-rc.d"
chmod 755 "$machine/usr/sbin/policy-rc.d"
# Networks as a site has them: one side with the default route.
ip link set lo up
ip link add site0 type veth peer name rest0
ip address add 192.0.2.1/24 dev site0
ip link set site0 up
ip link set rest0 up
ip route add default via 192.0.2.2
# The gateway forwards in XDP where that is permitted, and in software elsewhere.
mount -t sysfs sysfs "$machine/sys" && mount -t bpf bpf "$machine/sys/fs/bpf" || true
echo "127.0.0.1 core.example.net" >> "$machine/etc/hosts"

within() { chroot "$machine" "$@"; }
fail() { echo "FAILED: $*"; exit 1; }
# Until a command succeeds; what to say, what was said, the process that must live meanwhile.
until_so() {
    why=$1 said=$2 process=$3
    shift 3
    tries=0
    until "$@" > /dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || fail "$why: $(cat "$said")"
        kill -0 "$process" 2>/dev/null || fail "$why, and ended: $(cat "$said")"
        sleep 0.2
    done
}
# The orchestrator as its user; its REST interface.
orchestrator() {
    chroot "$machine" setpriv --reuid basalt-orchestrator --regid basalt-orchestrator --clear-groups --bounding-set -all --no-new-privs \
        orchestratord --config /etc/basalt/orchestratord.toml > "$root/said" 2>&1 &
    daemon=$!
    until_so "the orchestrator does not answer" "$root/said" $daemon \
        curl --silent --fail --insecure --output /dev/null "$1/api/v1/openapi.json"
    grep -q setup "$root/said" || fail "no setup link"
}
version() { within dpkg-query -W -f '${Version} ${db:Status-Abbrev}\n' "$1"; }

began=$(date +%s)
echo "== install"
within sh -c 'dpkg --install /packages/older/*.deb'
for package in basalt-cli basalt-agw basalt-orchestrator basalt-feg; do
    [ "$(version $package)" = "0.0.1 ii " ] || fail "$package is $(version $package)"
done
for program in "basalt --version" "agwd --version" "orchestratord --version" "fegd --version" "agwd --check" "fegd --check"; do
    within $program || fail "$program"
done
within id basalt-orchestrator && within id basalt-feg
within sh -c 'command -v systemd-analyze >/dev/null || exit 0
    systemd-analyze verify --man=no /usr/lib/systemd/system/basalt-*.service' || fail "systemd does not like the units"

echo "== the orchestrator serves, as its user, with nothing said"
within install -d -m 700 -o basalt-orchestrator -g basalt-orchestrator /var/lib/basalt-orchestrator
orchestrator http://127.0.0.1:8480
kill -TERM $daemon
wait $daemon || fail "the orchestrator did not end well"

echo "== set up, diagnosed, copied and brought back"
within basalt init --name core.example.net
within basalt init --name core.example.net
within basalt doctor --of orchestrator > "$root/said" || true
grep -q "gateway-address" "$root/said" || fail "the doctor has nothing to say: $(cat "$root/said")"
within sh -c 'cd /packages && basalt backup keygen --output key 2> said
    basalt backup create --to copy --recipient "$(sed -n "s/^recipient: //p" said)"
    basalt backup drill copy --identity key
    basalt backup restore copy --identity key --replace' || fail "no copy came back"
[ "$(stat -c %u "$machine/var/lib/basalt-orchestrator/orchestrator.db")" = "$(within id -u basalt-orchestrator)" ] ||
    fail "the database that came back is not the daemon's"

echo "== a first gateway joins, as the handbook says it"
orchestrator https://127.0.0.1:8480
cat > "$machine/packages/network.yaml" <<END
kind: tenant
name: acme
---
kind: network
name: lab
body: {tenant: acme}
---
kind: tier
name: stable
END
curl --silent --show-error --fail --insecure --output /dev/null https://127.0.0.1:8480/api/v1/setup \
    --data "{\"token\": \"$(sed -n 's/.*setup#//p' "$root/said" | tail -n 1)\", \"name\": \"root\", \"password\": \"not for others\"}" ||
    fail "no first user"
within sh -c 'set -e
    echo "not for others" | basalt context add core --orchestrator https://core.example.net:8480 \
        --ca /var/lib/basalt-orchestrator/rest.pem --network lab --user root
    basalt apply -f /packages/network.yaml
    basalt gateway token create --no-qr > /packages/token' || fail "no token for a gateway"
printf '[network]\nplmns = ["001-01"]\ntacs = [1]\n[radio]\nlisten = ["192.0.2.1"]\n' > "$machine/etc/basalt/agwd.toml"
chroot "$machine" agwd > "$root/gateway" 2>&1 &
gateway=$!
until_so "the gateway does not answer" "$root/gateway" $gateway within basalt status
within basalt gateway join "$(grep -o 'bgt1[^ ]*' "$machine/packages/token" | head -n 1)" || fail "the gateway did not join: $(cat "$root/gateway")"
until_so "the gateway is not connected" "$root/gateway" $gateway \
    within sh -c 'basalt gateway show -o json | grep -q "\"connected\": *true"'
took=$(($(date +%s) - began))
echo "from the packages to the first gateway joined: $took s"
[ $took -le 300 ] || fail "that is more than five minutes"
kill -INT $gateway
wait $gateway || fail "the gateway did not end well: $(cat "$root/gateway")"
kill -TERM $daemon
wait $daemon || fail "the orchestrator did not end well"

echo "== upgrade keeps what was configured and stored"
echo '# ours' >> "$machine/etc/basalt/agwd.toml"
within sh -c 'dpkg --install /packages/newer/*.deb'
[ "$(version basalt-agw)" = "0.0.2 ii " ] || fail "not upgraded"
grep -q '# ours' "$machine/etc/basalt/agwd.toml" || fail "the configuration was overwritten"
[ -s "$machine/var/lib/basalt-orchestrator/orchestrator.db" ] || fail "the database is gone"

echo "== downgrade"
within sh -c 'dpkg --install /packages/older/*.deb'
[ "$(version basalt-agw)" = "0.0.1 ii " ] || fail "not downgraded"
grep -q '# ours' "$machine/etc/basalt/agwd.toml" || fail "the configuration was overwritten"

echo "== remove leaves configuration and state, purge leaves nothing"
within dpkg --remove basalt-agw basalt-orchestrator basalt-feg basalt-cli
[ ! -e "$machine/usr/sbin/agwd" ] || fail "agwd is left"
[ -e "$machine/etc/basalt/agwd.toml" ] || fail "the configuration is gone"
[ -e "$machine/var/lib/basalt-orchestrator/sealing.key" ] || fail "the state is gone"
within dpkg --purge basalt-agw basalt-orchestrator basalt-feg
[ ! -e "$machine/etc/basalt" ] || fail "/etc/basalt is left: $(ls "$machine/etc/basalt")"
[ ! -e "$machine/var/lib/basalt-orchestrator" ] || fail "state is left"
echo "lived through"
