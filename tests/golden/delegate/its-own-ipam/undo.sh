#!/bin/sh
set -e
env CNI_COMMAND=DEL CNI_CONTAINERID=web CNI_NETNS=/proc/1234/ns/net CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni:/usr/local/lib/cni PATH=/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni:/usr/local/lib/cni:/usr/sbin:/usr/bin:/sbin:/bin macvlan <<'EOF'
{"cniVersion": "1.0.0", "name": "theirs", "type": "macvlan", "master": "eth0", "ipam": {"type": "dhcp"}, "mtu": 1400, "runtimeConfig": {"mac": "02:00:00:00:00:c1"}, "args": {"cni": {"mac": "02:00:00:00:00:c1"}}}
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
