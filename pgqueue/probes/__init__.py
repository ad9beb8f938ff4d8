"""What others may ask of running worker processes: probes over HTTP, figures for Prometheus, word to systemd. No database."""
