"""Rules of the keys of the REST API."""

from .. import test_keys as keys
from .mutant import DROP, Mutant

MUTANTS = [
    Mutant("a revoked key is found", "find_key", r"k\.revoked_at is null and ", "",
           keys.test_a_revoked_key_is_not_found_and_is_revoked_once),
    Mutant("an expired key is found", "find_key", r"k\.expires_at > n\.now", "true", keys.test_an_expired_key_is_not_found),
    Mutant("a key is revoked twice", "revoke_key", r"elsif its\.revoked_at is not null then\s+return false;", "",
           keys.test_a_revoked_key_is_not_found_and_is_revoked_once),
    Mutant("the end of the last key opens the door", "has_keys", r"from api_key", "from api_key where revoked_at is null",
           keys.test_once_there_was_a_key_there_are_keys),
    Mutant("a new key leaves no trace", "create_key", r"perform audit\(" + DROP, "null;",
           keys.test_making_and_revoking_is_audited_without_the_digest),
    Mutant("a revoked key leaves no trace", "revoke_key", r"perform audit\(" + DROP, "null;",
           keys.test_making_and_revoking_is_audited_without_the_digest),
    Mutant("each use is written", "note_key_used", r"last_used_at < [^)]*?\) - interval '1 minute'", "true",
           keys.test_the_use_of_a_key_is_noted_once_a_minute),
    Mutant("the use waits for who revokes", "note_key_used", r"\s+skip locked", "",
           keys.test_noting_the_use_does_not_wait_for_who_revokes, sqlstate="55P03"),
    Mutant("the address of the API's caller is lost", "client_address", r"return given::inet", "return inet_client_addr()",
           keys.test_the_audit_log_keeps_the_address_that_a_server_names),
]  # fmt: skip
