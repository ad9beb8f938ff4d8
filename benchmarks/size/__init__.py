"""`python -m benchmarks size`: what an install takes on disk, and what reads and operations take on a large one."""
