#!/bin/sh
set -e
ip link set dev nkda2830bc1765 down
nft -f - <<'EOF'
add element bridge netkit ports { "nkda2830bc1765" }
add element bridge netkit bind4 { "nkda2830bc1765" . 02:8e:f1:16:1f:29 . 10.5.72.2, "nkda2830bc1765" . 02:8e:f1:16:1f:29 . 0.0.0.0 }
add element bridge netkit bind6 { "nkda2830bc1765" . 02:8e:f1:16:1f:29 . fc00:5:0:48::2, "nkda2830bc1765" . 02:8e:f1:16:1f:29 . fe80::8e:f1ff:fe16:1f29, "nkda2830bc1765" . 02:8e:f1:16:1f:29 . :: }
add element bridge netkit targets6 { "nkda2830bc1765" . 0xfc000005000000480000000000000002, "nkda2830bc1765" . 0xfe80000000000000008ef1fffe161f29 }
delete element bridge netkit ports { "nkda2830bc1765" }
delete element bridge netkit bind4 { "nkda2830bc1765" . 02:8e:f1:16:1f:29 . 10.5.72.2, "nkda2830bc1765" . 02:8e:f1:16:1f:29 . 0.0.0.0 }
delete element bridge netkit bind6 { "nkda2830bc1765" . 02:8e:f1:16:1f:29 . fc00:5:0:48::2, "nkda2830bc1765" . 02:8e:f1:16:1f:29 . fe80::8e:f1ff:fe16:1f29, "nkda2830bc1765" . 02:8e:f1:16:1f:29 . :: }
delete element bridge netkit targets6 { "nkda2830bc1765" . 0xfc000005000000480000000000000002, "nkda2830bc1765" . 0xfe80000000000000008ef1fffe161f29 }
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nkda2830bc1765
ip -6 route del fc00:5:0:9::/64 dev flannel-wg-v6 proto 142
wg set flannel-wg-v6 peer PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0= remove
ip route del 10.5.9.0/24 dev flannel-wg proto 142
wg set flannel-wg peer PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0= remove
ip link set dev nk-flannel down
ip link set dev flannel-wg down
ip link set dev flannel-wg-v6 down
nft -f - <<'EOF'
add element inet netkit road6 { "flannel-wg-v6" . fc00:5::/48 . fc00:5:0:48::/64 }
delete element inet netkit road6 { "flannel-wg-v6" . fc00:5::/48 . fc00:5:0:48::/64 }
EOF
nft -f - <<'EOF'
add element inet netkit road4 { "flannel-wg" . 10.5.0.0/16 . 10.5.72.0/24 }
delete element inet netkit road4 { "flannel-wg" . 10.5.0.0/16 . 10.5.72.0/24 }
EOF
nft -f - <<'EOF'
add element inet netkit nkif { "nk-flannel" }
add element inet netkit switches { "nk-flannel" . "nk-flannel" }
add element inet netkit nets4 { 10.5.72.0/24 }
add element inet netkit masq4 { 10.5.72.0/24 }
add element inet netkit hair4 { "nk-flannel" . 10.5.72.0/24 }
add element inet netkit nets6 { fc00:5:0:48::/64 }
add element inet netkit masq6 { fc00:5:0:48::/64 }
add element inet netkit hair6 { "nk-flannel" . fc00:5:0:48::/64 }
add element inet netkit fwd_from { "nk-flannel" : goto from_nat }
add element inet netkit fwd_to { "nk-flannel" : goto to_nat }
delete element inet netkit nkif { "nk-flannel" }
delete element inet netkit switches { "nk-flannel" . "nk-flannel" }
delete element inet netkit nets4 { 10.5.72.0/24 }
delete element inet netkit masq4 { 10.5.72.0/24 }
delete element inet netkit hair4 { "nk-flannel" . 10.5.72.0/24 }
delete element inet netkit nets6 { fc00:5:0:48::/64 }
delete element inet netkit masq6 { fc00:5:0:48::/64 }
delete element inet netkit hair6 { "nk-flannel" . fc00:5:0:48::/64 }
delete element inet netkit fwd_from { "nk-flannel" }
delete element inet netkit fwd_to { "nk-flannel" }
EOF
ip link del dev flannel-wg-v6
ip link del dev flannel-wg
ip link del dev nk-flannel
sysctl -qw net/ipv6/conf/all/forwarding=0
nft -f - <<'EOF'
add element inet netkit closed { ipv6 }
delete element inet netkit closed { ipv6 }
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
