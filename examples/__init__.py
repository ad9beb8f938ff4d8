"""Programs to read and run: see each file's first lines."""
