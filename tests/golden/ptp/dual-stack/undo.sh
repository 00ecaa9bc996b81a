#!/bin/sh
set -e
ip link set dev nkpdecp2a9c8259 down
nft -f - <<'EOF'
add element inet netkit any6 { tcp . 8080 comment "2a9c82599f24" : fd00:91::2 . 80 }
delete element inet netkit any6 { tcp . 8080 }
add element inet netkit any4 { tcp . 8080 comment "2a9c82599f24" : 10.91.0.2 . 80 }
delete element inet netkit any4 { tcp . 8080 }
EOF
conntrack -D -f ipv6 -p tcp --orig-port-dst 8080 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 8080 || :
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nkpdecp2a9c8259
nft -f - <<'EOF'
add element inet netkit pairs { "nkpdecp*" . "nkpdecp*" }
add element inet netkit nets4 { 10.91.0.0/16 }
add element inet netkit masq4 { 10.91.0.0/16 }
add element inet netkit hair4 { "nkpdecp*" . 10.91.0.0/16 }
add element inet netkit nets6 { fd00:91::/64 }
add element inet netkit masq6 { fd00:91::/64 }
add element inet netkit hair6 { "nkpdecp*" . fd00:91::/64 }
add element inet netkit cable_from { "nkpdecp*" . ipv4 : goto from_nat, "nkpdecp*" . ipv6 : goto from_nat }
add element inet netkit cable_to { "nkpdecp*" . ipv4 : goto to_nat, "nkpdecp*" . ipv6 : goto to_nat }
delete element inet netkit pairs { "nkpdecp*" . "nkpdecp*" }
delete element inet netkit nets4 { 10.91.0.0/16 }
delete element inet netkit masq4 { 10.91.0.0/16 }
delete element inet netkit hair4 { "nkpdecp*" . 10.91.0.0/16 }
delete element inet netkit nets6 { fd00:91::/64 }
delete element inet netkit masq6 { fd00:91::/64 }
delete element inet netkit hair6 { "nkpdecp*" . fd00:91::/64 }
delete element inet netkit cable_from { "nkpdecp*" . ipv4, "nkpdecp*" . ipv6 }
delete element inet netkit cable_to { "nkpdecp*" . ipv4, "nkpdecp*" . ipv6 }
EOF
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
