"""Put a user into an address, and ask for the password, which is never part of one."""

from urllib.parse import quote, urlsplit

from mnv2_edge.redaction import add_secret
from mnv2_edge.setup.asking import Asker
from mnv2_engines.printable import printable

__all__ = ["ask_password", "with_user"]


def with_user(uri: str, user: str) -> str:
    """Return ``scheme://host...`` with this user and no password in it; without a user when that is empty."""
    host = urlsplit(uri).netloc.rpartition("@")[2]
    scheme, _, rest = uri.partition("://")
    after = rest[len(urlsplit(uri).netloc) :]
    return f"{scheme}://{quote(user, safe='')}@{host}{after}" if user else f"{scheme}://{host}{after}"


def ask_password(user: str, asker: Asker) -> str:
    """Ask for a user's password, and hide it from now on wherever it might be shown."""
    password = asker.ask_secret(f"Password of {printable(user)}")
    add_secret(password)
    return password
