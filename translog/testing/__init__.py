"""Peers on the loopback for tests, of this package and of whoever builds on it: docs/testing.md.

Each is honest as made, and lies when told to. Nothing here is loaded by anything else,
but `devnet` by `translog demo`.
"""
