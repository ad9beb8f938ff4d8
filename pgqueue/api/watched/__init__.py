"""What streams tell of: one job, the jobs of a filter, a workflow."""
