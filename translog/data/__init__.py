"""Sample data: the bundle of one record as pith.science published it on 2026-05-27, unchanged."""
