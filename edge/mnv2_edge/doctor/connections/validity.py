"""The reader of a certificate's validity period.

Python's `ssl` tells that of authorities alone, and of no certificate that it does not trust. Of X.509 (RFC 5280, 4.1)
it takes no more than the way to one field, so no library is asked for.
"""

import re
import ssl
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

__all__ = ["Validity", "read_pem_validities", "read_validity"]

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_LONG: Final = 0x80
_PIVOT: Final = 50
"""UTCTime has two digits for the year: 50 to 99 are of the 20th century (RFC 5280, 4.1.2.5.1)."""


@dataclass(frozen=True, slots=True)
class Validity:
    """Validity period in seconds since 1970, both ends included."""

    not_before: float
    not_after: float

    def days_left(self, now: float) -> int:
        """Return how many whole days are left; negative when it has expired."""
        return int((self.not_after - now) // 86400)


def read_pem_validities(text: str) -> tuple[Validity, ...]:
    """Return the validity of every certificate in a PEM file; raises ValueError for one that is none."""
    return tuple(read_validity(ssl.PEM_cert_to_DER_cert(pem)) for pem in _PEM.findall(text))


def read_validity(certificate: bytes) -> Validity:
    """Return the validity of a certificate in DER. Raises ValueError for what is not a certificate."""
    try:
        body = _enter(_enter(certificate, 0, _SEQUENCE)[0], 0, _SEQUENCE)[0]
        place = _after(body, 0) if body[0] == _VERSION else 0
        for _ in range(3):  # serial number, algorithm, issuer
            place = _after(body, place)
        validity, _ = _enter(body, place, _SEQUENCE)
        return Validity(_time(validity, 0), _time(validity, _after(validity, 0)))
    except IndexError as exc:
        raise ValueError("no X.509 certificate: it ends too early") from exc


def _element(data: bytes, place: int) -> tuple[int, int, int]:
    """Return the tag of the element at `place`, and where its content begins and ends."""
    tag, length, start = data[place], data[place + 1], place + 2
    if length & _LONG:
        size = length & ~_LONG
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if start + length > len(data):
        raise IndexError(start + length)
    return tag, start, start + length


def _enter(data: bytes, place: int, expected: int) -> tuple[bytes, int]:
    tag, start, end = _element(data, place)
    if tag != expected:
        raise ValueError(f"no X.509 certificate: expected the tag {expected:#x}, got {tag:#x}")
    return data[start:end], end


def _after(data: bytes, place: int) -> int:
    return _element(data, place)[2]


def _time(data: bytes, place: int) -> float:
    tag, start, end = _element(data, place)
    text = data[start:end].decode("ascii", "replace")
    if tag == _UTC_TIME:
        text = f"{'19' if int(text[:2]) >= _PIVOT else '20'}{text}"
    elif tag != _GENERALIZED_TIME:
        raise ValueError(f"no X.509 certificate: {tag:#x} is not a time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
