"""A pool that has worked for an hour, for the pages of pools."""

from typing import LiteralString

STATEMENTS: tuple[LiteralString, ...] = (
    "select make_pool('mail', 'shop.jobs:app', queues => '{mail=3,billing}', wanted => 3, maximum => 8, by => %(person)s)",
    "select set_autoscale('mail', true, '{\"depth_up\": 200}', by => %(person)s)",
    """insert into agent select (jsonb_populate_record(null::agent, jsonb_build_object('id', %(agent)s::text, 'pool', 'mail',
        'name', %(host)s::text, 'host', %(host)s::text, 'pid', 4242, 'version', '1.0', 'slots', 4, 'occupied', 0, 'lease',
        '1 h', 'draining', false, 'started_at', clock_timestamp() - interval '1 h',
        'heartbeat_at', clock_timestamp()))).* returning 1""",
    """insert into pool_slot (pool, slot, agent_id, generation, taken_at) select 'mail', n,
        case when n < 3 then %(agent)s::uuid end, 1, clock_timestamp() from generate_series(1, 3) n returning 1""",
    "update worker set pool = 'mail', slot = 1, generation = 1 where id = %(worker)s returning 1",
    """insert into pool_sample select 'mail', date_trunc('minute', clock_timestamp()) - n * interval '1 minute',
        case when n between 12 and 30 then 6 else 3 end, case when n between 12 and 29 then 6 else 3 end,
        case when n between 15 and 35 then 20 * (35 - n) else 5 end from generate_series(1, 60) n returning 1""",
    """insert into pool_event (at, pool, kind, by, before, after, reason, figures) values
        (clock_timestamp() - interval '31 min', 'mail', 'scaled_up', 'agent', 3, 6, %(reason)s, jsonb_build_object('ready', 120)),
        (clock_timestamp() - interval '20 min', 'mail', 'refused', 'agent', 6, 6, %(reason)s,
            jsonb_build_object('text', %(text)s::text)),
        (clock_timestamp() - interval '12 min', 'mail', 'scaled_down', 'agent', 6, 3, 'nothing waits', null) returning 1""",
    "select roll_pool('mail', reason => %(reason)s, by => %(person)s)",
)
AGENT = "00000000-0000-4000-8000-000000000005"
