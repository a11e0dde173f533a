#!/usr/bin/env bash
# Runs the tests between hosts where netem loses and delays packets: in a small virtual machine with Debian's kernel, because
# not every machine's kernel has netem. Where KVM has no help from the processor, this is emulated; ACCEL=tcg and ACCEL=kvm decide it.
#
# Takes x86-64, qemu (qemu-system-x86), iproute2, and apt-get, which downloads the kernel and a busybox to target/netem once. Neither is
# installed, and nothing needs root, unless apt-get's lists are too old.
set -euo pipefail
cd "$(dirname "$0")/.."

TESTS=(feed_network pipeline_network)
MODULES=(drivers/net/veth net/sched/sch_netem net/sched/sch_tbf)
PATIENCE=900            # seconds that the machine may run

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
PARTS="$CARGO_TARGET_DIR/netem"
WORK="$(mktemp -d)"
ROOT="$WORK/root"           # of the machine
LOG="$WORK/log"
MACHINE=""
trap '[[ -z "$MACHINE" ]] || kill "$MACHINE" 2>/dev/null || true; rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM

fail() {
  printf '\nFAILED: %s\n' "$*"
  exit 1
}

# The kernel's package is named after its version; the one that always has the same name depends on it.
download() {
  local kernel
  kernel="$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)"
  [[ -n "$kernel" ]] && (cd "$PARTS" && rm -f ./*.deb && apt-get download -q "$kernel" busybox-static)
}

# executable NAME: that of a test
executable() {
  cargo test --all-features --no-run --message-format=json --test "$1" | sed -n "s/.*\"name\":\"$1\".*\"executable\":\"\([^\"]*\)\".*/\1/p"
}

# put PROGRAM...: with the libraries that each one is linked to
put() {
  local program
  for program in "$@"; do
    cp -L "$program" "$ROOT/bin/"
    ldd "$program" | grep -o '/[^ ]*' | xargs -I{} cp -L --parents {} "$ROOT"
  done
}

[[ "$(uname -m)" == x86_64 ]] || fail "the machine is one of x86-64, and its programs are from here"
mkdir -p "$PARTS" "$ROOT"/{bin,dev,proc,sys,run,tmp,var/run,modules}

if ! compgen -G "$PARTS/linux-image-*.deb" >/dev/null || ! compgen -G "$PARTS/busybox-*.deb" >/dev/null; then
  sudo=()
  [[ $EUID -eq 0 ]] || sudo=(sudo -n)
  download || { "${sudo[@]}" apt-get update -q && download; } || fail "there is no kernel to download"
fi
for package in "$PARTS"/*.deb; do
  dpkg-deb -x "$package" "$WORK/parts"
done
for module in "${MODULES[@]}"; do
  cp "$WORK"/parts/lib/modules/*/kernel/"$module".ko* "$ROOT/modules/"
done
BUSYBOX="$WORK/parts/bin/busybox"
cp "$BUSYBOX" "$ROOT/bin/"
ln -s busybox "$ROOT/bin/sh"
put "$(command -v ip)" "$(command -v tc)"
for test in "${TESTS[@]}"; do
  built="$(executable "$test")"
  [[ -x "$built" ]] || fail "$test is not built"
  put "$built"
  mv "$ROOT/bin/$(basename "$built")" "$ROOT/bin/$test"
done

# the first process of the machine, which ends with it
cat >"$ROOT/init" <<END
#!/bin/sh
export PATH=/bin CI=1
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t tmpfs tmp /tmp
busybox mount -t tmpfs run /run
for module in /modules/*; do busybox insmod \$module; done
status=0
for test in ${TESTS[*]}; do
  echo "\$test:"
  \$test || status=1
done
echo "status: \$status"
busybox poweroff -f
END
chmod +x "$ROOT/init"
(cd "$ROOT" && find . | "$BUSYBOX" cpio -o -H newc) >"$WORK/initramfs" 2>/dev/null

# A machine that has KVM, and no processor that does the work for it, emulates slower than qemu does. There is no network, and a panic
# ends it all.
accelerator="${ACCEL:-tcg}"
if [[ -z "${ACCEL:-}" && -w /dev/kvm ]] && grep -qwE 'vmx|svm' /proc/cpuinfo; then
  accelerator=kvm
fi
timeout --kill-after=10 "$PATIENCE" qemu-system-x86_64 -accel "$accelerator" -smp 2 -m 1G \
  -nodefaults -no-user-config -no-reboot -display none -serial stdio \
  -kernel "$WORK"/parts/boot/vmlinuz-* -initrd "$WORK/initramfs" -append "console=ttyS0 quiet panic=-1 mitigations=off" \
  </dev/null >"$LOG" 2>&1 &
MACHINE=$!
wait "$MACHINE" || IS_LATE=" or it took more than $PATIENCE s"
MACHINE=""
tr -d '\r' <"$LOG" | tee "$WORK/said"

grep -qx 'status: 0' "$WORK/said" || fail "a test did not pass, or the machine ended before${IS_LATE:-}"
for test in "${TESTS[@]}"; do
  sed -n "/^$test:/,/^test result:/p" "$WORK/said" >"$WORK/$test"
  grep -q '^test .* ok (loss: netem, delay: netem)$' "$WORK/$test" || fail "$test did not have netem"
  ! grep '^test ' "$WORK/$test" | grep -vE '^test result: ok\.|ok \(loss: netem, delay: netem\)$' || fail "$test had something else than netem"
done
echo "with netem, on $accelerator: $(grep -c 'delay: netem' "$WORK/said") tests in $SECONDS s"
