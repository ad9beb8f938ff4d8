"""What an install does at a moment, for people who watch it."""
