#!/bin/sh
set -e
ip link set dev nk542a8c6fac63 down
nft -f - <<'EOF'
add chain inet netkit when_82d254b54ccc
add element inet netkit when4 { 192.0.2.2 . udp . 7000-7002 comment "542a8c6fac63" : goto when_82d254b54ccc }
delete element inet netkit when4 { 192.0.2.2 . udp . 7000-7002 }
flush chain inet netkit when_82d254b54ccc
delete chain inet netkit when_82d254b54ccc
add chain inet netkit when_92bc07ab5e93
add element inet netkit when4 { 0.0.0.0/0 . tcp . 8080 comment "542a8c6fac63" : goto when_92bc07ab5e93 }
delete element inet netkit when4 { 0.0.0.0/0 . tcp . 8080 }
flush chain inet netkit when_92bc07ab5e93
delete chain inet netkit when_92bc07ab5e93
EOF
conntrack -D -f ipv4 -p udp --orig-dst 192.0.2.2 --orig-port-dst 7000 || :
conntrack -D -f ipv4 -p udp --orig-dst 192.0.2.2 --orig-port-dst 7001 || :
conntrack -D -f ipv4 -p udp --orig-dst 192.0.2.2 --orig-port-dst 7002 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 8080 || :
nft -f - <<'EOF'
add element bridge netkit ports { "nk542a8c6fac63" }
add element bridge netkit bind4 { "nk542a8c6fac63" . 02:e0:e9:32:62:71 . 10.90.0.2, "nk542a8c6fac63" . 02:e0:e9:32:62:71 . 0.0.0.0 }
delete element bridge netkit ports { "nk542a8c6fac63" }
delete element bridge netkit bind4 { "nk542a8c6fac63" . 02:e0:e9:32:62:71 . 10.90.0.2, "nk542a8c6fac63" . 02:e0:e9:32:62:71 . 0.0.0.0 }
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk542a8c6fac63
