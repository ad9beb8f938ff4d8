-- metrics: what happened in the last `span`: rates, durations and waits of all jobs, by queue and by task; see docs/metrics.md.
-- Called by: app.metrics, pgqueue metrics, dashboards. Writes: nothing.
-- scope: all, queue or task; name is NULL of all. Times end with the last minute that is closed, 10 s after its end. Spans of
-- more than 6 hours begin with a full hour, of more than 7 days with a midnight in UTC, and are read from hours and days.
-- enqueued, ready: NULL for tasks; enqueued also if the live jobs were not counted at one end of the span. ready is as of
-- `until`. completed is whatever has ended; the rates of success and failure are those among jobs that succeeded or failed.
-- workers: of all: {"active", "idle", "dead", "slots", "running", "per_cent"}.
-- Raises PQ001 for a span that is not from a minute to 100 years.
create function metrics(span interval default '5 minutes') returns table (
    scope text, name text, since timestamptz, until timestamptz, enqueued bigint, succeeded bigint, failed bigint,
    cancelled bigint, failed_attempts bigint, enqueued_per_second float8, completed_per_second float8,
    success_rate float8, failure_rate float8,
    duration_mean_ms float8, duration_p50_ms float8, duration_p95_ms float8, duration_p99_ms float8,
    wait_mean_ms float8, wait_p50_ms float8, wait_p95_ms float8, wait_p99_ms float8, ready jsonb, workers jsonb
)
language plpgsql stable security definer set search_path from current set timezone = 'UTC' set jit = off as $$
declare
    ends   timestamptz := coalesce((select minute_at from roll_up_state), date_bin('1 minute', clock_timestamp(), '2000-01-01Z'));
    begins timestamptz;
begin
    if (extract(epoch from span) between 60 and 36525 * 86400::bigint) is not true then  -- years of 365.25 days
        perform invalid('span', span::text, 'give one from 1 minute to 100 years');
    end if;
    begins := date_bin(case when span > interval '7 days' then interval '1 day'
                            when span > interval '6 hours' then interval '1 hour'
                            else interval '1 minute' end, ends - span, '2000-01-01Z');
    return query
    select f.scope, nullif(f.name, ''), begins, ends, f.enqueued, f.succeeded, f.failed, f.cancelled, f.failed_attempts,
           f.enqueued / f.length, (f.succeeded + f.failed + f.cancelled) / f.length,
           f.succeeded::float8 / nullif(f.succeeded + f.failed, 0), f.failed::float8 / nullif(f.succeeded + f.failed, 0),
           1000 * f.seconds / f.durations, f.duration_p[1], f.duration_p[2], f.duration_p[3],
           1000 * f.wait_seconds / f.waits, f.wait_p[1], f.wait_p[2], f.wait_p[3],
           f.ready, case when f.scope = 'all' then worker_figures() end
      from (select f.*, extract(epoch from ends - begins)::float8 as length from metric_figures(begins, ends) f) f
     order by array_position(array['all', 'queue', 'task'], f.scope), f.name;
end $$;
