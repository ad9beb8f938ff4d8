-- carry_on_operations: takes one step of an operation that is due and that nobody else works on: it finds jobs, or acts on the
-- next ones for about 40 ms. Each step is a transaction of its own.
-- Called by: any worker; whoever waits for an operation. Writes: operation, operation_job; see do_chunk. Locks: the operation,
-- SKIP LOCKED, so one works on it at a time; see do_chunk.
--
-- most     jobs of one step
-- only_id  only this operation
-- Returns in how many seconds to call again: 0 = there is more to do now; 1 if others work on all of them, because they may die;
-- NULL = there is none.
create function carry_on_operations(most int default 1000, only_id bigint default null) returns float8
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    now_ timestamptz := clock_timestamp();
    its  operation;
begin
    if not exists (select from operation where finished_at is null) then
        return null;
    end if;
    select * into its from operation
     where finished_at is null and next_at <= now_ and (only_id is null or id = only_id)
     order by next_at, id limit 1 for update skip locked;
    if not found then
        return (select case when next_at <= now_ then 1 else extract(epoch from next_at - now_) end from operation
                 where finished_at is null and (only_id is null or id = only_id) order by next_at, id limit 1);
    end if;
    perform take_step(its, most);
    return (select greatest(extract(epoch from next_at - clock_timestamp()), 0) from operation
             where finished_at is null and (only_id is null or id = only_id) order by next_at, id limit 1);
end $$;

-- take_step: one step of an operation. One that raises an error would raise it again and again, and no other operation would have
-- its turn: it ends there, with the error. Raises what may pass, a lock or a full disk. Called by: carry_on_operations, which
-- holds it. Writes: see there.
create function take_step(its operation, most int) returns void
language plpgsql as $$
begin
    if its.state = 'collecting' then
        perform collect_jobs(its, 5000);
    else
        perform do_chunk(its, most, interval '40 ms');
    end if;
exception
    when lock_not_available or transaction_rollback or insufficient_resources or operator_intervention or system_error then
        raise;
    when others then
        raise warning 'operation % ends, because a step of it has failed: %', its.id, sqlerrm;
        its.failed := its.failed + 1;
        its.errors := its.errors || jsonb_build_object('job_id', null, 'message', left(sqlerrm, 500));
        its.state := 'cancelled';
        its.cancelled_by := 'pgqueue';
        perform save_operation(its);
end $$;
