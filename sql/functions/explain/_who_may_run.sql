-- pauses_on: the pauses that hold a job, the last to end first. Called by: why_waiting. Writes: nothing.
create function pauses_on(its job) returns setof cause
language sql stable as $$
    select 'paused', format('%s is paused %s by %s%s, since %s',
                            case p.kind when 'everything' then 'everything' else p.kind || ' ' || said_name(p.name) end,
                            case when p.until is null then 'until it is resumed' else said_until(p.until) end, said_name(p.by),
                            coalesce(' (' || left(p.reason, 200) || ')', ''), said_since(p.paused_at)),
           p.until, jsonb_build_object('kind', p.kind, 'name', p.name, 'by', p.by, 'reason', p.reason,
                                       'since', in_utc(p.paused_at))
      from pauses p
     where p.kind = 'everything' or p.kind = 'queue' and p.name = its.queue or p.kind = 'task' and p.name = its.task
     order by p.until desc nulls first
$$;

-- is_alive: whether a worker is alive. Called by: functions of explain and doctor. Writes: nothing. Inlined, hence no settings.
create function is_alive(w worker) returns bool
language sql stable as $$ select w.state = 'active' and w.heartbeat_at + w.lease >= clock_timestamp() $$;

-- workers_for: that no worker is alive that may run a job: none serves its queue, or of those none knows its task.
-- Called by: why_waiting, held_up, unserved. Writes: nothing.
create function workers_for(its job) returns setof cause
language plpgsql stable as $$
declare
    alive   int;
    serving int;
    may_run int;
    queues  text[];
    tasks   text[];
    near    text;
    other   text;  -- a release of the task that workers know
begin
    select count(*), count(*) filter (where its.queue = any (w.queues)),
           count(*) filter (where its.queue = any (w.queues) and knows_task(w.tasks, its.task))
      into alive, serving, may_run from worker w where is_alive(w);
    if may_run > 0 then
        return;
    elsif serving = 0 then
        queues := array(select distinct q from worker w, unnest(w.queues) as q where is_alive(w) order by q limit 1000);
        near := nearest_name(its.queue, queues);
        queues := queues[1:100];
        return next row('no_worker', format('no worker is alive that serves queue %s', said_name(its.queue))
            || case when alive = 0 then '; start one with pgqueue worker'
                    else format('; %s, for %s', counted(alive, 'other worker is alive', 'other workers are alive'),
                                coalesce(said_names(queues, 10), 'no queue')) end
            || coalesce('; did you mean ' || said_name(near) || '?', ''),
            null, jsonb_build_object('queue', its.queue, 'workers_alive', alive, 'queues', queues, 'did_you_mean', near))::cause;
        return;
    end if;
    tasks := array(select distinct t from worker w, unnest(w.tasks) as t
                    where is_alive(w) and its.queue = any (w.queues) and t not like 'pgqueue.%'  -- ours
                    order by t limit 1000);
    other := release_of(its.task, tasks);
    near := case when other is null then nearest_name(its.task, tasks) end;
    return next row('unknown_task', format('it waits for a worker that knows %s; workers alive of queue %s know %s',
                said_name(its.task), said_name(its.queue),
                coalesce(other, said_names(tasks, 10), 'no task'))
            || coalesce('; did you mean ' || said_name(near) || '?', ''), null,
        jsonb_build_object('task', its.task, 'queue', its.queue, 'workers', serving, 'tasks', tasks[1:100], 'did_you_mean', near,
                           'since', in_utc(unknown_since(its.state, its.unknown_since, its.queue, its.task, its.run_at))))::cause;
end $$;

-- release_of: another version of a task that is known, as charge@1 is of charge@2, and which release knows it, in words; NULL =
-- none. Called by: workers_for. Writes: nothing.
create function release_of(task text, tasks text[]) returns text
language sql immutable as $$
    select said_name(known) || case when wanted is null or version is null then ': another release'
                                    when version < wanted then ': an older release' else ': a newer release' end
      from (select k.known, version_of(k.known) as version, version_of(release_of.task) as wanted
              from unnest(tasks) as k(known)
             where split_part(k.known, '@', 1) = split_part(release_of.task, '@', 1) and k.known <> release_of.task) v
     order by version desc nulls last, known limit 1
$$;

-- version_of: the version in the name of a task: 0 without one, NULL for one that is no number. Called by: release_of. Writes:
-- nothing.
create function version_of(task text) returns int
language sql immutable as $$
    select case when task not like '%@%' then 0
                when split_part(task, '@', 2) ~ '^[0-9]{1,9}$' then split_part(task, '@', 2)::int end
$$;

-- nearest_name: the one of some names that is most like another: with the same last part, or a slip away, or with most pairs of
-- letters in common, more than half of them. NULL = none is alike. Called by: workers_for, unknown_queues, diagnose_queues.
-- Writes: nothing. A slip is one letter more, fewer or other, or two that are swapped, in names of three letters or more: short
-- names, such as those of queues, have too few pairs in common then. In one statement: a function of its own is planned for each
-- name before PostgreSQL 18.
create function nearest_name(name text, names text[]) returns text
language sql immutable as $$
    with wanted as materialized (
        select lower(nearest_name.name) as a,
               array(select distinct substr(lower(nearest_name.name), i, 2)
                       from generate_series(1, length(left(nearest_name.name, 200)) - 1) as i) as pairs
    )
    select near.n
      from unnest(names) as near(n), wanted,
           lateral (select lower(near.n) as b) l,
           lateral (select count(*) as common from unnest(wanted.pairs) as pair
                     where length(near.n) <= 200 and position(pair in b) > 0) c,
           lateral (select 2.0 * c.common / greatest(length(near.n) - 1 + cardinality(wanted.pairs), 1) as alike,
                           last_part(near.n) = last_part(nearest_name.name) as same,
                           least(length(a), length(b)) >= 3 and greatest(length(a), length(b)) <= 200
                           and abs(length(a) - length(b)) <= 1
                           and exists (select from generate_series(0, least(length(a), length(b))) as i
                                        where left(a, i) = left(b, i)
                                          and (substr(a, i + 2) in (substr(b, i + 2), substr(b, i + 1))
                                               or substr(a, i + 1) = substr(b, i + 2)
                                               or substr(a, i + 1, 2) = reverse(substr(b, i + 1, 2))
                                                  and substr(a, i + 3) = substr(b, i + 3))) as slipped) w
     where near.n <> nearest_name.name and (w.same or w.slipped or w.alike > 0.5)
     order by w.same desc, w.slipped desc, w.alike desc, near.n limit 1
$$;

-- last_part: a name behind its last dot. Called by: nearest_name. Writes: nothing. Inlined, hence no settings.
create function last_part(name text) returns text
language sql immutable as $$ select regexp_replace(name, '^.*[.]', '') $$;
