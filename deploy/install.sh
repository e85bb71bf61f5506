#!/bin/sh
# Install mnv2-edge as a service, upgrade it, mend it, or take it away: `install.sh --help`.
#
# Every version has a folder of its own with its wheels, its virtual environment and the files that systemd wants, and
# `current` points at one of them. So an upgrade that never gets ready is undone by pointing back, and an environment that
# a new system Python has killed is made again from the wheels, without a network.
set -eu
umask 022 # --mend runs in a service with 077, and its user has to read what root installs

BASE=/opt/mnv2-edge
CONFIG=/etc/mnv2-edge
STATE=/var/lib/mnv2-edge
COMMAND=/usr/local/bin/mnv2-edge
UNITS=/etc/systemd/system
READY_S=${MNV2_EDGE_READY_S:-240} # an instance that is not ready by then has failed; the first load of an engine takes long
STEADY_S=5                        # and has to stay so for this long

usage() {
  cat <<'EOF'
Usage: install.sh [--dry-run] [--offline BUNDLE]
       install.sh [--dry-run] --uninstall | --purge
       install.sh [--dry-run] --mend | --rollback

Without an option: build and fetch everything with pip, then install or upgrade.

  --offline BUNDLE  install from an archive that `make bundle` made; the network is not used
  --uninstall       take everything away but configurations, secrets and engines
  --purge           those too, and the user mnv2-edge
  --mend            make the virtual environment again if this system's Python no longer takes it; at each boot
  --rollback        go back to the version before
  --dry-run         say what would be done, and do nothing

An upgrade restarts what runs. If that does not become ready again, the version before comes back with the
configurations it had, and the exit status is 1.
EOF
}

say() { printf 'install.sh: %s\n' "$*"; }
die() {
  status=$1
  shift
  printf 'install.sh: error: %s\n' "$*" >&2
  exit "$status"
}

# Do it, or with --dry-run say it.
run() {
  if [ -n "$dry_run" ]; then
    printf '  %s\n' "$*"
  else
    "$@"
  fi
}

main() {
  dry_run='' bundle='' action=install
  while [ $# -gt 0 ]; do
    case $1 in
      --dry-run) dry_run=1 ;;
      --offline)
        [ $# -ge 2 ] || die 2 '--offline wants an archive: one that make bundle has made'
        bundle=$2
        shift
        ;;
      --uninstall | --purge | --mend | --rollback) action=${1#--} ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) die 2 "$1 is no option; see install.sh --help" ;;
    esac
    shift
  done
  here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
  work=''
  trap 'if [ -n "$work" ]; then rm -rf "$work"; fi' EXIT
  trap 'exit 130' INT TERM
  [ -n "$dry_run" ] || [ "$(id -u)" = 0 ] || die 77 'only root may install a service: sudo deploy/install.sh'
  [ -n "$dry_run" ] || [ -d /run/systemd/system ] || die 69 'systemd does not run here, so there is no service to install'
  export TMPDIR=$BASE/tmp # a board's /tmp may be 64 MB of its memory
  export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
  "do_$action"
}

do_install() {
  check_python
  run mkdir -p "$BASE" "$TMPDIR"
  if [ -n "$bundle" ]; then
    unpack_bundle
  else
    fetch_wheels
  fi
  if [ -n "$dry_run" ]; then
    version=VERSION
  else
    find_version
  fi
  target=$BASE/$version
  if [ -e "$target/complete" ]; then
    say "$version is there already"
  else
    build_version
  fi
  switch_to "$version"
}

check_python() {
  python3 -c 'import sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    die 69 "python3 3.10 or newer with its venv module is needed, here is $(python3 --version 2>&1): sudo apt install python3 python3-venv"
}

