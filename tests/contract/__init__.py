"""One suite for every executor, driver and store."""
