"""What an operator does to a queue that runs: filters, and verbs on many jobs."""
