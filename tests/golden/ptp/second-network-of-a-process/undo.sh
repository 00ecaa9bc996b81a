#!/bin/sh
set -e
ip link del dev nkpdecp8d6bc285