# Unpack an archive into $work and hold every file against its checksum.
unpack_bundle() {
  [ -f "$bundle" ] || die 2 "$bundle is not there: expected the archive that \`make bundle\` made"
  say "unpacking $bundle"
  if [ -n "$dry_run" ]; then
    printf '  tar -xf %s; sha256sum --check SHA256SUMS\n' "$bundle"
    return
  fi
  work=$(mktemp -d "$BASE/unpacked.XXXXXX")
  tar -xf "$bundle" -C "$work" --strip-components=1 --no-same-owner || die 65 "$bundle is no archive, or is cut off: copy it again"
  (cd "$work" && sha256sum --quiet --strict --check SHA256SUMS >&2) || die 65 "$bundle is damaged: copy it again"
  (cd "$work" && find . -type f ! -name SHA256SUMS | sed 's|^\./||' | sort) >"$work/../.found.$$"
  sed 's/^[0-9a-f]*  //' "$work/SHA256SUMS" | sort | cmp -s - "$work/../.found.$$" || {
    rm -f "$work/../.found.$$"
    die 65 "$bundle holds files without a checksum: make it again with \`make bundle\`"
  }
  rm -f "$work/../.found.$$"
  source=$work
}

# Build our wheel and fetch those of what it needs, for this machine's Python.
fetch_wheels() {
  source=$(dirname "$here")
  [ -f "$source/pyproject.toml" ] || die 2 "this is not the source tree: run deploy/install.sh in it, or install.sh --offline BUNDLE"
  say 'fetching wheels with pip'
  if [ -n "$dry_run" ]; then
    printf '  pip wheel --wheel-dir WHEELS pip %s\n' "$source"
    return
  fi
  work=$(mktemp -d "$BASE/fetched.XXXXXX")
  if ! python3 -m venv "$work/venv" 2>/dev/null; then
    apt-get install -qq -y --no-install-recommends python3-venv >/dev/null || die 69 'python3-venv is missing: sudo apt install python3-venv'
    python3 -m venv --clear "$work/venv"
  fi
  mkdir "$work/wheels"
  # shellcheck disable=SC2046 # two words or none
  "$work/venv/bin/pip" wheel --quiet --wheel-dir "$work/wheels" $(constraint "$source/deploy") pip "$source" ||
    die 69 'pip cannot build or fetch the wheels: is there a network? Without one: install.sh --offline BUNDLE'
}

# numpy 1 where apt's picamera2 is built against it.
constraint() {
  if python3 -c 'import importlib.util as u, numpy, sys
sys.exit(not (int(numpy.__version__.split(".")[0]) < 2 and u.find_spec("picamera2")))' 2>/dev/null; then
    echo "--constraint $1/constraints-numpy1.txt"
  fi
}

# The version is that of our wheel; another wheel of the same version gets a folder of its own.
find_version() {
  wheel=$(find "$work/wheels" -name 'mnv2_edge-*.whl')
  [ -f "$wheel" ] || die 65 "there is not exactly one wheel of mnv2-edge in $work/wheels"
  version=$(basename "$wheel" | cut -d- -f2)
  hash=$(sha256sum "$wheel" | cut -c1-8)
  if [ -e "$BASE/$version/complete" ] && [ "$(cat "$BASE/$version/complete")" != "$hash" ]; then
    version=$version.$hash
  fi
}

build_version() {
  say "building $target"
  run rm -rf "$target" # what was cut off
  run mkdir -p "$target"
  if [ -n "$dry_run" ]; then
    printf '  cp WHEELS systemd deploy docs %s\n' "$target"
  else
    mv "$work/wheels" "$target/wheels"
    cp -r "$source/systemd" "$source/deploy" "$target/"
    mkdir "$target/docs"
    cp "$source/docs/operations.md" "$source/docs/privacy.md" "$target/docs/"
    cp "$target/deploy/install.sh" "$target/install.sh"
    chmod 755 "$target/install.sh"
    chmod -R go=u-w "$target"
  fi
  build_environment "$target"
  # A run with the network in the package: what cannot do that is not installed.
  run env XDG_CACHE_HOME="$TMPDIR/cache" "$target/venv/bin/mnv2-edge" run --camera demo --max-frames 3 --format none ||
    die 70 "mnv2-edge does not run with $(python3 --version): the lines above say why; nothing was changed"
  run rm -rf "$TMPDIR/cache"
  [ -n "$dry_run" ] || printf '%s\n' "$hash" >"$target/complete"
}

