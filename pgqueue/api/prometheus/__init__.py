"""What /metrics answers: see docs/prometheus.md."""
