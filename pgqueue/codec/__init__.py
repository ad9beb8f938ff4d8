"""Arguments and results by type hints: pydantic and back."""
