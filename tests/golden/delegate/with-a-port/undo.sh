#!/bin/sh
set -e
nft -f - <<'EOF'
add element inet netkit any4 { tcp . 8080 comment "6256ebba2ad9" : 10.20.0.2 . 80 }
delete element inet netkit any4 { tcp . 8080 }
EOF
conntrack -D -f ipv4 -p tcp --orig-port-dst 8080 || :
nft -f - <<'EOF'
add element inet netkit back4 { 10.20.0.0/24 . 10.20.0.2, 127.0.0.0/8 . 10.20.0.2 }
delete element inet netkit back4 { 10.20.0.0/24 . 10.20.0.2, 127.0.0.0/8 . 10.20.0.2 }
EOF
env CNI_COMMAND=DEL CNI_CONTAINERID=web CNI_NETNS=/proc/1234/ns/net CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni:/usr/local/lib/cni PATH=/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni:/usr/local/lib/cni:/usr/sbin:/usr/bin:/sbin:/bin bridge <<'EOF'
{"cniVersion": "1.0.0", "name": "theirs", "type": "bridge", "isGateway": true, "ipam": {"type": "static", "addresses": [{"address": "10.20.0.2/24", "gateway": "10.20.0.1"}], "routes": [{"dst": "0.0.0.0/0", "gw": "10.20.0.1"}]}}
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
sysctl -qw net/ipv4/ip_forward=0
nft -f - <<'EOF'
add element inet netkit closed { ipv4 }
delete element inet netkit closed { ipv4 }
EOF
nft -f - <<'EOF'
add table inet netkit
delete table inet netkit
add table bridge netkit
delete table bridge netkit
EOF
