"""Streams of server-sent events, and what they tell of: one job, the jobs of a filter, a workflow."""
