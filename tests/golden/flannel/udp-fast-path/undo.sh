#!/bin/sh
set -e
ip link set dev nkda2830bc1765 down
nft -f - <<'EOF'
add element bridge netkit ports { "nkda2830bc1765" }
add element bridge netkit bind4 { "nkda2830bc1765" . 02:8e:f1:16:1f:29 . 10.5.72.2, "nkda2830bc1765" . 02:8e:f1:16:1f:29 . 0.0.0.0 }
delete element bridge netkit ports { "nkda2830bc1765" }
delete element bridge netkit bind4 { "nkda2830bc1765" . 02:8e:f1:16:1f:29 . 10.5.72.2, "nkda2830bc1765" . 02:8e:f1:16:1f:29 . 0.0.0.0 }
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nkda2830bc1765
# eBPF: have the program at flannel0 forget 10.5.9.0/24
ip route del 10.5.9.0/24 dev flannel0 proto 142
ip link set dev nk-flannel down
nft -f - <<'EOF'
add element inet netkit road4 { "flannel0" . 10.5.0.0/16 . 10.5.72.0/24 }
delete element inet netkit road4 { "flannel0" . 10.5.0.0/16 . 10.5.72.0/24 }
EOF
nft -f - <<'EOF'
add element inet netkit nkif { "nk-flannel" }
add element inet netkit switches { "nk-flannel" . "nk-flannel" }
add element inet netkit nets4 { 10.5.72.0/24 }
add element inet netkit masq4 { 10.5.72.0/24 }
add element inet netkit hair4 { "nk-flannel" . 10.5.72.0/24 }
add element inet netkit fwd_from { "nk-flannel" : goto from_nat }
add element inet netkit fwd_to { "nk-flannel" : goto to_nat }
delete element inet netkit nkif { "nk-flannel" }
delete element inet netkit switches { "nk-flannel" . "nk-flannel" }
delete element inet netkit nets4 { 10.5.72.0/24 }
delete element inet netkit masq4 { 10.5.72.0/24 }
delete element inet netkit hair4 { "nk-flannel" . 10.5.72.0/24 }
delete element inet netkit fwd_from { "nk-flannel" }
delete element inet netkit fwd_to { "nk-flannel" }
EOF
# eBPF: take the programs from flannel0 and nic
ip link del dev nk-flannel
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
