"""One file per benchmark: `measure(run)` does one run of one system and returns its figures."""
