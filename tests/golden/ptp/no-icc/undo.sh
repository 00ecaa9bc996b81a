#!/bin/sh
set -e
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nkpjcua468613c0
nft -f - <<'EOF'
add element inet netkit nets4 { 10.91.0.0/16 }
add element inet netkit masq4 { 10.91.0.0/16 }
add element inet netkit hair4 { "nkpjcua*" . 10.91.0.0/16 }
add element inet netkit cable_from { "nkpjcua*" . ipv4 : goto from_nat }
add element inet netkit cable_to { "nkpjcua*" . ipv4 : goto to_nat }
delete element inet netkit nets4 { 10.91.0.0/16 }
delete element inet netkit masq4 { 10.91.0.0/16 }
delete element inet netkit hair4 { "nkpjcua*" . 10.91.0.0/16 }
delete element inet netkit cable_from { "nkpjcua*" . ipv4 }
delete element inet netkit cable_to { "nkpjcua*" . ipv4 }
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
