"""Addresses: arithmetic on ranges, and claims on disk."""
