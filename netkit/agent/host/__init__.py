"""The host agent: this host leases a subnet, its containers live in it, and every other host has a route to it.

config  iface       what the network is, and which link leads to the others     netkit.agent
member              what this host is in the network: its lease, its record, its peers
joining             how it becomes that: link, store, lease
line                the store: a thread of its own, since a store may hang
agent               the loop: has itself join, meets its peers, mends, tells
care                attachments whose namespace died, firewalls that were flushed
status  health      what it knows, for people and for machines
"""
