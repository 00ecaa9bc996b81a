#!/bin/sh
set -e
ip link set dev nkbd66c49d2ef8 down
nft -f - <<'EOF'
add element bridge netkit ports { "nkbd66c49d2ef8" }
add element bridge netkit bind4 { "nkbd66c49d2ef8" . 02:49:f6:87:5c:c4 . 10.142.0.2, "nkbd66c49d2ef8" . 02:49:f6:87:5c:c4 . 0.0.0.0 }
delete element bridge netkit ports { "nkbd66c49d2ef8" }
delete element bridge netkit bind4 { "nkbd66c49d2ef8" . 02:49:f6:87:5c:c4 . 10.142.0.2, "nkbd66c49d2ef8" . 02:49:f6:87:5c:c4 . 0.0.0.0 }
EOF
# eBPF: take the program from nkbd66c49d2ef8 that leads frames past the bridge
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nkbd66c49d2ef8
ip link set dev nk-overlay42 down
ip link set dev nkv42 down
nft -f - <<'EOF'
add element inet netkit tunnel4 { "nic" . 192.0.2.2 . 4789 . 0x00002a }
delete element inet netkit tunnel4 { "nic" . 192.0.2.2 . 4789 . 0x00002a }
EOF
nft -f - <<'EOF'
add element inet netkit tunnels { 4789 . 0x00002a }
delete element inet netkit tunnels { 4789 . 0x00002a }
EOF
nft -f - <<'EOF'
add element inet netkit nkif { "nk-overlay42" }
add element inet netkit switches { "nk-overlay42" . "nk-overlay42" }
add element inet netkit nets4 { 10.142.0.0/16 }
add element inet netkit masq4 { 10.142.0.0/16 }
add element inet netkit hair4 { "nk-overlay42" . 10.142.0.0/16 }
add element inet netkit fwd_from { "nk-overlay42" : goto from_nat }
add element inet netkit fwd_to { "nk-overlay42" : goto to_nat }
delete element inet netkit nkif { "nk-overlay42" }
delete element inet netkit switches { "nk-overlay42" . "nk-overlay42" }
delete element inet netkit nets4 { 10.142.0.0/16 }
delete element inet netkit masq4 { 10.142.0.0/16 }
delete element inet netkit hair4 { "nk-overlay42" . 10.142.0.0/16 }
delete element inet netkit fwd_from { "nk-overlay42" }
delete element inet netkit fwd_to { "nk-overlay42" }
EOF
# eBPF: the program at nic does not open what 192.0.2.2 sends
# eBPF: take the program from nic that leads frames past the tunnel and the bridge
ip link del dev nkv42
ip link del dev nk-overlay42
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
