"""Files that come with the package.

- The bundle of one record as pith.science published it on 2026-05-27, unchanged.
- bodies.zdict, the dictionary for bodies.
- electrum-checkpoints.json, the block hashes and targets that Electrum 4.8.3 is built with
  (electrum/chains/mainnet/checkpoints.json), unchanged; electrum-checkpoints.LICENCE is its
  licence.
"""
