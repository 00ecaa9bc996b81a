#!/bin/sh
set -e
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk542a8c6fac63
ip link set dev netkit0 down
nft -f - <<'EOF'
add element inet netkit nkif { "netkit0" }
add element inet netkit switches { "netkit0" . "netkit0" }
add element inet netkit nets4 { 10.90.0.0/16 }
add element inet netkit masq4 { 10.90.0.0/16 }
add element inet netkit hair4 { "netkit0" . 10.90.0.0/16 }
add element inet netkit fwd_from { "netkit0" : goto from_nat }
add element inet netkit fwd_to { "netkit0" : goto to_nat }
delete element inet netkit nkif { "netkit0" }
delete element inet netkit switches { "netkit0" . "netkit0" }
delete element inet netkit nets4 { 10.90.0.0/16 }
delete element inet netkit masq4 { 10.90.0.0/16 }
delete element inet netkit hair4 { "netkit0" . 10.90.0.0/16 }
delete element inet netkit fwd_from { "netkit0" }
delete element inet netkit fwd_to { "netkit0" }
EOF
ip link del dev netkit0
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
