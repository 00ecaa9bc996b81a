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
