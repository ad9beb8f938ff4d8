"""Scripts of peers, each run by the Python that has their packages: `… install|work|produce URL`; see benchmarks/peers.py."""
