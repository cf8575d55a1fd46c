#!/usr/bin/env bash
# Runs an image as a container would be run, with nothing but buildah's storage and util-linux: own process, mount, IPC, host-name and cgroup
# namespaces, its own /proc, /dev and /dev/pts, the image's entry point as process 1, and the host's network (ports appear on this machine).
#
#   run-image.sh start <image> [--env K=V]... [--bind host:path]... [--name n] [--net] [--drop-caps] [--read-only] [-- command...]   prints the name
#   run-image.sh exec  <name> [--user u] command...       a second process inside
#   run-image.sh pid | root | logs | address <name>       process 1 as seen from here; the mounted root; its output; where its ports are
#   run-image.sh stop  <name>                             SIGTERM, 10 s, SIGKILL; prints the exit status; removes everything
#
# --net gives an own network: a veth pair, so the image's fixed ports clash with nothing (address prints the host to use). Needs root.
set -euo pipefail
STATE=${IMAGE_STATE:-/run/guestd-image}
mkdir -p "$STATE"

die() { echo "run-image: $*" >&2; exit 1; }
dir_of() { [[ -d $STATE/${1:?name} ]] || die "no container '$1'"; echo "$STATE/$1"; }
# Process 1 of a container is ours only while its root is the container's: its id may have gone to another process, or it has not moved in yet.
moved_in() { [[ -s $1/pid && $(readlink "/proc/$(cat "$1/pid")/root") = "$(cat "$1/root")" ]]; }
field() { python3 -c 'import json,sys; c=json.load(sys.stdin)["Docker"]["config"]; v=c.get(sys.argv[1]) or []; print(*([v] if isinstance(v, str) else v), sep="\n", end="\n" if v else "")' "$1"; }

