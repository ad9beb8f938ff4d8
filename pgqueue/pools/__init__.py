"""The agent of a pool: runs as many workers on this machine as the pool has slots for it."""
