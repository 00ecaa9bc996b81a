"""Topologies: many hosts in one machine."""
