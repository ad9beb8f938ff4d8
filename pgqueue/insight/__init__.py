"""What an install does at a moment, for people who watch it, and what they see of a traceback."""
