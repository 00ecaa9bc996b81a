#!/bin/sh
set -e
ip link set dev nk83cd56d989c4 down
nft -f - <<'EOF'
add element bridge netkit ports { "nk83cd56d989c4" }
add element bridge netkit bind4 { "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 192.168.1.200, "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 0.0.0.0 }
add element bridge netkit bind6 { "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 2001:db8:1::c0, "nk83cd56d989c4" . 02:16:09:a5:cb:dc . fe80::16:9ff:fea5:cbdc, "nk83cd56d989c4" . 02:16:09:a5:cb:dc . :: }
add element bridge netkit targets6 { "nk83cd56d989c4" . 0x20010db80001000000000000000000c0, "nk83cd56d989c4" . 0xfe80000000000000001609fffea5cbdc }
delete element bridge netkit ports { "nk83cd56d989c4" }
delete element bridge netkit bind4 { "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 192.168.1.200, "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 0.0.0.0 }
delete element bridge netkit bind6 { "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 2001:db8:1::c0, "nk83cd56d989c4" . 02:16:09:a5:cb:dc . fe80::16:9ff:fea5:cbdc, "nk83cd56d989c4" . 02:16:09:a5:cb:dc . :: }
delete element bridge netkit targets6 { "nk83cd56d989c4" . 0x20010db80001000000000000000000c0, "nk83cd56d989c4" . 0xfe80000000000000001609fffea5cbdc }
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk83cd56d989c4
ip -force -batch - <<'EOF' || :
link set dev eth0 nomaster
route del default via 192.168.1.1 dev nk-lan proto 16 metric 100
route del 10.8.0.0/16 via 192.168.1.9 dev nk-lan proto 4 table 100
route del ::/0 via fe80::1 dev nk-lan proto 9 metric 1025
route del ::/0 via fe80::1 dev nk-lan proto 9 metric 1024
route del 192.168.1.0/24 dev nk-lan proto 2
route del 2001:db8:1::/64 dev nk-lan proto 2 metric 256
route del fe80::/64 dev nk-lan proto 2 metric 256
addr del 192.168.1.6/24 dev nk-lan
addr del 192.168.1.5/24 dev nk-lan
addr replace 192.168.1.5/24 dev eth0 brd 192.168.1.255 label eth0 valid_lft 3600 preferred_lft 3600
addr add 192.168.1.6/24 dev eth0 label eth0:web
addr replace 2001:db8:1::5/64 dev eth0 valid_lft 86400 preferred_lft 14400 mngtmpaddr nodad
addr change 2001:db8:1::5/64 dev eth0 valid_lft 86400 preferred_lft 14400 mngtmpaddr
addr add fe80::5054:ff:fe12:3456/64 dev eth0 nodad
addr change fe80::5054:ff:fe12:3456/64 dev eth0
route replace 2001:db8:1::/64 dev eth0 proto 2 metric 256 expires 86400
route add fe80::/64 dev eth0 proto 2 metric 256
route add default via 192.168.1.1 dev eth0 proto 16 metric 100 src 192.168.1.5
route add 10.8.0.0/16 via 192.168.1.9 dev eth0 proto 4 table 100 mtu 1300
route replace ::/0 via fe80::1 dev eth0 proto 9 metric 1025 expires 30
EOF
sysctl -qw net/ipv6/conf/eth0/addr_gen_mode=0
ip link del dev nk-lan
nft -f - <<'EOF'
delete element inet filter netkit_switches { "nk-lan" . "nk-lan" }
EOF
iptables -w -t filter -D NETKIT-ADMIT -i nk-lan -o nk-lan -j ACCEPT -m comment --comment nk:ebaca30a21e3:4da4d7b448cd
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
