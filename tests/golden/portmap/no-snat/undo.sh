#!/bin/sh
set -e
nft -f - <<'EOF'
add element inet netkit any4 { tcp . 8080 comment "090ac2afa392" : 10.22.0.2 . 80 }
delete element inet netkit any4 { tcp . 8080 }
add element inet netkit keep4 { 10.22.0.2 }
delete element inet netkit keep4 { 10.22.0.2 }
EOF
conntrack -D -f ipv4 -p tcp --orig-port-dst 8080 || :
