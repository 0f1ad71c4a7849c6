"""The command line. Only here: exit codes, colours, and asking what time it is."""
