#!/bin/sh
set -e
ip link set dev nk1c62448577a5 down
nft -f - <<'EOF'
add element bridge netkit ports { "nk1c62448577a5" }
add element bridge netkit bind4 { "nk1c62448577a5" . 02:b6:f2:9c:b4:52 . 10.90.0.2, "nk1c62448577a5" . 02:b6:f2:9c:b4:52 . 0.0.0.0 }
delete element bridge netkit ports { "nk1c62448577a5" }
delete element bridge netkit bind4 { "nk1c62448577a5" . 02:b6:f2:9c:b4:52 . 10.90.0.2, "nk1c62448577a5" . 02:b6:f2:9c:b4:52 . 0.0.0.0 }
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk1c62448577a5
ip link set dev nk-dark down
nft -f - <<'EOF'
add element inet netkit nkif { "nk-dark" }
add element inet netkit switches { "nk-dark" . "nk-dark" }
add element inet netkit nets4 { 10.90.0.0/16 }
add element inet netkit hair4 { "nk-dark" . 10.90.0.0/16 }
add element inet netkit fwd_from { "nk-dark" : goto from_int }
add element inet netkit fwd_to { "nk-dark" : drop }
delete element inet netkit nkif { "nk-dark" }
delete element inet netkit switches { "nk-dark" . "nk-dark" }
delete element inet netkit nets4 { 10.90.0.0/16 }
delete element inet netkit hair4 { "nk-dark" . 10.90.0.0/16 }
delete element inet netkit fwd_from { "nk-dark" }
delete element inet netkit fwd_to { "nk-dark" }
EOF
ip link del dev nk-dark
nft -f - <<'EOF'
add table inet netkit
delete table inet netkit
add table bridge netkit
delete table bridge netkit
EOF
