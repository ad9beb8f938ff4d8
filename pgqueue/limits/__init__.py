"""Limits: rates, places and turns, by key."""
