"""Processes that live long: what changes with time is theirs."""
