"""What an attacker with some access tries, and what stops them: see the threat model in docs/security.md."""

from tests.faults.conftest import used
from tests.roles.conftest import Install, install, permitted

__all__ = ["Install", "install", "permitted", "used"]  # the logins of the roles, and "stranger", who has CONNECT alone
