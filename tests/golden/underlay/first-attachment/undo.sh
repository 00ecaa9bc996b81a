#!/bin/sh
set -e
ip link set dev nk83cd56d989c4 down
nft -f - <<'EOF'
add element bridge netkit ports { "nk83cd56d989c4" }
add element bridge netkit bind4 { "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 192.168.1.200, "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 0.0.0.0 }
delete element bridge netkit ports { "nk83cd56d989c4" }
delete element bridge netkit bind4 { "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 192.168.1.200, "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 0.0.0.0 }
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk83cd56d989c4
ip -force -batch - <<'EOF'
link set dev eth0 nomaster
route del default via 192.168.1.1 dev nk-lan proto 16 metric 100
route del 192.168.1.0/24 dev nk-lan proto 2
addr del 192.168.1.5/24 dev nk-lan
addr add 192.168.1.5/24 dev eth0 brd 192.168.1.255 label eth0
route add default via 192.168.1.1 dev eth0 proto 16 metric 100 src 192.168.1.5
EOF
ip link del dev nk-lan
nft -f - <<'EOF'
add element inet netkit selves { "nk-lan" . "nk-lan" }
delete element inet netkit selves { "nk-lan" . "nk-lan" }
EOF
nft -f - <<'EOF'
add table inet netkit
delete table inet netkit
add table bridge netkit
delete table bridge netkit
EOF
