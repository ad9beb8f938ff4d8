"""What can go wrong in a benchmark."""


class BenchmarkError(Exception):
    """A measurement that would not be true; the run is stopped rather than reported."""


class Unavailable(Exception):
    """A system cannot run here (not installed, no Node.js); it is left out and the reason is printed."""
