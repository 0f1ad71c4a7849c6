"""The party that writes: takes events, puts them in order, signs heads. No verifier loads it."""
