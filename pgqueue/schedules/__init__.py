"""Schedules: jobs that are made at the times of a cron expression or at a fixed interval.

`cron.py` is the only file that imports croniter, when the first expression is read: `import pgqueue` does not load it.
"""
