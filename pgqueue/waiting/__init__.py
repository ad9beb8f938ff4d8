"""Waiting for jobs to end: the listener, the timing of one wait, and many jobs at once."""
