"""Agents of pools: real processes, real workers."""
