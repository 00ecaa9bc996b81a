#!/bin/sh
set -e
ip link set dev nk68c449f5d4a2 down
nft -f - <<'EOF'
add element bridge netkit ports { "nk68c449f5d4a2" }
add element bridge netkit bind4 { "nk68c449f5d4a2" . 02:db:dd:f4:75:4c . 10.90.0.2, "nk68c449f5d4a2" . 02:db:dd:f4:75:4c . 0.0.0.0 }
delete element bridge netkit ports { "nk68c449f5d4a2" }
delete element bridge netkit bind4 { "nk68c449f5d4a2" . 02:db:dd:f4:75:4c . 10.90.0.2, "nk68c449f5d4a2" . 02:db:dd:f4:75:4c . 0.0.0.0 }
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk68c449f5d4a2
sysctl -qw net/ipv4/conf/br0/route_localnet=0
nft -f - <<'EOF'
add element inet netkit nkif { "br0" }
add element inet netkit switches { "br0" . "br0" }
add element inet netkit nets4 { 10.90.0.0/16 }
add element inet netkit masq4 { 10.90.0.0/16 }
add element inet netkit hair4 { "br0" . 10.90.0.0/16 }
add element inet netkit fwd_from { "br0" : goto from_nat }
add element inet netkit fwd_to { "br0" : goto to_nat }
delete element inet netkit nkif { "br0" }
delete element inet netkit switches { "br0" . "br0" }
delete element inet netkit nets4 { 10.90.0.0/16 }
delete element inet netkit masq4 { 10.90.0.0/16 }
delete element inet netkit hair4 { "br0" . 10.90.0.0/16 }
delete element inet netkit fwd_from { "br0" }
delete element inet netkit fwd_to { "br0" }
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
