-- signals: what a job was told, or waits for. Called by: people. Writes: nothing.
create function signals(job_id bigint) returns table (
    name text, payload jsonb, waited_at timestamptz, until timestamptz, ended_at timestamptz, timed_out bool
)
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select s.name, s.payload, s.waited_at, s.until, s.ended_at, s.timed_out from job_signal s
     where s.job_id = signals.job_id
     order by least(s.ended_at, s.waited_at), s.name
$$;
