"""Pages of docs/ that are made from signatures and docstrings, and held to them."""
