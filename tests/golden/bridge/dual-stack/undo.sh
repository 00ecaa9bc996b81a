#!/bin/sh
set -e
ip link set dev nk2a9c82599f24 down
nft -f - <<'EOF'
add element inet netkit host6 { fd00:2::1 . udp . 53 comment "2a9c82599f24" : fd00:90::2 . 53 }
delete element inet netkit host6 { fd00:2::1 . udp . 53 }
add element inet netkit any6 { tcp . 8080 comment "2a9c82599f24" : fd00:90::2 . 80 }
delete element inet netkit any6 { tcp . 8080 }
add element inet netkit any4 { tcp . 8080 comment "2a9c82599f24" : 10.90.0.2 . 80 }
delete element inet netkit any4 { tcp . 8080 }
EOF
conntrack -D -f ipv6 -p udp --orig-dst fd00:2::1 --orig-port-dst 53 || :
conntrack -D -f ipv6 -p tcp --orig-port-dst 8080 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 8080 || :
nft -f - <<'EOF'
add element bridge netkit ports { "nk2a9c82599f24" }
add element bridge netkit bind4 { "nk2a9c82599f24" . 02:3e:5c:c8:51:4d . 10.90.0.2, "nk2a9c82599f24" . 02:3e:5c:c8:51:4d . 0.0.0.0 }
add element bridge netkit bind6 { "nk2a9c82599f24" . 02:3e:5c:c8:51:4d . fd00:90::2, "nk2a9c82599f24" . 02:3e:5c:c8:51:4d . fe80::3e:5cff:fec8:514d, "nk2a9c82599f24" . 02:3e:5c:c8:51:4d . :: }
add element bridge netkit targets6 { "nk2a9c82599f24" . 0xfd000090000000000000000000000002, "nk2a9c82599f24" . 0xfe80000000000000003e5cfffec8514d }
delete element bridge netkit ports { "nk2a9c82599f24" }
delete element bridge netkit bind4 { "nk2a9c82599f24" . 02:3e:5c:c8:51:4d . 10.90.0.2, "nk2a9c82599f24" . 02:3e:5c:c8:51:4d . 0.0.0.0 }
delete element bridge netkit bind6 { "nk2a9c82599f24" . 02:3e:5c:c8:51:4d . fd00:90::2, "nk2a9c82599f24" . 02:3e:5c:c8:51:4d . fe80::3e:5cff:fec8:514d, "nk2a9c82599f24" . 02:3e:5c:c8:51:4d . :: }
delete element bridge netkit targets6 { "nk2a9c82599f24" . 0xfd000090000000000000000000000002, "nk2a9c82599f24" . 0xfe80000000000000003e5cfffec8514d }
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk2a9c82599f24
ip link set dev nk-blue down
nft -f - <<'EOF'
add element inet netkit nkif { "nk-blue" }
add element inet netkit switches { "nk-blue" . "nk-blue" }
add element inet netkit nets4 { 10.90.0.0/16 }
add element inet netkit masq4 { 10.90.0.0/16 }
add element inet netkit hair4 { "nk-blue" . 10.90.0.0/16 }
add element inet netkit nets6 { fd00:90::/64 }
add element inet netkit masq6 { fd00:90::/64 }
add element inet netkit hair6 { "nk-blue" . fd00:90::/64 }
add element inet netkit fwd_from { "nk-blue" : goto from_nat }
add element inet netkit fwd_to { "nk-blue" : goto to_nat }
delete element inet netkit nkif { "nk-blue" }
delete element inet netkit switches { "nk-blue" . "nk-blue" }
delete element inet netkit nets4 { 10.90.0.0/16 }
delete element inet netkit masq4 { 10.90.0.0/16 }
delete element inet netkit hair4 { "nk-blue" . 10.90.0.0/16 }
delete element inet netkit nets6 { fd00:90::/64 }
delete element inet netkit masq6 { fd00:90::/64 }
delete element inet netkit hair6 { "nk-blue" . fd00:90::/64 }
delete element inet netkit fwd_from { "nk-blue" }
delete element inet netkit fwd_to { "nk-blue" }
EOF
ip link del dev nk-blue
sysctl -qw net/ipv6/conf/all/forwarding=0
sysctl -qw net/ipv6/conf/eth0/accept_ra=1
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
