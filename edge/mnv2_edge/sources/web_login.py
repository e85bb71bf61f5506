"""Answer an HTTP server that asks who we are (RFC 7617 Basic, RFC 7616 Digest)."""

import base64
import urllib.request

from mnv2_edge.sources.address import Address

__all__ = ["authorization"]


def authorization(challenge: str, address: Address) -> str | None:
    """Return the Authorization header for a WWW-Authenticate one; None when there is no user, or no way we know.

    Basic sends the password as it is, so with http:// everybody on the network reads it: the server decides that.
    """
    scheme, _, rest = challenge.partition(" ")
    if not address.user:
        return None
    if scheme.lower() == "basic":
        return "Basic " + base64.b64encode(f"{address.user}:{address.password}".encode()).decode("ascii")
    if scheme.lower() != "digest":
        return None
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, address.url, address.user, address.password)
    asked = urllib.request.parse_keqv_list([item for item in urllib.request.parse_http_list(rest) if "=" in item])
    request = urllib.request.Request(address.url)  # noqa: S310 - never opened
    try:
        answer = urllib.request.HTTPDigestAuthHandler(passwords).get_authorization(request, asked)
    except ValueError:  # an algorithm that urllib does not know
        return None
    return f"Digest {answer}" if answer else None
