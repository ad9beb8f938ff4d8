"""An agent of the pool "mail" that is alive, for tests of what reads pools."""

# The parameter is its id. It has every column that an agent has.
AGENT = """insert into agent select (jsonb_populate_record(null::agent, jsonb_build_object('id', %s::text, 'pool', 'mail',
    'name', 'a', 'host', 'here', 'pid', 1, 'version', '0', 'slots', 2, 'occupied', 0, 'lease', '30 s', 'draining', false,
    'started_at', clock_timestamp(), 'heartbeat_at', clock_timestamp()))).* returning 1"""
SLOT = "insert into pool_slot (pool, slot, agent_id, generation) values ('mail', 1, %s, 1) returning 1"
