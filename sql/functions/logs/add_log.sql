-- add_log: keeps log lines of runs, and of each job only the last ones: see setting.log_lines and log_bytes.
-- Called by: workers. Writes: job_log. Locks: its new rows, in the order of the jobs; no job row, so that finish meets none.
-- runs: [{"id", "token", "attempt", "lines": [{"n", "ago", "level", "message", "fields"}, ...]}, ...]
--   n     counts the lines of the run from 1; a gap stands for lines that the worker has left out, and is one of seq, too.
--         Lines up to the last one of the run that is there already are not added again: a call may be repeated.
--   ago   seconds since the line was said
-- Lines may come a moment after the end of their run, so these are kept: lines of the run that has the job, lines for a job that
-- waits, and lines for a job that is over if `worker` is the last that ran it, up to an hour. Lines of a run that has lost its
-- job to another one are not.
-- Returns the jobs whose lines were refused, and what is kept of each job, so that a worker collects no more.
-- Raises PQ001 for a level that does not exist, or an n above 10^12. Texts are cut, never refused.
create function add_log(worker uuid, runs jsonb, out refused bigint[], out most_lines int, out most_bytes int)
language plpgsql security definer set search_path from current as $$
begin
    select s.log_lines, s.log_bytes into most_lines, most_bytes from setting s;
    perform invalid('level', l.level, 'use debug, info, warning, error or critical')
       from jsonb_to_recordset(runs) as r(lines jsonb), jsonb_to_recordset(r.lines) as l(level text)
      where coalesce(l.level, '') not in ('debug', 'info', 'warning', 'error', 'critical');
    perform invalid('n', l.n::text, 'count the lines of a run from 1, up to 1000000000000')  -- a later run goes on from there
       from jsonb_to_recordset(runs) as r(lines jsonb), jsonb_to_recordset(r.lines) as l(n bigint) where l.n > 1000000000000;
    refused := refused_runs(worker, runs);
    for tries in 1 .. 10 loop
        begin
            perform insert_lines(runs, refused);
            exit;
        exception when unique_violation then  -- lines of another run of the job came in between: these go behind them
            if tries = 10 then
                raise;
            end if;
        end;
    end loop;
    perform trim_log(array(select r.id from jsonb_to_recordset(runs) as r(id bigint) where r.id <> all (add_log.refused)),
                     most_lines, most_bytes);
end $$;

-- refused_runs: the jobs that have been taken from these runs, or are gone. Called by: add_log. Writes: nothing. Locks: none.
create function refused_runs(worker uuid, runs jsonb) returns bigint[]
-- Pinned, see claim. `since` is a parameter of the plan, so only the last partitions of the history are looked at.
language plpgsql stable set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    since timestamptz := clock_timestamp() - interval '1 hour';
begin
    return array(
        select r.id from jsonb_to_recordset(runs) as r(id bigint, token uuid)
         where not exists (select from job j where j.id = r.id and (j.claim_token = r.token or j.claim_token is null) offset 0)
           and not exists (select from job_history h
                            where h.id = r.id and h.worker_id = refused_runs.worker and h.finished_at > since offset 0)
           and not exists (select from dead_letter d
                            where d.id = r.id and d.worker_id = refused_runs.worker and d.finished_at > since offset 0));
end $$;

-- insert_lines: the lines of these runs that are not there yet, behind the last line of their job. Called by: add_log.
-- Writes: job_log. Raises unique_violation if another call has added lines of the same job meanwhile.
create function insert_lines(runs jsonb, refused bigint[]) returns void
language sql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
    insert into job_log (job_id, seq, bytes_before, run_seq, at, run, attempt, level, message, fields)
    select id, last_seq + sum(step) over behind, last_bytes + sum(bytes) over behind - bytes,
           n, clock_timestamp() - make_interval(secs => least(greatest(ago, 0), 1e9)), token, attempt, level, message, fields
      from (select said.*, n - coalesce(lag(n) over (partition by id, token order by n), own_seq) as step,
                   line_bytes(message, fields) as bytes
              from (select r.id, r.token, coalesce(r.attempt, 1) as attempt, l.n, l.level, coalesce(l.ago, 0) as ago,
                           left(coalesce(l.message, ''), 4096) as message, kept_fields(l.fields) as fields,
                           coalesce(own.run_seq, 0) as own_seq, coalesce(last.seq, 0) as last_seq,
                           coalesce(last.bytes, 0) as last_bytes
                      from jsonb_to_recordset(runs) as r(id bigint, token uuid, attempt smallint, lines jsonb)
                      left join lateral (select o.run_seq from job_log o where o.job_id = r.id and o.run = r.token
                                          order by o.seq desc limit 1) own on true
                      left join lateral (select b.seq, b.bytes_before + line_bytes(b.message, b.fields) as bytes
                                           from job_log b where b.job_id = r.id order by b.seq desc limit 1) last on true
                     cross join lateral jsonb_to_recordset(r.lines)
                                        as l(n bigint, ago float8, level text, message text, fields jsonb)
                     where r.id <> all (refused)) said
             where n > own_seq) new
     where step > 0  -- of two lines with one number the first
    window behind as (partition by id order by token, n)
     order by id, token, n
$$;

-- trim_log: deletes the lines of these jobs that are too many. Called by: add_log. Writes: job_log.
-- The oldest line says whether any are: most calls end with that.
create function trim_log(ids bigint[], most_lines int, most_bytes int) returns void
language sql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
    delete from job_log l
     using unnest(ids) as u(id)
     cross join lateral (select n.seq, n.bytes_before + line_bytes(n.message, n.fields) as bytes from job_log n
                          where n.job_id = u.id order by n.seq desc limit 1) newest
     cross join lateral (select o.seq, o.bytes_before from job_log o where o.job_id = u.id order by o.seq limit 1) oldest
     where (newest.seq - oldest.seq >= most_lines or newest.bytes - oldest.bytes_before > most_bytes)
       and l.job_id = u.id and l.seq < newest.seq
       and (l.seq <= newest.seq - most_lines or newest.bytes - l.bytes_before > most_bytes)
$$;

-- line_bytes: what a line counts. Called by: insert_lines, trim_log. Writes: nothing. Inlined, hence no settings.
create function line_bytes(message text, fields jsonb) returns bigint
language sql immutable as $$ select octet_length(message)::bigint + coalesce(octet_length(fields::text), 0) $$;

-- kept_fields: the fields of a line; a note in their place if they are no object or too large. Called by: insert_lines.
-- Writes: nothing.
create function kept_fields(fields jsonb) returns jsonb
language sql immutable as $$
    select case when fields is null or jsonb_typeof(fields) = 'null' then null
                when jsonb_typeof(fields) <> 'object' then jsonb_build_object('left_out', 'fields that are no JSON object')
                when octet_length(fields::text) > 16384
                then jsonb_build_object('left_out', octet_length(fields::text) || ' bytes of fields')
                else fields end
$$;
