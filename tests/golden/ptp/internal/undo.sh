#!/bin/sh
set -e
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nkpflxp1c624485
nft -f - <<'EOF'
add element inet netkit pairs { "nkpflxp*" . "nkpflxp*" }
add element inet netkit nets4 { 10.91.0.0/16 }
add element inet netkit hair4 { "nkpflxp*" . 10.91.0.0/16 }
add element inet netkit cable_from { "nkpflxp*" . ipv4 : goto from_int }
add element inet netkit cable_to { "nkpflxp*" . ipv4 : drop }
delete element inet netkit pairs { "nkpflxp*" . "nkpflxp*" }
delete element inet netkit nets4 { 10.91.0.0/16 }
delete element inet netkit hair4 { "nkpflxp*" . 10.91.0.0/16 }
delete element inet netkit cable_from { "nkpflxp*" . ipv4 }
delete element inet netkit cable_to { "nkpflxp*" . ipv4 }
EOF
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
