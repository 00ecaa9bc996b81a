#!/bin/sh
set -e
ip link set dev nk468613c0566b down
nft -f - <<'EOF'
add element bridge netkit ports { "nk468613c0566b" }
add element bridge netkit bind4 { "nk468613c0566b" . 02:00:00:00:00:07 . 10.90.0.2, "nk468613c0566b" . 02:00:00:00:00:07 . 0.0.0.0 }
delete element bridge netkit ports { "nk468613c0566b" }
delete element bridge netkit bind4 { "nk468613c0566b" . 02:00:00:00:00:07 . 10.90.0.2, "nk468613c0566b" . 02:00:00:00:00:07 . 0.0.0.0 }
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk468613c0566b
ip link set dev nk-lonely down
nft -f - <<'EOF'
add element inet netkit nkif { "nk-lonely" }
add element inet netkit nets4 { 10.90.0.0/16 }
add element inet netkit masq4 { 10.90.0.0/16 }
add element inet netkit hair4 { "nk-lonely" . 10.90.0.0/16 }
add element inet netkit fwd_from { "nk-lonely" : goto from_nat }
add element inet netkit fwd_to { "nk-lonely" : goto to_nat }
delete element inet netkit nkif { "nk-lonely" }
delete element inet netkit nets4 { 10.90.0.0/16 }
delete element inet netkit masq4 { 10.90.0.0/16 }
delete element inet netkit hair4 { "nk-lonely" . 10.90.0.0/16 }
delete element inet netkit fwd_from { "nk-lonely" }
delete element inet netkit fwd_to { "nk-lonely" }
EOF
ip link del dev nk-lonely
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
