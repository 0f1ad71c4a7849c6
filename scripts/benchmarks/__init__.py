"""What scripts/bench measures with. Not part of the package."""
