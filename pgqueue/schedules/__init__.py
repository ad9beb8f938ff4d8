"""Schedules: jobs that are made at the times of a cron expression or at a fixed interval.

`cron.py` is the only file that imports croniter, which is slow to import; nothing that `import pgqueue` loads imports it.
"""
