"""Rows and files to values and back, and transactions. Decides nothing: no rules, no clock."""
