"""What a fleet of workers costs, and how fast it is."""
