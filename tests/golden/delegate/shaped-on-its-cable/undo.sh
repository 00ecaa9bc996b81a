#!/bin/sh
set -e
tc qdisc del dev veth5 ingress
ip link del dev nq6256ebba2ad9
tc qdisc del dev veth5 root handle 6e6b:
env CNI_COMMAND=DEL CNI_CONTAINERID=web CNI_NETNS=/proc/1234/ns/net CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni:/usr/local/lib/cni PATH=/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni:/usr/local/lib/cni:/usr/sbin:/usr/bin:/sbin:/bin bridge <<'EOF'
{"cniVersion": "1.0.0", "name": "theirs", "type": "bridge", "isGateway": true, "ipam": {"type": "static", "addresses": [{"address": "10.20.0.2/24", "gateway": "10.20.0.1"}], "routes": [{"dst": "0.0.0.0/0", "gw": "10.20.0.1"}]}}
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
