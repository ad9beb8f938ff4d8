"""The REST API: requests per second beside the same calls made straight by psycopg, and what watching costs."""
