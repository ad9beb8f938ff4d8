"""`app.doctor()`: what is wrong."""

import asyncio

from ..database.calls.doctor import Finding
from ..doctor import examine
from ..registry import Registry


class DoctorControl(Registry):
    """The part of an app that examines its install."""

    def doctor(self) -> list[Finding]:
        """Examine the install, how it is reached from here, and the settings and tasks of this app. Nothing is changed.

        Each check may take 2 s; one that cannot be made is a finding itself. The role needs the rights of a viewer.

        Returns:
            What is wrong, the worst first; an empty list: all is well.

        Raises:
            DatabaseNotConfigured: there is no database URL.
        """
        return examine(self).findings

    async def adoctor(self) -> list[Finding]:
        """`doctor` for async code."""
        return await asyncio.to_thread(self.doctor)
