# What is left: attachments, published ports, cables.
netkit ps --json | tr -d '\n'; echo
nft list map inet netkit any4 | grep -c elements; ip -o link | grep -c ' nk[0-9a-f]'
exit 0
