"""One function per SQL function, in the groups of sql/functions; each builds a `Call`."""
