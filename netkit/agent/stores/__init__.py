"""Where hosts meet: leases of what only one may have, and what each host says of itself."""
