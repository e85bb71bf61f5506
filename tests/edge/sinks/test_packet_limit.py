"""A broker that sends more than it may: the connection ends before the content is held."""

import pytest

from mnv2_edge.sinks.packet_limit import LimitedSocket, PacketTooLargeError, publish_size


class Script:
    """Give what is received, `step` bytes at a time at most."""

    def __init__(self, data, step):
        self.data, self.step, self.closed = data, step, False

    def recv(self, size):
        count = min(size, self.step)
        given, self.data = self.data[:count], self.data[count:]
        return given

    def close(self):
        self.closed = True


def packet(kind, content):
    length, head = len(content), bytearray([kind])
    while True:
        head.append((length % 128) | (0x80 if length >= 128 else 0))
        length //= 128
        if not length:
            return bytes(head) + content


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100_000])
def test_packets_within_the_limit_pass_unchanged(step):
    data = b"".join(packet(0x30, bytes([255]) * size) for size in (0, 1, 127, 128, 1000, 1000))
    limited, received = LimitedSocket(Script(data, step), 1000), b""
    while chunk := limited.recv(4096):
        received += chunk
    assert received == data


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100_000])
def test_one_above_it_is_refused_at_its_header(step):
    first = packet(0x20, b"ab")
    limited = LimitedSocket(Script(first + packet(0x30, bytes(1001)), step), 1000)
    assert b"".join(limited.recv(1) for _ in range(len(first) + 2)) == first + b"\x30\xe9"
    with pytest.raises(PacketTooLargeError, match="a packet of 1001 bytes, at most 1000"):
        limited.recv(1)


def test_the_rest_is_the_sockets():
    script = Script(b"", 1)
    LimitedSocket(script).close()
    assert script.closed
    assert not hasattr(LimitedSocket(script), "pending")


def test_the_size_of_a_packet_is_never_underestimated():
    assert publish_size("a/ä", b"x" * 300) >= len(packet(0x30, b"\0\4a/\xc3\xa4" + b"\0" + b"x" * 300))
