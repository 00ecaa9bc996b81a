#!/bin/sh
set -e
ip link set dev nk8d6bc2857fce down
nft -f - <<'EOF'
add element bridge netkit ports { "nk8d6bc2857fce" }
add element bridge netkit bind4 { "nk8d6bc2857fce" . 02:22:de:de:22:7b . 10.90.0.2, "nk8d6bc2857fce" . 02:22:de:de:22:7b . 0.0.0.0 }
delete element bridge netkit ports { "nk8d6bc2857fce" }
delete element bridge netkit bind4 { "nk8d6bc2857fce" . 02:22:de:de:22:7b . 10.90.0.2, "nk8d6bc2857fce" . 02:22:de:de:22:7b . 0.0.0.0 }
EOF
ip link del dev nk8d6bc2857fce
ip link set dev nk-blue down
nft -f - <<'EOF'
add element inet netkit nkif { "nk-blue" }
add element inet netkit switches { "nk-blue" . "nk-blue" }
add element inet netkit nets4 { 10.90.0.0/16 }
add element inet netkit masq4 { 10.90.0.0/16 }
add element inet netkit hair4 { "nk-blue" . 10.90.0.0/16 }
add element inet netkit fwd_from { "nk-blue" : goto from_nat }
add element inet netkit fwd_to { "nk-blue" : goto to_nat }
delete element inet netkit nkif { "nk-blue" }
delete element inet netkit switches { "nk-blue" . "nk-blue" }
delete element inet netkit nets4 { 10.90.0.0/16 }
delete element inet netkit masq4 { 10.90.0.0/16 }
delete element inet netkit hair4 { "nk-blue" . 10.90.0.0/16 }
delete element inet netkit fwd_from { "nk-blue" }
delete element inet netkit fwd_to { "nk-blue" }
EOF
ip link del dev nk-blue
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
