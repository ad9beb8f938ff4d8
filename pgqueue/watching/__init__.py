"""What a job tells while it runs: its log lines, from the handler that says them to whoever watches the job."""
