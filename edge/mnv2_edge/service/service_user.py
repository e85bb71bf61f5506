"""Actions as the user that the service runs as: root must not write in that user's folders."""

import contextlib
import os
import pwd
from collections.abc import Iterator

from mnv2_edge.service.paths import USER

__all__ = ["acting_as_service", "service_user"]


def service_user() -> pwd.struct_passwd | None:
    """Return the service's user; None where there is none, and for a user other than root."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(USER) if os.geteuid() == 0 else None
    return None


@contextlib.contextmanager
def acting_as_service() -> Iterator[None]:
    """Let root's process act as the service's user until the end of the block: read, write, start programs.

    What lies in a folder of the service's is the service's to exchange, also between two steps of ours: a link to
    elsewhere takes us no further than the service could go by itself, and what is made belongs to it from the start.
    """
    user = service_user()
    if user is None:
        yield
        return
    groups = os.getgroups()
    try:
        os.setgroups([user.pw_gid])
        os.setresgid(user.pw_gid, user.pw_gid, 0)
        os.setresuid(user.pw_uid, user.pw_uid, 0)  # the saved one leads back, and is lost to programs that are started
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)
