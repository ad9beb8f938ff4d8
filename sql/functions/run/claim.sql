-- claim: gives a worker up to `want` ready jobs, all under one token.
-- Called by: workers. Writes: job; see claim_lanes for jobs with limits.
-- Locks: job rows, SKIP LOCKED, so claims never wait for each other.
-- Order: within a queue larger priority, earlier run_at, smaller id; those that starve before others, see starving. The same
-- order holds within a lane, and lanes take turns.
-- Jobs with limits get the first half of the rows, the others the rest. Between queues: without weights the array's order; with
-- weights a random order at each call in which a queue comes first in proportion to its weight.
-- Raises PQ002 when the worker is lost or unknown: its jobs are being rescued.
-- A job past its expires_at or deadline_at is not taken; expire ends it. Nothing is taken that is paused, see pause.
-- The arguments of the jobs have at most claim_bytes() as text together, or belong to one job: a worker has to hold them. If
-- there are more, the last row says so: it has no id, its queue is '!large', and its run_at has passed.
-- node: NULL for a plain job; of a node of a workflow what node_of says. limits: the keys that this start was counted for; NULL =
-- none. Jobs with limits come first. The last row may have no id: jobs with limits wait, and run_at says when to look again.
--
-- resume_at   NULL, or [{"queue", "priority", "run_at", "until"}, ...]: look only at these priorities and only from this run_at
--             on, and before until if there is one. Entries of the same queue and priority must not overlap.
--             A queue without an entry is searched completely: the last claims did not cover it.
--             A long transaction anywhere keeps the index entries of finished jobs alive, and a full claim walks them all;
--             a worker whose claims have become slow skips them so, and still makes a full claim, or a slice of one, about
--             once a second.
-- limited     how many of them may have limits: those must start at once; NULL = all
-- leave_out   tasks that this worker does not have: their jobs stay ready, for others; NULL = none. At most 1,000: PQ001.
create function claim(
    worker uuid, token uuid, queues text[], want int, weights float8[] default null, resume_at jsonb default null,
    limited int default null, leave_out text[] default null
) returns table (
    id bigint, queue text, task text, args jsonb, attempt smallint, max_attempts smallint, priority smallint,
    run_at timestamptz, created_at timestamptz, meta jsonb, node jsonb, limits text[],
    terms jsonb
)
-- The plan is pinned: one made while the table was empty would sort or scan it later (a factor of 4 at a million jobs).
-- "= any (an array)" is part of that, here and in finish, give_back and promote: with a plain "=" such a plan makes job the
-- outer table and walks its whole primary key at every call.
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '5s' as $$
#variable_conflict use_column
declare
    now_       timestamptz := clock_timestamp();
    -- The size of a file, because dead turns may be many.
    in_use     bool := pg_relation_size('turn') > 0 or exists (select from limit_def where name > '');
    guarded    bool := exists (select from queue q where q.name > '' and q.starvation_after is not null);
    gated      text[] := '{}';  -- queues that have a limit of their own, and those that have none
    open       text[];
    has_limits bool := false;
    picked     bigint[];
    ids        bigint[];
    large      bigint := 0;  -- bytes of what is picked; NULL = not known
    its_bytes  bigint;
    starved    bigint[] := '{}';
    took       limited_jobs;  -- what was taken of jobs with limits
    this_queue text;
    probe      record;
    room       int;
    asked      int;
    before     int;
