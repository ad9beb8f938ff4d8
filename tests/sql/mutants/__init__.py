"""Rules that are taken out of the SQL one at a time, as tables by area; tests/sql/test_mutants.py runs them."""
