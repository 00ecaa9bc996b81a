#!/bin/sh
set -e
nft -f - <<'EOF'
add element inet netkit any4 { tcp . 8080 comment "090ac2afa392" : 10.22.0.2 . 80 }
delete element inet netkit any4 { tcp . 8080 }
EOF
conntrack -D -f ipv4 -p tcp --orig-port-dst 8080 || :
nft -f - <<'EOF'
add element inet netkit back4 { 10.22.0.0/16 . 10.22.0.2, 127.0.0.0/8 . 10.22.0.2 }
delete element inet netkit back4 { 10.22.0.0/16 . 10.22.0.2, 127.0.0.0/8 . 10.22.0.2 }
EOF
sysctl -qw net/ipv4/conf/cni0/route_localnet=1
