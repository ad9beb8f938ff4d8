-- diagnose_plans: whether claim finds its jobs by their index, with the statistics that there are. Called by: doctor, workers.
-- Writes: nothing. The settings are those of claim, and so is the statement that is explained.
create function diagnose_plans() returns setof finding
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
    plan jsonb;
begin
    execute 'explain (format json) select j.id from job j
              where j.state = ''ready'' and j.rescues < 2 and j.lane_id is null and j.queue = ''default''
                and may_start(j.expires_at, j.deadline_at, j.attempt)
              order by j.priority desc, j.run_at, j.id limit 100' into plan;
    if not jsonb_path_exists(plan, '$.**."Index Name" ? (@ == "job_ready")') then
        return query
        select 'claim-plan', 'error', 'claim', format('claim does not find its jobs by the index job_ready but by %s',
                   coalesce(jsonb_path_query_first(plan, '$.**."Index Name"')#>>'{}', 'reading the whole table')),
               jsonb_build_object('plan', plan->0), 'each claim reads many rows, and jobs start late',
               case when to_regclass('job_ready') is null then (
                         select definition from installed_object where kind = 'index' and name = 'job_ready')
                    else format('reindex index concurrently %1$I.job_ready; analyze %1$I.job '
                                '-- and drop indexes of your own on it', current_schema()) end;
    end if;
end $$;
