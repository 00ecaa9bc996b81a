#!/bin/sh
set -e
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# the cable, and all that the CNI plugin bridge does
env CNI_COMMAND=ADD CNI_CONTAINERID=web CNI_NETNS=/proc/1234/ns/net CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni:/usr/local/lib/cni PATH=/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni:/usr/local/lib/cni:/usr/sbin:/usr/bin:/sbin:/bin bridge <<'EOF'
{"cniVersion": "1.0.0", "name": "theirs", "type": "bridge", "isGateway": true, "ipam": {"type": "static", "addresses": [{"address": "10.20.0.2/24", "gateway": "10.20.0.1"}], "routes": [{"dst": "0.0.0.0/0", "gw": "10.20.0.1"}]}}
EOF
# it receives at most 10mbit
tc qdisc add dev veth5 root handle 6e6b: tbf rate 10000000bit burst 32768 limit 64018
# where that which it sends waits for its turn
ip link add name nq6256ebba2ad9 group 28267 address 02:72:63:b8:01:87 type ifb
# no IPv6 where none was asked for
sysctl -qw net/ipv6/conf/nq6256ebba2ad9/disable_ipv6=1
# it sends at most 1gbit
tc qdisc add dev nq6256ebba2ad9 root handle 6e6b: tbf rate 1000000000bit burst 2000000 limit 5125000
# it passes packets on
ip link set dev nq6256ebba2ad9 up
# a place on the host's end for what comes from the container
tc qdisc add dev veth5 ingress
# all of it goes through that queue; the container cannot undo that
tc filter replace dev veth5 ingress protocol all prio 1 handle 800::800 u32 match u32 0 0 action mirred egress redirect dev nq6256ebba2ad9
