-- claim_gated: adds to `took` jobs of a queue that has a limit of its own: it holds for all of them, whatever limits they have
-- besides.
-- Called by: claim. Writes: bucket, permit; see claim_lanes. Locks: the bucket of the queue, SKIP LOCKED, then as claim and
-- claim_lanes. All are stamped with one time, by which the bucket is counted too: that of the lanes, or now.
create function claim_gated(took limited_jobs, in_queue text, want int, worker uuid, token uuid) returns limited_jobs
language plpgsql as $$
declare
    held     bucket_set;
    before   int := cardinality(took.jobs);
    room     int;
    plain    tid[];
    suspects bigint[];
    starved  bigint[] := '{}';
    at       timestamptz;
    fits     int;
    its_bytes bigint;
begin
    took.shut := took.shut || in_queue;  -- what its lanes say counts only where it lets them start
    if want < 1 then  -- no room just now; there may be jobs
        took.again_at := least(took.again_at, clock_timestamp());
        return took;
    end if;
    held := lock_buckets(array['queue:' || in_queue]);
    if held is null then  -- another claimer is here
        took.again_at := least(took.again_at, clock_timestamp());
        return took;
    end if;
    room := floor(least(want, held.tokens[1], held.places[1]));
    if room >= 1 then
        took.shut := array_remove(took.shut, in_queue);
        took := claim_lanes(took, in_queue, case
            when not exists (select from job where state = 'ready' and rescues < 2 and lane_id is null and queue = in_queue)
                then room
            when room = 1 then (random() < 0.5)::int else (room + 1) / 2 end, token);
        at := coalesce(took.ats[before + 1], clock_timestamp());
        room := room - (cardinality(took.jobs) - before);
        if took.suspect and room > 0 then
            suspects := pick_suspect(worker, array[in_queue], took.paused);
            took.suspect := suspects = '{}';
        end if;
        if exists (select from queue q where q.name > '') then
            starved := starving(in_queue, room - coalesce(cardinality(suspects), 0), took.paused);
        end if;
        plain := array(select j.ctid from job j where j.id = any (suspects || starved))
              || array(select j.ctid from job j
                        where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = in_queue
                          and (took.paused is null or j.task <> all (took.paused)) and j.id <> all (starved)
                          and may_start(j.expires_at, j.deadline_at, j.attempt)
                        order by j.priority desc, j.run_at, j.id limit room - coalesce(cardinality(suspects || starved), 0)
                          for no key update skip locked);
        select f.n, f.bytes into fits, its_bytes from fitting_rows(plain, coalesce(took.bytes, 0), took.jobs = '{}') f;
        took.is_cut := took.is_cut or fits < cardinality(plain);
        took.bytes := coalesce(took.bytes, 0) + its_bytes;
        plain := plain[:fits];
        took.jobs := took.jobs || plain;
        took.ats := took.ats || array_fill(at, array[cardinality(plain)]);
        took.places := took.places || array_fill(null::bool, array[cardinality(plain)]);
        room := cardinality(took.jobs) - before;
        if held.counted[1] then
            took.places := took.places[:before] || array_fill(true, array[room]);
        end if;
        if held.rates[1] is not null then
            held.tokens[1] := refilled(held.tokens[1], held.rates[1], held.bursts[1], held.at, at) - room;
        end if;
        held.places[1] := held.places[1] - room;
        held.at := at;
        perform pay(held, array[room::float8], token,
                    case when held.counted[1] and room > 0 then held.keys else '{}' end, array[null::uuid]);
    end if;
    if cardinality(took.jobs) - before >= want then  -- there may be more
        took.again_at := least(took.again_at, clock_timestamp());
    elsif held.tokens[1] < 1 or held.places[1] < 1 then
        took.again_at := least(took.again_at, opening_of(held, 1, 1, true));
    end if;
    return took;
end $$;
