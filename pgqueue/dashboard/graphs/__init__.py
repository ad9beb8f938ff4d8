"""Graphs as pictures: boxes in rows, and lines that go down from one to the next. They know structure only, no states."""
