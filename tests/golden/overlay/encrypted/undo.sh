#!/bin/sh
set -e
ip link set dev nkbd66c49d2ef8 down
nft -f - <<'EOF'
add element bridge netkit ports { "nkbd66c49d2ef8" }
add element bridge netkit bind4 { "nkbd66c49d2ef8" . 02:49:f6:87:5c:c4 . 10.142.0.2, "nkbd66c49d2ef8" . 02:49:f6:87:5c:c4 . 0.0.0.0 }
delete element bridge netkit ports { "nkbd66c49d2ef8" }
delete element bridge netkit bind4 { "nkbd66c49d2ef8" . 02:49:f6:87:5c:c4 . 10.142.0.2, "nkbd66c49d2ef8" . 02:49:f6:87:5c:c4 . 0.0.0.0 }
EOF
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nkbd66c49d2ef8
ip neigh del 10.142.9.3 dev nk-overlay42
bridge fdb del 02:00:00:00:00:03 dev nkv42 master
bridge fdb del 02:00:00:00:00:03 dev nkv42 dst fd52:f7bd:d576:d52b:afde:87b1:8fad:655c self
nft -f - <<'EOF'
add element inet netkit tunnel6 { "nkw42" . fd52:f7bd:d576:d52b:afde:87b1:8fad:655c . 4789 . 0x00002a }
delete element inet netkit tunnel6 { "nkw42" . fd52:f7bd:d576:d52b:afde:87b1:8fad:655c . 4789 . 0x00002a }
EOF
wg set nkw42 peer ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs= remove
ip neigh del 10.142.9.2 dev nk-overlay42
bridge fdb del 02:00:00:00:00:02 dev nkv42 master
bridge fdb del 02:00:00:00:00:02 dev nkv42 dst fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de self
ip neigh del 10.142.9.1 dev nk-overlay42
bridge fdb del 02:00:00:00:00:01 dev nkv42 master
bridge fdb del 02:00:00:00:00:01 dev nkv42 dst fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de self
nft -f - <<'EOF'
add element inet netkit tunnel6 { "nkw42" . fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de . 4789 . 0x00002a }
delete element inet netkit tunnel6 { "nkw42" . fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de . 4789 . 0x00002a }
EOF
wg set nkw42 peer PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0= remove
ip link set dev nkw42 down
ip link set dev nk-overlay42 down
ip link set dev nkv42 down
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
ip link del dev nkv42
ip link del dev nk-overlay42
ip -6 route del fd52:f7bd:d576:d52b::/64 dev lo proto 142 metric 1048576
ip link del dev nkw42
sysctl -qw net/ipv4/conf/all/send_redirects=1
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
