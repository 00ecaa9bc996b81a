#!/bin/sh
set -e
ip -6 route del 2001:db8:1::82/128 dev nk-lan proto 142
ip route del 192.168.1.130/32 dev nk-lan proto 142
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
nsenter --net=/proc/1234/ns/net ip link del dev eth0
ip link del dev nk-lan
