"""What the tables of recovery say about themselves, and what each system's documentation says about it."""

KILL = """\
A worker with 50 jobs of 5 s (or twice as many as it runs at once, if that is less) is killed by `kill -9` with all its
processes, and another one is started at once, as a supervisor would. From the kill: seconds until all of the interrupted
jobs run again, and until the first does. *Lost* are jobs that were not done, do not run, and are not unfinished for the
system: it has forgotten them, or given them up; *done twice* are jobs whose handler came to its end more than once; *still
held* are jobs that the system has as unfinished at the end, after 90 s. Each system has the settings of the other
tables, and what its own documentation has for this case. One round. What they say:

- **pgqueue**: a worker holds its jobs by a lease of 30 s that a thread renews every 10 s; whoever is alive takes the jobs
  of a lost worker. Nothing is to be set.
- **pgqueuer**: a worker renews a heartbeat for each running job; one whose heartbeat is older than 30 s, the default, is taken
  by the claim of any worker ("Heartbeat Monitoring").
- **graphile**: jobs of a worker that ended without a word stay locked for up to 4 hours ("Crashed worker recovery"); the
  paid Worker Pro has heartbeats, and `forceUnlockWorkers` unlocks by hand.
- **procrastinate**: without further action such jobs stay for ever ("Retry stalled jobs"). Here with the periodic task of
  that guide, which retries the jobs of workers without a heartbeat for 30 s: every minute, not every ten as there.
- **chancy**: its plugin Recovery, on by default, looks once a minute for workers that were not seen for 90 s: 90 to 150 s.
- **pgboss**: an active job is failed or retried when it expires, after 15 minutes. Here with the queue's `heartbeatSeconds`
  of 30 (its least is 10, off by default); the monitor looks once a minute.
- **celery**: by default a task is acknowledged before it runs and is gone with its worker. Here with `task_acks_late`,
  `task_reject_on_worker_lost` and a prefetch of 1; over Redis it then comes back after the `visibility_timeout`, an hour.
- **dramatiq**: messages of a worker without a heartbeat for 60 s are queued again, by a clean-up that one in 1,000 commands
  does.
- **rq**: a job of a SimpleWorker that is gone counts as abandoned after its timeout and a minute, 240 s by default (of a Worker,
  which forks for each job, after 90 s), and is looked for every 10 minutes; it runs again only with `Retry`, as here.
- **arq**: a job is marked as running for the longest timeout and 10 s: 310 s by default.
- **saq**: a sweep once a minute looks for jobs that are past their timeout, 10 s by default, and runs them again if they
  have retries left: here 3, by default none. It waits up to 5 s for each, and has it in none of its lists meanwhile: the one
  that is in its hands when the 90 s are over counts as lost here."""

CRASH = """\
A drain of jobs of 0.25 s, 40 for each that the worker runs at once (4,000 at most), of which a quarter has started when the
server crashes and is started again: PostgreSQL as by `pg_ctl restart -m immediate`, Redis by `kill -9`. A worker that ends
over it is started again, and *worker ended* counts how often, with the starts that fail while the server is away. From the
crash: seconds until all jobs are done, how long the server was away, and the longest time in which no job started for the
first time. Undisturbed, a drain would go on for 7.5 s; pgboss and pgqueuer, which run more than 100 jobs at once, would be
done earlier. Redis runs with `appendonly yes` and `appendfsync everysec`, which it advises; the last column says how many of
1,000 waiting jobs a crash takes with its defaults. One round.

- **pgqueue**: claims do not wait for the disk, so a crash forgets those of the last moment (three times `wal_writer_delay`,
  0.6 s, at most): the jobs that run by them are ready again and are done twice. Enqueued jobs and recorded ends are on disk,
  and ends that were not yet recorded are handed in when the server is back.
- **pgqueuer**: the worker ends when its connection is gone; whatever starts it again is to restart it. The jobs that it ran are
  run again from the start.
- **chancy**: jobs that run when the connection is lost are cancelled and fail, for good where they have one attempt, its
  default; here they have three.
- **graphile**: a worker that cannot hand a job back ends; what its process held stays locked, as above."""
