#!/bin/sh
# Install mnv2-edge as a service, upgrade it, mend it, or take it away: `install.sh --help`.
#
# Every version has a folder of its own with its wheels, its virtual environment and the files that systemd wants, and
# `current` points at one of them. So an upgrade that never gets ready is undone by pointing back, and an environment that
# a new system Python has killed is made again from the wheels, without a network.
#
# All of it runs as root, so nothing that anybody else may write may decide what runs: docs/decisions/0064.
set -eu
umask 022 # --mend runs in a service with 077, and its user has to read what root installs
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
# What a surrounding shell hands over is kept if it is known. Before anything here has a name: one would be lost as well.
for variable in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
  case $variable in
    PATH | PWD | LANG | LC_ALL | LC_CTYPE | TERM | TZ | SUDO_UID | SUDO_GID | MNV2_EDGE_READY_S) ;;
    http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY) ;;
    *) unset "$variable" ;;
  esac
done

BASE=/opt/mnv2-edge
CONFIG=/etc/mnv2-edge
STATE=/var/lib/mnv2-edge
COMMAND=/usr/local/bin/mnv2-edge
UNITS=/etc/systemd/system
READY_S=${MNV2_EDGE_READY_S:-240} # an instance that is not ready by then has failed; the first load of an engine takes long
STEADY_S=5                        # and has to stay so for this long
ROOM_MB=450                       # that a version takes, beside its wheels

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
      *) die 2 "$1 is not an option; see install.sh --help" ;;
    esac
    shift
  done
  here=$(dirname "$(readlink -f "$0")")
  bundle_file=$bundle
  case $bundle in '' | /*) ;; *) bundle_file=$(pwd)/$bundle ;; esac
  cd / # some programs look for their files where they are started
  work='' building='' locked=''
  trap clean_up EXIT
  trap 'exit 130' INT TERM
  [ -n "$dry_run" ] || [ "$(id -u)" = 0 ] || die 77 'only root may install a service: sudo deploy/install.sh'
  [ -n "$dry_run" ] || [ -d /run/systemd/system ] || die 69 'systemd does not run here, so there is no service to install'
  export TMPDIR=$BASE/tmp # a board's /tmp may be 64 MB of its memory
  export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
  "do_$action"
}

# Leave nothing that is only half there.
clean_up() {
  rm -rf ${work:+"$work"} ${building:+"$building"}
  [ -n "$locked" ] || return 0
  rm -rf "$TMPDIR"
  [ -e "$BASE/current" ] || rm -f "$BASE/.lock"
  rmdir "$BASE" 2>/dev/null || true # where nothing was installed
}

# One at a time: two would build into the same folder. Opens $BASE for writing as well.
lock() {
  [ -z "$dry_run" ] || return 0
  mkdir -p "$TMPDIR" 2>/dev/null || die 77 "$BASE cannot be written: is /opt a read-only file system? mount -o remount,rw"
  [ -z "$(find "$BASE" -maxdepth 0 \( ! -user root -o -perm /022 \))" ] ||
    die 77 "others may write in $BASE, and root runs what is in it: sudo rm -rf $BASE, and try again"
  exec 9>"$BASE/.lock"
  flock "$@" 9 || die 75 'another install.sh is at work: wait until it has ended'
  locked=1
}

do_install() {
  check_python
  lock --nonblock
  check_place
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
  python3 -I -c 'import sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    die 69 "python3 3.10 or newer with its venv module is needed, here is $(python3 --version 2>&1): sudo apt install python3 python3-venv"
}

# What is installed has to be executable, and there has to be room for it beside the version that runs.
check_place() {
  [ -z "$dry_run" ] || return 0
  rm -rf "$BASE"/unpacked.* "$BASE"/fetched.* "$TMPDIR" # of a run that was killed
  mkdir "$TMPDIR" 2>/dev/null || die_of 69 "$BASE cannot be written"
  printf '#!/bin/sh\n' >"$TMPDIR/try" 2>/dev/null || die_of 69 "$BASE cannot be written"
  chmod 755 "$TMPDIR/try"
  "$TMPDIR/try" 2>/dev/null || die 69 "programs below $BASE may not be run: is it mounted noexec? mount -o remount,exec"
  needed=$ROOM_MB
  [ ! -f "$bundle_file" ] || needed=$((ROOM_MB + $(du -m "$bundle_file" | cut -f1)))
  [ "$(room_mb)" -ge "$needed" ] || die 75 "$(room_mb) MB are free in $BASE and about $needed MB are needed: make room and try again"
}

# End if somebody but root and who typed `sudo` could exchange something below $1, all of which root is going to run.
# A group that has nobody else in it, as Ubuntu gives one to each user, is that user.
require_ours() {
  [ -z "$dry_run" ] || return 0
  typist=${SUDO_UID:-0} group=0
  case $typist${SUDO_GID:-0} in *[!0-9]*) typist=0 ;; esac
  name=$(getent passwd "$typist" | cut -d: -f1)
  case $(getent group "${SUDO_GID:-0}") in
    "$name":*:*: | "$name":*:"$name") group=${SUDO_GID:-0} ;;
  esac
  foreign=$(find "$1" -name .git -prune -o \
    \( ! -uid 0 ! -uid "$typist" -o ! -type l \( -perm -2 -o -perm -20 ! -gid 0 ! -gid "$group" \) \) -print -quit)
  folder=$(dirname "$1")
  while [ -z "$foreign" ] && [ "$folder" != / ]; do
    foreign=$(find "$folder" -maxdepth 0 \
      \( ! -uid 0 ! -uid "$typist" -o ! -perm -1000 \( -perm -2 -o -perm -20 ! -gid 0 ! -gid "$group" \) \))
    folder=$(dirname "$folder")
  done
  [ -z "$foreign" ] ||
    die 77 "others may write $foreign, and root would run it: if you trust it, sudo cp -r $1 /root and install from there"
}

room_mb() { df --output=avail --block-size=1M "$BASE" | tail -n 1 | tr -d ' '; }

# End as `die` does, but for a full disk: that would be blamed on whatever met it.
die_of() {
  if [ "$(room_mb)" -lt 8 ]; then die 75 "$BASE is full: make room and try again; nothing was changed"; fi
  die "$@"
}

# Unpack an archive into $work and hold every file against its checksum.
unpack_bundle() {
  [ -f "$bundle_file" ] || die 2 "$bundle is not there: expected the archive that \`make bundle\` made"
  say "unpacking $bundle"
  if [ -n "$dry_run" ]; then
    printf '  tar -xf %s; sha256sum --check SHA256SUMS\n' "$bundle"
    return
  fi
  require_ours "$(readlink -f "$bundle_file")"
  work=$(mktemp -d "$BASE/unpacked.XXXXXX")
  tar -xf "$bundle_file" -C "$work" --strip-components=1 --no-same-owner --no-same-permissions --force-local || die_of 65 "$bundle is not an archive, or is cut off: copy it again"
  (cd "$work" && sha256sum --quiet --strict --check SHA256SUMS >&2) || die 65 "$bundle is damaged: copy it again"
  (cd "$work" && find . ! -type d ! -path ./SHA256SUMS | sed 's|^\./||' | sort) >"$TMPDIR/found"
  sed 's/^[0-9a-f]*  //' "$work/SHA256SUMS" | sort | cmp -s - "$TMPDIR/found" ||
    die 65 "$bundle holds files without a checksum: make it again with \`make bundle\`"
  source=$work
}

# Build our wheel and fetch those of what it needs, for this machine's Python.
fetch_wheels() {
  source=$(dirname "$here")
  [ -f "$source/pyproject.toml" ] || die 2 "this is not the source tree: run deploy/install.sh in it, or install.sh --offline BUNDLE"
  say 'fetching wheels with pip'
  # PyAV has wheels for these, and takes an hour to compile elsewhere; a 64-bit kernel may have a 32-bit Python.
  extras=''
  ! python3 -I -c 'import os, sys
sys.exit(sys.maxsize < 2**32 or os.uname().machine not in ("aarch64", "x86_64"))' || extras=rtsp
  ! is_jetson || extras=${extras:+$extras,}cuda
  extras=${extras:+[$extras]}
  if [ -n "$dry_run" ]; then
    printf '  pip wheel --wheel-dir WHEELS pip %s\n' "$source$extras"
    return
  fi
  require_ours "$source"
  work=$(mktemp -d "$BASE/fetched.XXXXXX")
  if ! python3 -I -m venv "$work/venv" 2>/dev/null; then
    apt-get install -qq -y --no-install-recommends python3-venv >/dev/null || die 69 'python3-venv is missing: sudo apt install python3-venv'
    python3 -I -m venv --clear "$work/venv"
  fi
  mkdir "$work/wheels"
  find_constraint "$source/deploy"
  "$work/venv/bin/python" -I -m pip wheel --quiet --wheel-dir "$work/wheels" ${constraint:+"--constraint=$constraint"} pip \
    "$source$extras" ||
    die_of 69 "pip cannot build or fetch the wheels: is there a network, and is it really $(date +%F)? Without a network: install.sh --offline BUNDLE"
}

is_jetson() { [ -e /etc/nv_tegra_release ]; }

# $constraint names numpy 1 where apt's picamera2 is built against it.
find_constraint() {
  constraint=''
  if python3 -I -c 'import importlib.util as u, numpy, sys
sys.exit(not (int(numpy.__version__.split(".")[0]) < 2 and u.find_spec("picamera2")))' 2>/dev/null; then
    constraint=$1/constraints-numpy1.txt
  fi
}

# The version is that of our wheel; other content of the same version gets a folder of its own.
find_version() {
  wheel=$(find "$work/wheels" -name 'mnv2_edge-*.whl')
  [ -f "$wheel" ] || die 65 "there is not exactly one wheel of mnv2-edge in $work/wheels"
  version=$(basename "$wheel" | cut -d- -f2)
  hash=$(cd "$work" && find wheels -type f | sort | xargs sha256sum | sha256sum | cut -c1-8)
  if [ -e "$BASE/$version/complete" ] && [ "$(cat "$BASE/$version/complete")" != "$hash" ]; then
    version=$version.$hash
  fi
}

build_version() {
  say "building $target"
  run rm -rf "$target" # what was cut off
  building=$target
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
  try_version || {
    cat "$TMPDIR/trial.log" >&2
    die_of 70 "mnv2-edge does not run with $(python3 --version): the lines above say why; nothing was changed"
  }
  run rm -rf "$TMPDIR/cache"
  [ -n "$dry_run" ] || printf '%s\n' "$hash" >"$target/complete"
  building=''
}

try_version() {
  if [ -n "$dry_run" ]; then
    printf '  %s run --camera demo --max-frames 3\n' "$target/venv/bin/mnv2-edge"
  else
    XDG_CACHE_HOME=$TMPDIR/cache timeout 600 "$target/venv/bin/mnv2-edge" run --camera demo --max-frames 3 --format none >"$TMPDIR/trial.log" 2>&1
  fi
}

# Make the virtual environment of a version from its wheels. It sees the system's packages: picamera2, gi, tensorrt.
# The pip in it is a wheel too, so the system needs neither pip nor ensurepip.
build_environment() {
  run rm -rf "$1/venv"
  run python3 -I -m venv --without-pip --system-site-packages "$1/venv"
  pip=$(find "$1/wheels" -name 'pip-*.whl' 2>/dev/null | head -n 1)
  find_constraint "$1/deploy"
  # What a configuration may need beside the packages that everybody needs; left out where its wheels do not fit.
  extras=''
  [ -z "$(find "$1/wheels" -name 'av-*.whl' 2>/dev/null)" ] || extras=rtsp
  ! is_jetson || [ -z "$(find "$1/wheels" -name 'cuda_python-*.whl' 2>/dev/null)" ] || extras=${extras:+$extras,}cuda
  if [ -z "$extras" ] || ! install_wheels "$1" "$extras" 2>/dev/null; then
    fitting=''
    for extra in $(echo "$extras" | tr , ' '); do
      if install_wheels "$1" "$extra" --dry-run >/dev/null 2>&1; then
        fitting=${fitting:+$fitting,}$extra
      else
        say "the wheels of mnv2-edge[$extra] do not fit $(python3 --version): it is left out"
      fi
    done
    install_wheels "$1" "$fitting" ||
      die_of 69 "the wheels in $1/wheels do not fit $(python3 --version) on $(uname -m): install again with a network, or from a bundle for it"
  fi
  # The command looks in the environment and the system alone, also for whoever has PYTHONPATH or packages at home.
  run sed -i '1s|^#!.*|& -I|' "$1/venv/bin/mnv2-edge"
}

# Install from the wheels of the version $1 with the extras $2; further arguments are pip's.
install_wheels() {
  wheels=$1/wheels python=$1/venv/bin/python what=mnv2-edge${2:+[$2]}
  shift 2
  run "$python" -I "${pip:-PIP.whl}/pip" --isolated install --quiet --no-index --find-links "$wheels" --no-cache-dir \
    --disable-pip-version-check --root-user-action ignore ${constraint:+"--constraint=$constraint"} "$@" "$what"
}

# What looks at the service's own folders, or only looks, does so as the service's user.
as_service() { setpriv --reuid=mnv2-edge --regid=mnv2-edge --clear-groups --no-new-privs -- "$@"; }

current_version() { basename "$(readlink "$BASE/$1" 2>/dev/null)" 2>/dev/null || true; }

# Point at a version, restart what runs, and point back if that does not become ready.
switch_to() {
  before=$(current_version current)
  find_instances
  if [ -e "$BASE/.switching" ]; then # a run that was killed: what runs may still be the version before
    before=$(cat "$BASE/.switching")
  elif [ "$before" = "$1" ]; then
    install_files "$1"
    say "$1 is the current version"
    return
  else
    save_configurations "$before"
  fi
  [ -z "$before" ] || write "$before" "$BASE/.switching"
  point current "$1"
  install_files "$1"
  if ! restart_and_wait; then
    [ -n "$before" ] || die 1 "what runs did not become ready ($failed): mnv2-edge service status"
    culprit=$failed
    say "going back to $before"
    go_back_to "$before" || die 1 "neither $1 ($culprit) nor $before ($failed) became ready: mnv2-edge service status"
    die 1 "$1 did not become ready ($culprit): $before runs again. It is kept in $BASE/$1; mnv2-edge service logs says why"
  fi
  [ -z "$before" ] || [ "$before" = "$1" ] || point previous "$before"
  run rm -f "$BASE/.switching"
  remove_others
  say "$1 is installed; mnv2-edge setup FILE.yaml writes a configuration, mnv2-edge service install FILE.yaml runs it"
}

do_rollback() {
  lock --nonblock
  before=$(current_version previous) after=$(current_version current)
  [ -n "$after" ] || die 1 'nothing is installed'
  [ ! -e "$BASE/.switching" ] || before=$(cat "$BASE/.switching") # an upgrade that was killed
  [ -e "$BASE/${before:-none}/complete" ] || die 1 'there is no version before this one'
  find_instances
  save_configurations "$after"
  go_back_to "$before" || die 1 "$before did not become ready ($failed): mnv2-edge service status; --rollback again for $after"
  say "$before runs again"
}

# Configurations belong to the version that understands them.
save_configurations() {
  [ -n "$1" ] && [ -d "$CONFIG" ] || return 0
  run rm -rf "$BASE/$1/saved"
  run cp -a "$CONFIG" "$BASE/$1/saved"
}

# Fails where what runs does not become ready.
go_back_to() {
  after=$(current_version current)
  point current "$1"
  [ "$action" != rollback ] || point previous "$after"
  if [ -d "$BASE/$1/saved" ]; then
    for file in "$BASE/$1/saved"/*; do
      [ ! -e "$file" ] || run cp -a "$file" "$CONFIG/"
    done
  fi
  install_files "$1"
  run rm -f "$BASE/.switching"
  restart_and_wait
}

write() {
  if [ -n "$dry_run" ]; then
    printf '  echo %s > %s\n' "$1" "$2"
  else
    printf '%s\n' "$1" >"$2"
  fi
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
  if is_jetson; then
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

# What was well before has to become ready again; an instance that was still starting is left out.
find_instances() {
  ready=$(instances_that_are active,reloading) trying=$(instances_that_are activating)
}

instances_that_are() {
  systemctl list-units --plain --no-legend --state="$1" 'mnv2-edge@*.service' 2>/dev/null | awk '{ print $1 }'
}

# Restart units and see that each that was ready becomes so and stays so; $failed names the first that does not.
restart_and_wait() {
  failed=''
  [ -n "$ready$trying" ] || return 0
  # shellcheck disable=SC2086 # a word for each unit
  run systemctl restart --no-block $ready $trying
  [ -z "$dry_run" ] || return 0
  for unit in $ready; do
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
      *) [ ! -d "$folder/wheels" ] || run rm -rf "$folder" ;; # whole, or a build that was killed
    esac
  done
}

do_mend() {
  version=$(current_version current)
  [ -n "$version" ] || die 1 'nothing is installed'
  if as_service "$BASE/current/venv/bin/python" -I -c 'import mnv2_edge, numpy, cv2' 2>/dev/null; then
    say "$version fits $(python3 --version)"
    return
  fi
  # Not before: an installation that has the lock waits for instances, which wait for this.
  lock --timeout 600
  say "$version does not run with $(python3 --version): making its environment again"
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
  run rm -rf "$CONFIG" "$STATE" "$UNITS"/mnv2-edge@*.service.d "$UNITS/mnv2-edge-engines.service.d" # drop-ins of yours
  run sh -c 'rm -f /etc/credstore/mnv2-edge.*'
  if getent passwd mnv2-edge >/dev/null; then
    run userdel mnv2-edge
  fi
}

main "$@"
