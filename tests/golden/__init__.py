"""A request in, the commands out: tests that read like a manual."""
