"""Benchmarks: pgqueue beside the fastest queues of its field, on one machine, in one run, equally durable.

`python -m benchmarks throughput` measures one thing, `python -m benchmarks all --write docs/performance.md`
all of them. README.md in this folder says what is measured and how.
"""
