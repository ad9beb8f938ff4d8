"""The helpers that users test with."""
