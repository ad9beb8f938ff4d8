-- preview_operation: what an operation would be about: its filter as it would be stored, and how many jobs match it now, as far
-- as a look at `look` jobs tells. is_over: there are no more; otherwise there are at least so many.
-- Called by: applications, people, before they start one. Writes: nothing. Raises PQ001 as start_operation does.
create function preview_operation(
    kind text, filter jsonb, is_all bool default false, look int default 100000,
    out means jsonb, out jobs bigint, out is_over bool
)
language plpgsql security definer set search_path from current as $$
begin
    perform check_operation(kind, null);
    means := operation_filter(kind, filter, is_all, clock_timestamp());
    select c.jobs, c.is_over into jobs, is_over from count_jobs(means, look) c;
end $$;
