"""Benchmarks: pgqueue beside the queues of its field, on one machine, in one run.

`python -m benchmarks throughput` measures one thing, `python -m benchmarks all --json > FILE` all of them, and
`python -m benchmarks page FILE…` makes docs/performance.md of such files. README.md in this folder says what is measured and how.
"""
