"""The whole of netkit on real namespaces."""
