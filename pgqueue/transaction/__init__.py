"""`ctx.transaction()`: the writes of a handler and the end of its job commit together."""
