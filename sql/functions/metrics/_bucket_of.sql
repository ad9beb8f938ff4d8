-- bucket_of: the bucket of a histogram into which a number of seconds falls: each is 5 % wide. Writes: nothing.
-- Called by: roll_up_minute, unkept_rows. Inlined, hence no settings. From a microsecond to 31 years: -276 to 414.
create function bucket_of(seconds float8) returns smallint
language sql immutable as $$
    select case when seconds > 1e-6::float8 then (ln(least(seconds, 1e9::float8)) * 20)::smallint
                when seconds is not null then -276::smallint end
$$;

-- seconds_in: the seconds that a handler took, whatever its worker has reported. Called by: roll_up_minute, unkept_rows. Inlined.
-- Writes: nothing.
create function seconds_in(elapsed real) returns float8
language sql immutable as $$
    select (case when elapsed >= 0::real then least(elapsed, 1e9::real) when elapsed is not null then 0::real end)::float8
$$;

-- bucket_value: the number of seconds that stands for a bucket: no more than 2.5 % from any in it. Writes: nothing.
-- Called by: who shows percentiles. The middle of the bucket by its logarithm is 2.53 % from its lower end; divided by cosh(1/40)
-- both ends are tanh(1/40) = 2.4995 % away.
create function bucket_value(bucket int) returns float8
language sql immutable as $$
    select exp(bucket / 20.0::float8) / 1.00031251627665
$$;

-- waited: for how many seconds a job was due before it was claimed; one whose run_at is older than itself was due from its
-- creation on. NULL = it was not claimed. Never negative, if the clock was set back. Called by: roll_up_minute, unkept_rows.
-- Inlined.
-- Writes: nothing.
create function waited(run_at timestamptz, created_at timestamptz, claimed_at timestamptz) returns float8
language sql immutable as $$
    select case when claimed_at > greatest(run_at, created_at) then date_part('epoch', claimed_at - greatest(run_at, created_at))
                when claimed_at is not null then 0 end
$$;

-- failed_attempts: how many attempts of a job that is over have failed: of one that succeeded all but the last, of a dead letter
-- all; the run in which a job was cancelled has not failed. Those that an earlier end has counted do not count again, see
-- control_of_retry. Called by: roll_up_minute, unkept_rows. Inlined. Writes: nothing.
create function failed_attempts(state job_state, attempt smallint, claimed_at timestamptz, control jsonb) returns int
language sql immutable as $$
    select greatest(attempt - (state = 'succeeded' or state = 'cancelled' and claimed_at is not null)::int
                    - coalesce((control->>'counted')::int, 0), 0)
$$;
