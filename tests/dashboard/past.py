"""Some hours in which a shop has worked, so that charts have something to show; always the same."""

import psycopg

HOURS, PER_MINUTE = 6, 40
_TASK = "(array['shop.send_receipt', 'shop.charge_card', 'search.index_page', 'reports.nightly'])[1 + g * 7 % 11 % 4]"
_WORKER = "'00000000-0000-4000-8000-000000000001'::uuid"
# Waves of load; one job in 97 is cancelled, and for a while those of mail are slow and some fail.
_JOBS = f"""
    select g, at, (array['mail', 'billing', 'imports', 'reports'])[1 + g * 7 % 11 % 4] as queue, {_TASK} as task,
           (20 + g * 7919 % 180 + case when at > now() - interval '50 min' and g % 4 = 0 then 400 else 0 end) / 1000.0 as elapsed,
           (5 + g * 104729 % 300 + 200 * (1 + sin(g / 900.0))) / 1000.0 as waited
      from generate_series(1, {HOURS * 60 * PER_MINUTE}) g,
           lateral (select now() - interval '{HOURS} hours' + g * interval '{60 / PER_MINUTE} s' as at) x
     where sin(g / 900.0) + 1.6 > g * 31 % 100 / 50.0
"""


def add_past(url: str) -> None:
    """Add it to an install that is empty, with ids below those of the jobs to come."""
    with psycopg.connect(url, autocommit=True, options="-c search_path=pgqueue") as connection:
        connection.execute("select make_partition((clock_timestamp() at time zone 'UTC')::date - d) from generate_series(0, 1) d")
        connection.execute(
            f"""
            insert into job_history (id, run_at, created_at, claimed_at, finished_at, worker_id, state, reason, elapsed, priority,
                                     attempt, max_attempts, rescues, queue, task, args)
            select g, at - make_interval(secs => waited), at - make_interval(secs => waited), at,
                   at + make_interval(secs => elapsed),
                   {_WORKER}, case when g % 97 = 5 then 'cancelled' else 'succeeded' end::job_state,
                   case when g % 97 = 5 then 'user_requested' end::final_reason, elapsed, 0, 1, 4, 0, queue, task,
                   jsonb_build_object('order_id', g)
              from ({_JOBS}) j where g % 53 <> 0""".encode()
        )
        connection.execute("select setval(pg_get_serial_sequence('job', 'id'), %s)", [HOURS * 60 * PER_MINUTE])
        connection.execute("update setting set created_at = clock_timestamp() - interval '2 days'")
        connection.execute(
            "update roll_up_state set minute_at = null, check_at = null, hour_at = null, recheck_at = null, day_at = null"
        )
        while (connection.execute("select roll_up()").fetchone() or (0,))[0] < 1:
            pass
