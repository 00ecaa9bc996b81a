#!/bin/sh
set -e
nsenter --net=/proc/1234/ns/net ip link del dev eth1
