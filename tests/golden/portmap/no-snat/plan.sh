#!/bin/sh
set -e
# host port 8080 of every matching local address leads here
nft -f - <<'EOF'
add element inet netkit keep4 { 10.22.0.2 }
add element inet netkit any4 { tcp . 8080 comment "090ac2afa392" : 10.22.0.2 . 80 }
EOF