begin
    perform assert_active(worker);
    if exists (select from pause where kind > '') then  -- after assert_active, see draining
        select u.queues, u.weights, u.tasks into queues, weights, took.paused from unpaused(queues, weights) u;
    end if;
    if leave_out is not null then
        took.paused := took.paused || checked_leave_out(leave_out);
        took.left_out := leave_out;
    end if;
    if in_use then
        select array(select substr(name, 7) from limit_def
                      where name = any (array(select 'queue:' || q from unnest(queues) as q))
                        and (enabled or exists (select from parking where key = name and until > now_))),
               exists (select from unnest(queues) as q
                         left join lateral (  -- line_begins, which would be a call
                              select starts_at, keys_at from line_start
                               where queue = q and seen_at between now_ - interval '1 second' and now_ + interval '1 second'
                               order by seen_at desc limit 1) s on true,
                       lateral ((select from turn where queue = q and key is null
                                                    and due_at between coalesce(s.starts_at, '-infinity') and now_ limit 1)
                                union all
                                (select from turn where queue = q and lane_id is null
                                                    and due_at between coalesce(s.keys_at, '-infinity') and now_ limit 1)) turns)
          into gated, has_limits;
        if gated <> '{}' then
            has_limits := true;
            open := array(select q from unnest(queues) as q where q <> all (gated));
        end if;
    end if;
    limited := coalesce(limited, want);
    picked := case when want > 0 then pick_suspect(worker, coalesce(open, queues), took.paused) else '{}' end;
    took.jobs := '{}';
    if picked is null then  -- it runs one
        picked := '{}';
    else
        took.suspect := picked = '{}';
    end if;
    if picked <> '{}' then
        large := null;
    end if;

    if weights is not null and cardinality(queues) > 1 then
        queues := array(select name from unnest(queues, weights) as q(name, weight) order by -ln(1 - random()) / weight);
    end if;
    foreach this_queue in array coalesce(queues, '{}') loop
        room := want - cardinality(picked) - cardinality(took.jobs);
        exit when room <= 0;
        if has_limits then
            before := cardinality(took.jobs);
            asked := least(room, limited - before);
            if this_queue = any (gated) then
                took := claim_gated(took, this_queue, asked, worker, token);
            else
                if resume_at is not null or exists (
                    select from job where state = 'ready' and rescues < 2 and lane_id is null and queue = this_queue
                ) then  -- half of the room each
                    asked := least(asked, case when room = 1 then (random() < 0.5)::int else (room + 1) / 2 end);
                end if;
                took := claim_lanes(took, this_queue, asked, token);
            end if;
            if cardinality(took.jobs) > before then
                -- By ctid, safe under the lock. A start is stamped with the time by which its limits were counted. Before the
                -- next queue, whose lanes may have the same keys: places are counted by what runs.
                return query
                update job j
                   set state = 'running', attempt = j.attempt + 1, worker_id = worker, claim_token = token, claimed_at = l.at,
                       unique_key = case when j.unique_mode in ('until_started', 'replace') then null else j.unique_key end,
                       holds_place = l.place
                  from unnest(took.jobs[before + 1:], took.places[before + 1:], took.ats[before + 1:]) as l(at_row, place, at)
                 where j.ctid = l.at_row
                returning j.id, j.queue, j.task, j.args, attempt_number(j.attempt, j.terms),
                          attempt_number(j.max_attempts, j.terms), j.priority, j.run_at, j.created_at, j.meta,
                          case when j.workflow_id is not null then (select n.node from node_of(j.id) n) end,
                          case when j.queue = any (gated) then coalesce(j.limits, '{}') || ('queue:' || j.queue)
                               else j.limits end,
                          case when j.deadline_at is null then j.terms else with_left(j.terms, j.deadline_at) end;
            end if;
            continue when this_queue = any (gated);
            room := want - cardinality(picked) - cardinality(took.jobs);
        end if;
        if guarded and resume_at is null then
            starved := starving(this_queue, room, took.paused);
            large := null;
            picked := picked || starved;
            room := room - cardinality(starved);
        end if;
        if took.paused is not null or starved <> '{}' then
            picked := picked || pick_others(this_queue, took.paused, starved, resume_at, room);
            large := null;
        elsif resume_at is null or not resume_at @> jsonb_build_array(jsonb_build_object('queue', this_queue)) then
            select array_agg(c.id), sum(c.args_bytes) into ids, its_bytes
              from (select j.id, j.args_bytes from job j
                     where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = this_queue
                       and may_start(j.expires_at, j.deadline_at, j.attempt)
                     order by j.priority desc, j.run_at, j.id limit room
                       for no key update skip locked) c;
            if ids is not null then
                picked := picked || ids;
                large := large + coalesce(its_bytes, 0);
            end if;
        else
            for probe in
                select p.priority, p.run_at, coalesce(p.until, 'infinity') as until
                  from jsonb_to_recordset(resume_at) as p(queue text, priority smallint, run_at timestamptz, until timestamptz)
                 where p.queue = this_queue order by p.priority desc, p.run_at
            loop
                exit when cardinality(picked) + cardinality(took.jobs) >= want;
                select array_agg(c.id), sum(c.args_bytes) into ids, its_bytes
                  from (select j.id, j.args_bytes from job j
                         where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = this_queue
                           and j.priority = probe.priority and j.run_at >= probe.run_at and j.run_at < probe.until
                           and may_start(j.expires_at, j.deadline_at, j.attempt)
                         order by j.run_at, j.id limit want - cardinality(picked) - cardinality(took.jobs)
                           for no key update skip locked) c;
                if ids is not null then
                    picked := picked || ids;
                    large := large + coalesce(its_bytes, 0);
                end if;
            end loop;
        end if;
    end loop;

    if large is distinct from 0 then  -- on its own, because it is the rare case
        if (large + coalesce(took.bytes, 0) <= claim_bytes()) is not true then
            ids := fitting(picked, coalesce(took.bytes, 0), took.jobs = '{}');
            took.is_cut := took.is_cut or cardinality(ids) < cardinality(picked);
            picked := ids;
        end if;
    end if;
    if picked <> '{}' then  -- an update of no rows costs 50 us
        -- "= any (...)" has no merge order: a plan cached while the table was empty cannot walk the whole key instead.
        return query
        update job j
           set state = 'running', attempt = j.attempt + 1, worker_id = worker, claim_token = token,
               claimed_at = clock_timestamp(),
               unique_key = case when j.unique_mode in ('until_started', 'replace') then null else j.unique_key end
          from in_walks(picked) as p(ids)
         where j.id = any (p.ids)
        returning j.id, j.queue, j.task, j.args, attempt_number(j.attempt, j.terms),
                  attempt_number(j.max_attempts, j.terms), j.priority, j.run_at, j.created_at, j.meta,
                  case when j.workflow_id is not null then (select n.node from node_of(j.id) n) end, null::text[],
                  case when j.deadline_at is null then j.terms else with_left(j.terms, j.deadline_at) end;
    end if;
    if took.is_cut then
        queue := '!large';
        created_at := clock_timestamp();
        run_at := created_at;
        return next;
    elsif in_use and cardinality(picked) + cardinality(took.jobs) < want then
        created_at := clock_timestamp();
        run_at := least(took.again_at,
                        next_turn(array(select q from unnest(queues) as q where q <> all (coalesce(took.shut, '{}')))));
        if run_at is not null then
            return next;
        end if;
    end if;
