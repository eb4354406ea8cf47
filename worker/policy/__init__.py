"""Policies: read, resolve, compile and decide. One tenant's rules as flat arrays, swapped whole."""
