"""Waiting for jobs to end: who listens, how long a wait looks, and many jobs at once."""
