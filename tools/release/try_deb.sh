#!/bin/sh
# Installs, runs, upgrades and purges the Debian package in a new root of a Debian release, as a new user would.
#   tools/release/try_deb.sh PACKAGE SUITE [ROOT]
# Needs root and debootstrap. An existing ROOT is used as it is, a temporary one is removed at the end.
set -eu

package=$1 suite=$2
root=${3:-}
if [ -z "$root" ]; then
    root=$(mktemp -d)
    trap 'umount -q "$root/proc" || true; rm -rf --one-file-system "$root"' EXIT
fi
[ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase "$suite" "$root" >/dev/null
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
[ -n "${3:-}" ] && trap 'umount "$root/proc"' EXIT
run() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
step() { echo "$suite: $(($(date +%s) - begun)) s: $*"; }
fail() { echo "$suite: FAILED: $*" >&2; exit 1; }

[ -e "$root/etc/hosts" ] || echo "127.0.0.1 localhost" >"$root/etc/hosts" # debootstrap leaves this to the installer
cp "$package" "$root/root/authd.deb"
newer=$(mktemp -d)
dpkg-deb -R "$package" "$newer/authd"
sed -i 's/^Version: .*/&+upgrade/' "$newer/authd/DEBIAN/control"
dpkg-deb --root-owner-group -Znone --build "$newer/authd" "$root/root/newer.deb" >/dev/null
rm -rf "$newer"
run apt-get update -qq

begun=$(date +%s)
run apt-get install -y -qq --no-install-recommends /root/authd.deb >"$root/root/install.log" 2>&1 ||
    { tail -n 20 "$root/root/install.log" >&2; fail "the package can't be installed"; }
grep -q 'authd: no settings yet' "$root/root/install.log" || fail "the next step is not shown"
step "installed"

run authd --version
run authd-token --version
run id authd >/dev/null || fail "the user authd is missing"
run test -s /usr/share/man/man1/authd.1.gz || fail "the manual page is missing"
run find /usr/lib/authd/lib -name '*.pyc' -path '*authd/client/__pycache__/entry*' | grep -q . || fail "nothing is compiled"

run cp /usr/share/doc/authd/examples/config.yaml /etc/authd/config.yaml
run authd check /etc/authd/config.yaml
run authd init -c /etc/authd/config.yaml >/dev/null
run chown -R authd:authd /var/lib/authd
# Without the function above, so that the PID is the daemon's own.
chroot "$root" env -i PATH=/usr/bin:/bin setpriv --reuid=authd --regid=authd --clear-groups -- \
    /usr/lib/authd/bin/twistd --nodaemon --pidfile= authd \
    --config /etc/authd/config.yaml --kubeconfig-pregenerated --port 0 >"$root/root/daemon.log" 2>&1 &
daemon=$!
ready=0
for _ in $(seq 100); do
    if run python3 -c 'import urllib.request; urllib.request.urlopen("http://127.0.0.1:21363/readyz", timeout=2)' 2>/dev/null; then
        ready=1
        break
    fi
    sleep 0.2
done
kill "$daemon" || true
wait "$daemon" 2>/dev/null || true
[ "$ready" = 1 ] || { tail -n 5 "$root/root/daemon.log" >&2; fail "the daemon is not ready"; }
step "ready"

run authd demo >"$root/root/demo.log" 2>&1 || { tail -n 20 "$root/root/demo.log" >&2; fail "the demo failed"; }
step "first login"

run apt-get install -y -qq /root/newer.deb >/dev/null 2>&1 || fail "the upgrade failed"
run dpkg-query -W -f '${Version}\n' authd | grep -q '+upgrade$' || fail "the version is the old one"
run authd check /etc/authd/config.yaml
step "upgraded"

run apt-get remove -y -qq authd >/dev/null 2>&1
[ ! -e "$root/usr/lib/authd" ] || fail "files remain: $(find "$root/usr/lib/authd" | head -n 3)"
[ -e "$root/etc/authd/config.yaml" ] || fail "the settings are gone after a removal"
run apt-get purge -y -qq authd >"$root/root/purge.log" 2>&1
for folder in etc/authd var/lib/authd; do
    [ ! -e "$root/$folder" ] || fail "/$folder is left after a purge"
done
grep -q 'kubeconfig.yaml stays' "$root/root/purge.log" || fail "the webhook kubeconfig is not mentioned"
step "purged"