end $$;

-- checked_leave_out: refuses more tasks than a claim can pass over. Called by: claim, has_work. Writes: nothing. Raises PQ001.
create function checked_leave_out(leave_out text[]) returns text[]
language plpgsql as $$
begin
    if cardinality(leave_out) > 1000 then
        perform invalid('leave_out', cardinality(leave_out)::text, 'name at most 1000 tasks');
    end if;
    return leave_out;
end $$;

-- in_walks: the ids as one array if they ascend, as they do unless priorities or retries mix them, else each as one of its own.
-- A walk of the primary key for one array returns its rows by id, which then is the order given. Before PostgreSQL 17 it is a
-- descent for each id all the same.
-- Called by: claim. Writes: nothing. Inlined, hence no settings.
create function in_walks(ids bigint[]) returns setof bigint[]
language sql immutable as $$
    select ids where ids = array(select i from unnest(ids) as i order by i)
    union all
    select array[i] from unnest(ids) as i where ids <> array(select i from unnest(ids) as i order by i)
$$;

-- next_turn: when jobs with limits of these queues are to be looked at again: in the past when they can be had now, NULL when
-- none wait.
-- Called by: claim. Writes: nothing.
create function next_turn(queues text[]) returns timestamptz
language plpgsql as $$
begin
    return (select min(t.due_at)
              from unnest(queues) as q, line_begins(q, clock_timestamp()) as b, lateral (
                   (select due_at from turn where queue = q and key is null and due_at >= b.starts_at order by due_at limit 1)
                   union all
                   (select due_at from turn where queue = q and lane_id is null and due_at >= b.keys_at
                     order by due_at limit 1)) t);
end $$;

-- claim_bytes: how many bytes of arguments one claim takes, 16 MiB; those of less than 16 KiB do not count. Called by:
-- claim, claim_lanes, fitting, fitting_rows. Inlined, hence no settings.
create function claim_bytes() returns int
language sql immutable as $$ select 16777216 $$;

-- fitting: the first of these jobs, whose arguments together with those that are taken already fit into a claim; the first one in
-- any case, if must is true.
-- Called by: claim, where they may be too large. Writes: nothing. The caller holds them.
create function fitting(ids bigint[], taken bigint, must bool) returns bigint[]
language sql as $$
    select coalesce(array_agg(id order by place), '{}')
      from (select p.id, place, sum(coalesce(j.args_bytes, 0)) over (order by place) as bytes
              from unnest(ids) with ordinality as p(id, place),
                   lateral (select args_bytes from job where id = any (array[p.id]) offset 0) j) s
     where bytes <= claim_bytes() - taken or must and place = 1
$$;

-- fitting_rows: how many of the first of these rows fit, as in fitting. Called by: claim_lanes, claim_gated. Writes: nothing.
create function fitting_rows(its_rows tid[], taken bigint, must bool, out n int, out bytes bigint)
language sql as $$
    select count(*)::int, coalesce(max(s.bytes), 0)
      from (select place, sum(coalesce(j.args_bytes, 0)) over (order by place) as bytes
              from unnest(its_rows) with ordinality as p(at_row, place), job j where j.ctid = p.at_row) s
     where s.bytes <= claim_bytes() - taken or must and place = 1
$$;
