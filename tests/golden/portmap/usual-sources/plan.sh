#!/bin/sh
set -e
# localhost:PORT on the host reaches published ports
sysctl -qw net/ipv4/conf/cni0/route_localnet=1
# answers to its own network and to localhost come back here
nft add element inet netkit back4 '{ 10.22.0.0/16 . 10.22.0.2, 127.0.0.0/8 . 10.22.0.2 }'
# host port 8080 of every matching local address leads here
nft add element inet netkit any4 '{ tcp . 8080 comment "090ac2afa392" : 10.22.0.2 . 80 }'
