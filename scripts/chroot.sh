# shellcheck shell=bash
# A bare Debian in a temporary folder, for check-fresh and check-cross; sourced, bash, as root.
#
#     fresh_begin "$0" "$@"     runs the script again in namespaces of its own: whatever happens, its
#                               mounts and processes end with it. $fresh: the folder, removed at the end
#     fresh_make SUITE          debootstrap, from the mirror that this machine's apt is configured with
#     fresh_clone               the tree's HEAD, to /root/penstock
#     fresh_run COMMAND         a shell command in it, with the environment of a new login, in the clone
fresh_begin() {
        local missing=

        if [ "$(id -u)" -ne 0 ]; then
                exec sudo -- "$@"
        fi
        if [ -z "${FRESH_NAMESPACE:-}" ]; then
                for tool in debootstrap unshare git; do
                        command -v "$tool" >/dev/null || missing="$missing $tool"
                done
                [ -z "$missing" ] || {
                        echo "$(basename "$1"): missing:$missing (scripts/install-deps --ci)" >&2
                        exit 1
                }
                FRESH_NAMESPACE=1 exec unshare --mount --propagation private --pid --fork \
                        --kill-child --mount-proc -- "$@"
        fi
        # Not /tmp: that may be small, or refuse devices and programs.
        fresh=$(mktemp -d "${FRESH_DIR:-/var/tmp}/penstock-fresh.XXXXXX") || exit 1
        trap fresh_end EXIT
        trap 'exit 130' INT TERM HUP
}

fresh_end() {
        cd /
        # The mounts are ours alone; --one-file-system leaves alone what could not be unmounted.
        umount "$fresh/dev/pts" "$fresh/dev/shm" "$fresh/proc" 2>/dev/null || true
        rm -rf --one-file-system "$fresh"
}

# The main mirror of this machine, for any suite.
fresh_mirror() {
        local codename

        codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
        apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(RELEASE)' 'Created-By: Packages' |
                awk -v codename="$codename" '$2 == "main" && $3 == codename && !n++ { print $1 }'
}

fresh_make() {
        local suite=$1 mirror

        mirror=$(fresh_mirror)
        [ -n "$mirror" ] || {
                echo "the apt of this machine has no mirror with a main section" >&2
                return 1
        }
        debootstrap --variant=minbase "$suite" "$fresh" "$mirror" || {
                tail -n 20 "$fresh/debootstrap/debootstrap.log" >&2
                return 1
        }
        # How this machine reaches its mirror (a proxy, for instance), and its names.
        apt-config dump | grep -E '^Acquire::(http|https|Retries|Check)' \
                >"$fresh/etc/apt/apt.conf.d/90-of-the-host" || true
        cp -L /etc/resolv.conf /etc/hosts "$fresh/etc/" 2>/dev/null || true
        mount -t proc proc "$fresh/proc"
        mkdir -p "$fresh/dev/pts" "$fresh/dev/shm"
        mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$fresh/dev/pts"
        ln -sf pts/ptmx "$fresh/dev/ptmx"
        mount -t tmpfs tmpfs "$fresh/dev/shm"
}

fresh_clone() {
        git -c safe.directory='*' clone -q --no-local "$PWD" "$fresh/root/penstock"
}

fresh_run() {
        chroot "$fresh" /usr/bin/env -i HOME=/root TERM="${TERM:-dumb}" CI=true \
                PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
                /bin/bash -c "set -eu; cd /root/penstock; $1" </dev/null
}
