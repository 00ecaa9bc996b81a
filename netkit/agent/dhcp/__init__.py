"""A DHCP client for many interfaces in many namespaces: one process a root, started when the first lease is wanted."""