# Make the virtual environment of a version from its wheels. It sees the system's packages: picamera2, gi, tensorrt.
# The pip in it is a wheel too, so the system needs neither pip nor ensurepip.
build_environment() {
  run rm -rf "$1/venv"
  run python3 -m venv --without-pip --system-site-packages "$1/venv"
  pip=$(find "$1/wheels" -name 'pip-*.whl' 2>/dev/null | head -n 1)
  # shellcheck disable=SC2046 # two words or none
  run "$1/venv/bin/python" "${pip:-PIP.whl}/pip" --isolated install --quiet --no-index --find-links "$1/wheels" \
    --no-cache-dir --disable-pip-version-check --root-user-action ignore \
    $(constraint "$1/deploy") mnv2-edge ||
    die 69 "the wheels in $1/wheels do not fit $(python3 --version) on $(uname -m): install again with a network, or from a bundle for it"
}

current_version() { basename "$(readlink "$BASE/$1" 2>/dev/null)" 2>/dev/null || true; }

# Point at a version, restart what runs, and point back if that does not become ready.
switch_to() {
  before=$(current_version current)
  instances=$(running_instances)
  if [ "$before" = "$1" ]; then
    install_files "$1"
    say "$1 is the current version"
    return
  fi
  if [ -n "$before" ]; then
    run rm -rf "$BASE/$before/saved"
    run cp -a "$CONFIG" "$BASE/$before/saved"
  fi
  point current "$1"
  install_files "$1"
  if ! restart_and_wait "$instances"; then
    [ -n "$before" ] || die 1 "what runs did not become ready: mnv2-edge service status"
    culprit=$failed
    say "going back to $before"
    go_back_to "$before"
    die 1 "$1 did not become ready ($culprit): $before runs again. It is kept in $BASE/$1; mnv2-edge service logs says why"
  fi
  [ -z "$before" ] || point previous "$before"
  remove_others
  say "$1 is installed; mnv2-edge setup FILE.yaml writes a configuration, mnv2-edge service install FILE.yaml runs it"
}

do_rollback() {
  before=$(current_version previous)
  [ -n "$before" ] || die 1 'there is no version before this one'
  instances=$(running_instances)
  after=$(current_version current)
  go_back_to "$before"
  point previous "$after"
  say "$before runs again"
}

