"""What carries plans out and looks at the machine: netlink, namespaces, sysctls, firewalls."""
