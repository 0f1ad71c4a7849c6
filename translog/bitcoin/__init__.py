"""Bitcoin's headers and OpenTimestamps proofs: bytes, values, arithmetic. No I/O, no clock."""