go_back_to() {
  point current "$1"
  if [ -d "$BASE/$1/saved" ]; then
    for file in "$BASE/$1/saved"/*; do
      [ ! -e "$file" ] || run cp -a "$file" "$CONFIG/"
    done
  fi
  install_files "$1"
  restart_and_wait "$instances" || say "and did not become ready either ($failed)"
}

point() { # a rename, so that there is always one
  run ln -sfn "$2" "$BASE/.$1"
  run mv -T "$BASE/.$1" "$BASE/$1"
}

install_files() {
  version_files=$BASE/$1
  run install -D -m 644 "$version_files/deploy/sysusers.conf" /etc/sysusers.d/mnv2-edge.conf
  run install -D -m 644 "$version_files/deploy/tmpfiles.conf" /etc/tmpfiles.d/mnv2-edge.conf
  run install -D -m 644 "$version_files/deploy/99-mnv2-edge.rules" /etc/udev/rules.d/99-mnv2-edge.rules
  run install -m 644 "$version_files/systemd/mnv2-edge@.service" "$version_files/systemd/mnv2-edge-engines.service" "$UNITS/"
  if [ "$(systemctl --version | awk 'NR == 1 { print int($2) }')" -ge 254 ]; then
    run install -D -m 644 "$version_files/systemd/drop-ins/systemd-254.conf" "$UNITS/mnv2-edge@.service.d/50-systemd-254.conf"
  fi
  if [ -e /etc/nv_tegra_release ]; then
    # Building a plan for TensorRT takes the GPU as well as running one.
    for unit in mnv2-edge@.service mnv2-edge-engines.service; do
      run install -D -m 644 "$version_files/systemd/drop-ins/jetson.conf" "$UNITS/$unit.d/50-jetson.conf"
    done
  fi
  run ln -sfn "$BASE/current/venv/bin/mnv2-edge" "$COMMAND"
  run systemd-sysusers
  run systemd-tmpfiles --create /etc/tmpfiles.d/mnv2-edge.conf
  run systemctl daemon-reload
  if command -v udevadm >/dev/null; then
    run udevadm control --reload 2>/dev/null || true # no udev in a container
  fi
}

running_instances() {
  systemctl list-units --plain --no-legend --state=active,activating,reloading 'mnv2-edge@*.service' 2>/dev/null |
    awk '{ print $1 }'
}

# Restart units and see that each becomes ready and stays so; $failed names the first that does not.
restart_and_wait() {
  failed=''
  [ -n "$1" ] || return 0
  # shellcheck disable=SC2086 # a word for each unit
  run systemctl restart --no-block $1
  [ -z "$dry_run" ] || return 0
  for unit in $1; do
    wait_ready "$unit" || {
      failed=$unit
      return 1
    }
  done
}

wait_ready() {
  left=$READY_S steady=0 pid=''
  while [ "$left" -gt 0 ]; do
    sleep 1
    left=$((left - 1))
    now=$(systemctl show --property=MainPID --value "$1")
    case $(systemctl show --property=ActiveState --value "$1") in
      active)
        if [ "$now" = "$pid" ]; then steady=$((steady + 1)); else steady=0; fi
        [ "$steady" -lt "$STEADY_S" ] || return 0
        ;;
      failed) return 1 ;;
      *) steady=0 ;;
    esac
    pid=$now
  done
  return 1
}

# Keep the current version and the one before.
remove_others() {
  for folder in "$BASE"/*; do
    name=$(basename "$folder")
    case $name in
      current | previous | tmp | "$(current_version current)" | "$(current_version previous)") ;;
      *) [ ! -e "$folder/complete" ] || run rm -rf "$folder" ;;
    esac
  done
}

do_mend() {
  version=$(current_version current)
  [ -n "$version" ] || die 1 'nothing is installed'
  if "$BASE/current/venv/bin/python" -c 'import mnv2_edge, numpy, cv2' 2>/dev/null; then
    say "$version fits $(python3 --version)"
    return
  fi
  say "$version does not run with $(python3 --version): making its environment again"
  run mkdir -p "$TMPDIR"
  build_environment "$BASE/$version"
}

do_uninstall() {
  units=$(systemctl list-units --all --plain --no-legend 'mnv2-edge@*.service' 2>/dev/null | awk '{ print $1 }')
  files=$(systemctl list-unit-files --plain --no-legend 'mnv2-edge@*.service' 2>/dev/null | awk '$1 != "mnv2-edge@.service" { print $1 }')
  # shellcheck disable=SC2086 # a word for each unit
  run systemctl disable --now $units $files mnv2-edge-engines.service 2>/dev/null || true
  for link in "$UNITS"/multi-user.target.wants/mnv2-edge@*.service; do
    [ ! -L "$link" ] || run rm -f "$link"
  done
  run rm -rf "$UNITS/mnv2-edge@.service" "$UNITS/mnv2-edge-engines.service" "$UNITS/mnv2-edge@.service.d/50-systemd-254.conf" \
    "$UNITS/mnv2-edge@.service.d/50-jetson.conf" "$UNITS/mnv2-edge-engines.service.d/50-jetson.conf" \
    /etc/sysusers.d/mnv2-edge.conf /etc/tmpfiles.d/mnv2-edge.conf \
    /etc/udev/rules.d/99-mnv2-edge.rules "$COMMAND" /var/cache/mnv2-edge "$BASE"
  run rmdir "$UNITS/mnv2-edge@.service.d" "$UNITS/mnv2-edge-engines.service.d" /etc/sysusers.d 2>/dev/null || true # where nothing else is in them
  run systemctl daemon-reload
  run systemctl reset-failed 'mnv2-edge*' 2>/dev/null || true
  [ "$action" = purge ] ||
    say "gone; configurations in $CONFIG, secrets in /etc/credstore and engines in $STATE are left, install.sh --purge takes them too"
}

do_purge() {
  do_uninstall
  run rm -rf "$CONFIG" "$STATE"
  run sh -c 'rm -f /etc/credstore/mnv2-edge.*'
  if getent passwd mnv2-edge >/dev/null; then
    run userdel mnv2-edge
  fi
}

main "$@"
