-- changed_jobs: jobs of a filter that were created, have started or have ended since an earlier look, each as it is now.
-- Called by: processes that tell of changes, about once a second. Writes: nothing. Raises PQ001 for an invalid filter.
--
-- No time and no id says what is new, because transactions commit in another order than that in which they begin. What is new was
-- written by a transaction that an earlier look could not see: after_xid is the oldest one that ran then. after_id and since say
-- where such rows begin in the indexes. A row may come twice, if a transaction of that time goes on: the caller drops repeats.
--   after_xid   oldest_xid of the last look; NULL = the first look, which tells no jobs and only where the next one begins
--   after_id    last_id of a look before which all transactions that the last look could not see had not begun
--   since       `at` of the same look, and some seconds less: a time is read a moment before its row is written
--   most        jobs at most
-- Returns:
--   jobs        [{"id", "event", "state", "queue", "task", "attempt", "reason", "at"}, …] in the order of `at`; event: created,
--               started or ended, and one for each job: the last
--   is_over     whether these are all; if not, it is not known which are missing
--   oldest_xid, next_xid, last_id, at: of this look. All transactions from next_xid on began after `at`
create function changed_jobs(
    filter jsonb, after_xid bigint default null, after_id bigint default null, since timestamptz default null,
    most int default 1000, out jobs jsonb, out is_over bool, out oldest_xid bigint, out next_xid bigint, out last_id bigint,
    out at timestamptz
)
-- Pinned: each part reads what its index says is late enough. Stable, so that all of it is one snapshot.
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    checked jsonb := check_filter(filter);
begin
    if (most between 1 and 10000) is not true then
        perform invalid('most', most::text, 'use 1 to 10000');
    end if;
    at := statement_timestamp();
    oldest_xid := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    next_xid := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    last_id := (select max(j.id) from job j);
    is_over := true;
    if after_xid is null or filter_places(checked) = '{}' then
        return;
    end if;
    execute 'select jsonb_agg(to_jsonb(c) || jsonb_build_object(''at'', in_utc(c.at)) order by c.at, c.id), count(*) <= $5 '
            'from ((' || (
        select string_agg(changed_in(checked, place, event), ') union all (')
          from (values ('job', 'created'), ('job', 'started'), ('job_history', 'ended'), ('dead_letter', 'ended'))
               as kinds(place, event)
         where place = any (filter_places(checked))) || ')) c'
       into jobs, is_over
      using filter_of(checked), next_xid - after_xid, coalesce(after_id, 0), since, most, mod(next_xid, 4294967296) + 4294967296;
end $$;

-- changed_in: the part of changed_jobs about one table and one event. Called by: changed_jobs. Writes: nothing.
-- xmin is the transaction that has written the row, without its upper half: how far it is behind the next one says the same.
create function changed_in(filter jsonb, place text, event text) returns text
language sql immutable as $$
    select format('select id, %L as event, state, queue, task, attempt_number(attempt, terms) as attempt, %s as reason, %s as at '
                  'from %s where %s and %s '
                  'and mod($6 - xmin::text::bigint, 4294967296) <= $2 limit $5 + 1',
                  event, case place when 'job' then 'null::final_reason' else 'reason' end,
                  case event when 'created' then 'created_at' when 'started' then 'claimed_at' else 'finished_at' end,
                  case event when 'started' then '(select *, xmin from job where state = ''running'' offset 0) j' else place end,
                  case event when 'created' then 'id > $3 and state <> ''running'' and attempt = 0'
                             when 'started' then 'claimed_at >= $4' else 'finished_at >= $4' end,
                  filter_terms(filter, place))
$$;
