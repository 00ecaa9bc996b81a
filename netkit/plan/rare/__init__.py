"""Ops that most plans do without; a file that holds one brings in its module."""
