"""Whether the database can be reached, and answers about that which many callers share."""
