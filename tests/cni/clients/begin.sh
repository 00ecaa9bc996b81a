# A runtime's places on tmpfs, a root file system of busybox alone, and the plugins. Wants ROOT and PYTHON.
umount /sys  # the lab has put a bare one over the cgroups
for place in /opt/cni /etc/cni /etc/containers /var/lib/cni /var/lib/containers /var/lib/containerd; do mkdir -p $place; mount -t tmpfs -o mode=755 tmpfs $place; done
mkdir -p /run/netns /run/lock /opt/cni/bin /etc/cni/net.d
rootfs=/run/rootfs
mkdir -p $rootfs/proc $rootfs/sys $rootfs/dev $rootfs/tmp $rootfs/bin $rootfs/run $rootfs/etc $rootfs/var $rootfs/usr
cp $(command -v busybox) $rootfs/bin/busybox; ln -s busybox $rootfs/bin/sh
netkit() { $PYTHON -m netkit --root $ROOT "$@"; }
netkit cni install --conf-dir /etc/cni/net.d --as loopback >/dev/null
serve='mkdir -p /tmp/w; echo hello >/tmp/w/index.html; exec /bin/busybox httpd -f -p 80 -h /tmp/w'
look='/bin/busybox ip -o -4 addr show dev eth0'

# A machine whose runtime starts no container at all, with no network either, says nothing about netkit.
unable() { echo "unable: $*"; exit 0; }
able() { "$@" >/run/words 2>&1 || unable "$(tail -n 1 /run/words)"; }
# Waits half a minute at most; its condition is a command.
until_true() { for try in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.3; done; echo "never: $*" >&2; exit 1; }
# Tells what there is, and waits until the test has seen enough. The arguments look inside the container.
show() {
    until_true curl --silent --fail --max-time 3 http://127.0.0.1:8080/
    "$@" | awk '{print $4}'
    netkit ps --json | tr -d '\n'; echo
    read -r seen
}
