#!/bin/sh
set -e
ip link set dev nkp2ers80218d98 down
nft -f - <<'EOF'
add element inet netkit any4 { tcp . 8080 comment "80218d9896f4" : 10.91.0.2 . 80 }
delete element inet netkit any4 { tcp . 8080 }
EOF
conntrack -D -f ipv4 -p tcp --orig-port-dst 8080 || :
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nkp2ers80218d98
nft -f - <<'EOF'
add element inet netkit pairs { "nkp2ers*" . "nkp2ers*" }
add element inet netkit nets4 { 10.91.0.0/16 }
add element inet netkit masq4 { 10.91.0.0/16 }
add element inet netkit hair4 { "nkp2ers*" . 10.91.0.0/16 }
add element inet netkit cable_from { "nkp2ers*" . ipv4 : goto from_nat }
add element inet netkit cable_to { "nkp2ers*" . ipv4 : goto to_nat }
delete element inet netkit pairs { "nkp2ers*" . "nkp2ers*" }
delete element inet netkit nets4 { 10.91.0.0/16 }
delete element inet netkit masq4 { 10.91.0.0/16 }
delete element inet netkit hair4 { "nkp2ers*" . 10.91.0.0/16 }
delete element inet netkit cable_from { "nkp2ers*" . ipv4 }
delete element inet netkit cable_to { "nkp2ers*" . ipv4 }
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