# Runs as process 1 of the new namespaces, still with this machine's files: builds /proc, /dev, /sys, then becomes the image's command.
inside() {
  local root=$1 workdir=$2 drop=$3 readonly=$4; shift 4
  if [[ $readonly = yes ]]; then # as `docker run --read-only --tmpfs /tmp --tmpfs /run`
    hostname "$HOST"; printf '127.0.1.1 %s\n' "$HOST" >> "$root/etc/hosts"
    mount --bind "$root" "$root"; mount -o remount,ro,bind "$root"
    cd "$root"  # the old one would still be writable
    local folder; for folder in tmp run; do mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/$folder"; done
  fi
  mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
  mount -t tmpfs -o mode=755,size=64k,nosuid tmpfs "$root/dev"
  local node; for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    IFS=: read -r name major minor <<< "$node"; mknod -m 666 "$root/dev/$name" c "$major" "$minor"
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5,nosuid,noexec devpts "$root/dev/pts"
  mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev tmpfs "$root/dev/shm"
  ln -s pts/ptmx "$root/dev/ptmx"; ln -s /proc/self/fd "$root/dev/fd"
  ln -s /proc/self/fd/0 "$root/dev/stdin"; ln -s /proc/self/fd/1 "$root/dev/stdout"; ln -s /proc/self/fd/2 "$root/dev/stderr"
  # The version 2 hierarchy as the container sees it; absent where the kernel does not offer one.
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup" 2>/dev/null || true
  local bind; for bind in ${BINDS-}; do
    [[ -d ${bind%%:*} ]] && mkdir -p "$root/${bind#*:}" || { mkdir -p "$root/$(dirname "${bind#*:}")"; touch "$root/${bind#*:}"; }
    mount --bind "${bind%%:*}" "$root/${bind#*:}"
  done
  local caps=(); [[ $drop = yes ]] && caps=("$(command -v setpriv)" --bounding-set "-all,$(printf '+%s,' chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write setfcap | sed 's/,$//')" --inh-caps -all)
  [[ $readonly = yes ]] || { hostname "$HOST"; printf '127.0.1.1 %s\n' "$HOST" >> "$root/etc/hosts"; }
  cd "$root"; exec env -i "${ENVS[@]}" "${caps[@]}" "$(command -v chroot)" . /bin/sh -c 'cd "$0" && exec "$@"' "$workdir" "$@"
}

start() {
  local image=$1 name=image-$$ net= drop=no readonly=no envs=() binds=() command=(); shift
  while [[ $# -gt 0 ]]; do case $1 in
    --env) envs+=("$2"); shift 2 ;; --bind) binds+=("$2"); shift 2 ;; --name) name=$2; shift 2 ;;
    --net) net=yes; shift ;; --drop-caps) drop=yes; shift ;; --read-only) readonly=yes; shift ;; --) shift; command=("$@"); break ;; *) die "unknown option '$1'" ;;
  esac; done
  local dir=$STATE/$name config; [[ ! -e $dir ]] || die "container '$name' exists"
  buildah from --pull-never --name "guestd-$name" "$image" >/dev/null; mkdir "$dir"
  buildah mount "guestd-$name" > "$dir/root"
  config=$(buildah inspect --type container "guestd-$name")
  [[ ${#command[@]} -gt 0 ]] || mapfile -t command < <(field Entrypoint <<< "$config"; field Cmd <<< "$config")
  mapfile -t ENVS < <(echo HOME=/root; field Env <<< "$config"); printf '%s\n' "${ENVS[@]:1}" > "$dir/env"; ENVS+=("${envs[@]}")
  local root workdir; root=$(cat "$dir/root"); workdir=$(field WorkingDir <<< "$config")
  mkdir -p "$root"/{etc,proc,sys,dev}; cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  export ENVS_PACKED; ENVS_PACKED=$(printf '%s\x1e' "${ENVS[@]}"); export BINDS="${binds[*]-}" HOST=$name
  # A group of its own in the version 2 hierarchy, whose root the container sees; on a mixed machine it has no controllers, but kill and freeze.
  local group; group=$(findmnt -nt cgroup2 -o TARGET | head -1)
  if [[ $group ]] && mkdir "$group/guestd-$name" 2>/dev/null; then echo "$group/guestd-$name" > "$dir/cgroup"; export GROUP=$group/guestd-$name; fi
  local netns=(); if [[ $net ]]; then connect "$name" "$dir"; netns=(nsenter --net="/run/netns/guestd-$name"); fi
  # The launcher outlives this script to keep the exit status. It joins the group first, so everything below it is in it.
  setsid bash -c '[[ -z ${GROUP-} ]] || echo $$ > "$GROUP/cgroup.procs"; "${@:2}" & echo $! > "$1/outer"; wait $!; echo $? > "$1/status"' - "$dir" \
    "${netns[@]}" unshare --mount --propagation private --pid --fork --kill-child --ipc --uts --cgroup \
    "$0" --inside "$root" "${workdir:-/}" "$drop" "$readonly" "${command[@]}" > "$dir/log" 2>&1 < /dev/null &
  local launcher=$! outer=; echo "$launcher" > "$dir/launcher"
  while [[ -z $outer && -d /proc/$launcher ]]; do read -r outer < "$dir/outer" || sleep 0.01; done 2>/dev/null
  # Files of /proc have no size: read them. Ends when process 1 exists or the outer process is gone.
  local pid=; while [[ -z $pid && -d /proc/$outer ]]; do read -r pid _ < "/proc/$outer/task/$outer/children" || true; sleep 0.01; done 2>/dev/null
  [[ $pid ]] || { cat "$dir/log" >&2; die "did not start"; }
  echo "$pid" > "$dir/pid"
  # Until it has changed root it is still this machine's: whoever enters then would act here.
  while [[ -d /proc/$pid ]] && ! moved_in "$dir"; do sleep 0.01; done
  disown "$launcher"; echo "$name"
}

# A veth pair and a /30 of its own; the number comes from the free ones.
connect() {
  local name=$1 dir=$2 n=1
  while ip -o addr | grep -q "10\.231\.$n\.1/30" || ip link show "gd$n" >/dev/null 2>&1; do n=$((n + 1)); done
  ip netns add "guestd-$name"
  ip link add "gd$n" type veth peer name eth0 netns "guestd-$name"
  ip addr add "10.231.$n.1/30" dev "gd$n"; ip link set "gd$n" up
  ip -n "guestd-$name" addr add "10.231.$n.2/30" dev eth0; ip -n "guestd-$name" link set eth0 up; ip -n "guestd-$name" link set lo up
  echo "10.231.$n.2" > "$dir/address"
}

enter() {
  local dir user=root; dir=$(dir_of "$1"); shift
  [[ ${1-} = --user ]] && { user=$2; shift 2; }
  [[ ${1-} = -- ]] && shift
  moved_in "$dir" || die "'$(basename "$dir")' is not running"
  local envs; mapfile -t envs < "$dir/env" # the image's own, as `docker exec` has them
  exec nsenter --target "$(cat "$dir/pid")" --mount --pid --ipc --uts --net --cgroup --root --wd \
    env -i "${envs[@]}" HOME="$([[ $user = root ]] && echo /root || echo "/home/$user")" \
    setpriv --reuid "$user" --regid "$user" --init-groups "$@"
}

stop() {
  local name=$1 dir launcher; dir=$(dir_of "$name"); launcher=$(cat "$dir/launcher")
  moved_in "$dir" && kill -TERM "$(cat "$dir/pid")"
  timeout 10 tail -s 0.05 --pid="$launcher" -f /dev/null || { moved_in "$dir" && kill -KILL "$(cat "$dir/pid")"; }
  tail -s 0.05 --pid="$launcher" -f /dev/null
  echo "exit status $(cat "$dir/status" 2>/dev/null || echo unknown)"
  [[ -f $dir/address ]] && ip netns del "guestd-$name"
  [[ -f $dir/cgroup ]] && find "$(cat "$dir/cgroup")" -depth -type d -exec rmdir {} \;
  buildah rm "guestd-$name" >/dev/null; rm -rf "$dir"
}

case ${1-} in
  --inside) shift; IFS=$'\x1e' read -rd '' -a ENVS <<< "${ENVS_PACKED}" || true; [[ ${ENVS[-1]-} = $'\n' ]] && unset 'ENVS[-1]'; inside "$@" ;;
  start) shift; start "$@" ;;
  exec) shift; enter "$@" ;;
  pid|root) cat "$(dir_of "${2-}")/$1" ;;
  logs) cat "$(dir_of "${2-}")/log" ;;
  address) cat "$(dir_of "${2-}")/address" 2>/dev/null || echo 127.0.0.1 ;;
  stop) stop "${2-}" ;;
  *) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
