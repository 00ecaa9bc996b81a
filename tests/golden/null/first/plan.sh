#!/bin/sh
set -e
# a process expects to reach itself at 127.0.0.1
ip -n /proc/1234/ns/net link set dev lo up
