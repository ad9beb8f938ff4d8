-- enqueue_select: adds one job per row of a query, all with the same options, and returns how many were added; duplicates of
-- unique jobs are not.
-- Called by: applications, as part of their own statement, so that the query runs with their rights and sees their transaction:
--     select sum(enqueue_select('welcome', rows)) from (
--         select array_agg(to_jsonb(q)) as rows from (select id as user_id from users) q) batch
-- args: the arguments of each job; a column is an argument. Options as in enqueue.
-- arguments: what the task takes, {"known": [names], "required": [names]}; the columns are compared with it. NULL: they are not.
-- Writes: job, unique_hold. Locks: unique keys, in the order of their digests within a call.
create function enqueue_select(
    task text, args jsonb[], queue text default 'default', priority int default 0,
    run_at timestamptz default null, run_after interval default null,
    retries int default null, retry jsonb default null, result_ttl interval default null, meta jsonb default null,
    unique_mode text default null, unique_key text default null, unique_period interval default null,
    notify bool default true, arguments jsonb default null, depends_on bigint[] default null, run_if text default 'succeeded',
    limits text[] default null, fair text default null, cost int default null, limits_declared text[] default null,
    timeout interval default null, soft_timeout interval default null, expires_at timestamptz default null,
    expires_after interval default null, total_timeout interval default null, trace jsonb default null
) returns bigint
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    added  record;
    count  bigint;
    first  timestamptz;
    ids    bigint[];
    before text;
    stored stored_options := row(
        retry, result_ttl, meta, terms_from(timeout, soft_timeout, expires_after, total_timeout, trace), expires_at, null);
begin
    if run_if <> 'succeeded' then  -- also of a job that waits for none
        perform check_run_if(run_if);
    end if;
    if exists (select from queue q where q.name > '') and depends_on is null then
        perform check_depth(queue, cardinality(args), run_at, run_after);
    end if;
    if arguments is not null then
        perform check_columns(args[1], arguments);
    end if;
    if not notify and (depends_on is not null or unique_mode = 'replace') then  -- see enqueue
        before := set_notify('off');
    end if;
    if unique_mode is null and unique_key is null and unique_period is null then
        added := insert_jobs(task, args, queue, priority, run_at, run_after, retries, stored,
                             row(limits, fair, cost, limits_declared)::limiting, depends_on is not null);
        ids := added.ids;
        count := cardinality(added.ids);
        first := case when count > 0 then added.due end;
    else
        select count(*) filter (where not j.duplicate), min(j.due), coalesce(array_agg(j.id) filter (where not j.duplicate), '{}')
          into count, first, ids
          from (select given from unnest(args) as given order by unique_digest(task, given, unique_key)) as ordered,
               insert_job(task, given, queue, priority, run_at, run_after, retries, stored,
                          unique_mode, unique_key, unique_period, row(limits, fair, cost, limits_declared)::limiting,
                          null, depends_on is not null) as j;
    end if;
    if depends_on is not null then
        perform depend(ids, depends_on, run_if);
    elsif notify then
        perform wake_for(queue, first);
    end if;
    if before is not null then
        perform set_notify(before);
    end if;
    return count;
end $$;

-- check_columns: refuses a query whose columns are not the arguments of the task. Called by: enqueue_select.
create function check_columns(row_args jsonb, arguments jsonb) returns void
language plpgsql as $$
declare
    column_names text[] := array(select jsonb_object_keys(row_args));
begin
    perform invalid('query', name, 'the task has no such argument; name a column like one of ' || (arguments->>'known'))
       from unnest(column_names) as name where not arguments->'known' ? name;
    perform invalid('query', name, 'it has no such column, and the task needs this argument')
       from jsonb_array_elements_text(arguments->'required') as r(name) where name <> all (column_names);
end $$;
