"""The registry's documents. No I/O, clock, randomness, threads or logging: time is passed in."""
