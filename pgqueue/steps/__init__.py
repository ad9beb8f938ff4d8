"""What a job remembers from one run to the next: steps that are done, signals that have come."""
