#!/bin/sh
set -e
pkill -USR2 -f 'udhcpc -i eth0' || :
ip link set dev nk83cd56d989c4 down
ip link set dev nq83cd56d989c4 down
nft -f - <<'EOF'
add element bridge netkit ports { "nk83cd56d989c4" }
add element bridge netkit bind4 { "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 192.168.1.200, "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 0.0.0.0 }
delete element bridge netkit ports { "nk83cd56d989c4" }
delete element bridge netkit bind4 { "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 192.168.1.200, "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 0.0.0.0 }
EOF
nft -f - <<'EOF'
add element bridge netkit ports { "nk83cd56d989c4" }
add element bridge netkit bind4 { "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 0.0.0.0 }
delete element bridge netkit ports { "nk83cd56d989c4" }
delete element bridge netkit bind4 { "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 0.0.0.0 }
EOF
ip link del dev nq83cd56d989c4
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk83cd56d989c4
