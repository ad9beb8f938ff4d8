-- watch: how a job stands, and its log lines behind one that the caller has seen. Called by: handles on a job. Writes: nothing.
--   state     NULL when there is no such job (any more)
--   reason    why it is over; NULL while it is not
--   attempt   the runs that count so far
--   progress  as last reported; NULL when it is over
--   lines     [{"seq", "at", "attempt", "level", "message", "fields"}, ...] in order, at most so many; NULL when there are none
-- Raises PQ001 for `most` out of range.
create function watch(job_id bigint, after_seq bigint default 0, most int default 1000,
                      out state job_state, out reason final_reason, out attempt int, out progress jsonb, out lines jsonb)
-- Pinned, see result.
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
begin
    if (most between 1 and 10000) is not true then
        perform invalid('most', most::text, 'use 1 to 10000');
    end if;
    select j.state, attempt_number(j.attempt, j.terms), j.progress into state, attempt, progress from job j where j.id = job_id;
    if not found then
        select d.state, d.reason, attempt_number(d.attempt, d.terms)
          into state, reason, attempt from dead_letter d where d.id = job_id;
    end if;
    if not found then
        select h.state, h.reason, attempt_number(h.attempt, h.terms)
          into state, reason, attempt from job_history h where h.id = job_id;
    end if;
    lines := (select jsonb_agg(jsonb_build_object('seq', l.seq, 'at', in_utc(l.at), 'attempt', l.attempt, 'level', l.level,
                                                  'message', l.message, 'fields', l.fields) order by l.seq)
                from (select * from job_log g where g.job_id = watch.job_id and g.seq > after_seq
                       order by g.seq limit most) l);
end $$;
