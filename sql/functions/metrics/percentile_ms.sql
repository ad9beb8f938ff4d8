-- percentile_ms: a percentile of a histogram in milliseconds, at most 2.5 % from the exact one. NULL = the histogram is empty.
-- Called by: views, people who add histograms of metric_minute and its kind themselves. Writes: nothing.
-- fraction: 0.95 for the 95th percentile.
create function percentile_ms(buckets smallint[], jobs int[], fraction float8) returns float8
language sql stable security definer set search_path from current as $$
    select 1000 * bucket_value(min(bucket))
      from (select bucket, sum(n) over (order by bucket) as up_to, sum(n) over () as total
              from unnest(buckets, jobs) as h(bucket, n)) b
     where up_to >= fraction * total
$$;
