"""A download against a server that does what servers on the network do."""

import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from mnv2_engines.catalogue.download import DownloadRequest, RetryPolicy, download
from mnv2_engines.errors import DiskError, DownloadError, ModelError
from support.file_server import cut, etag, send

CONTENT = bytes(range(256)) * 1200  # 300 KiB
WHOLE, HALF = len(CONTENT), 150_000


def nothing(*_):
    return


@pytest.fixture
def part(tmp_path) -> Path:
    return tmp_path / "net.bin"


@pytest.fixture
def fetch(server, part, retries):
    server.files["net.bin"] = CONTENT

    def fetch(*, size=None, hash_known=False, limit=1 << 20, retries=retries, url=None, progress=nothing):
        address = url or f"{server.url}/net.bin"
        download(DownloadRequest("net.bin", address, size, size or limit, hash_known), part, retries, progress)
        return part.read_bytes()

    return fetch


def test_a_file_comes_and_progress_ends_with_all_of_it(fetch):
    seen = []
    assert fetch(progress=lambda *state: seen.append(state)) == CONTENT
    assert seen[0] == ("net.bin", 0, WHOLE)
    assert seen[-1] == ("net.bin", WHOLE, WHOLE)


class TestResume:
    def test_what_broke_off_goes_on_where_it_was(self, fetch, server):
        server.script = [server.broken_after(HALF)]
        assert fetch() == CONTENT
        assert [asked.range for asked in server.requests] == [None, f"bytes={HALF}-"]
        assert server.requests[1].if_range == etag(CONTENT)

    def test_the_next_call_goes_on_too(self, fetch, server, part):
        server.script = [server.broken_after(HALF), *[server.status(500)] * 3]
        with pytest.raises(DownloadError, match=f"{HALF} bytes are kept, and the same command goes on"):
            fetch()
        assert part.read_bytes() == CONTENT[:HALF]
        server.requests.clear()
        assert fetch() == CONTENT
        assert server.requests[0].range == f"bytes={HALF}-"

    def test_a_server_that_ignores_range_is_taken_from_the_beginning(self, fetch, server):
        server.script = [server.broken_after(HALF), server.content(CONTENT, ETag=etag(CONTENT))]
        assert fetch() == CONTENT
        assert server.requests[1].range == f"bytes={HALF}-"

    def test_a_file_that_changed_meanwhile_is_not_glued_to_the_old_one(self, fetch, server):
        changed = CONTENT[::-1]

        def then_change(handler):
            server.broken_after(HALF)(handler)
            server.files["net.bin"] = changed

        server.script = [then_change]
        assert fetch() == changed

    def test_another_part_than_was_asked_for_is_not_used(self, fetch, server):
        odd = server.content(CONTENT[7:], 206, Content_Range=f"bytes 7-{WHOLE - 1}/{WHOLE}", ETag=etag(CONTENT))
        server.script = [server.broken_after(HALF), odd]
        assert fetch() == CONTENT
        assert [asked.range for asked in server.requests] == [None, f"bytes={HALF}-", None]

    def test_a_weak_etag_does_not_promise_equal_bytes(self, fetch, server):
        server.script = [server.broken_after(HALF, ETag='W/"1"')]
        assert fetch() == CONTENT
        assert [asked.range for asked in server.requests] == [None, None]

    def test_a_date_will_do(self, fetch, server):
        date = "Tue, 24 Nov 2026 08:00:00 GMT"
        server.script = [server.broken_after(HALF, ETag="", **{"Last-Modified": date})]
        assert fetch() == CONTENT
        assert server.requests[1].if_range == date

    def test_without_either_a_known_hash_lets_it_go_on(self, fetch, server):
        server.script = [server.broken_after(HALF, ETag="")]
        assert fetch(hash_known=True) == CONTENT
        assert (server.requests[1].range, server.requests[1].if_range) == (f"bytes={HALF}-", None)

    def test_a_part_that_was_whole_already_needs_nothing_more(self, fetch, server):
        assert fetch() == CONTENT
        assert fetch() == CONTENT
        assert server.requests[1].range == f"bytes={WHOLE}-"
        assert len(server.requests) == 2

    def test_a_part_that_is_too_long_begins_anew(self, fetch, server, part):
        fetch()
        with part.open("ab") as file:
            file.write(b"more")
        assert fetch() == CONTENT

    def test_a_part_of_another_address_is_not_used(self, fetch, server, part):
        server.files["other.bin"] = CONTENT
        fetch()
        assert fetch(url=f"{server.url}/other.bin") == CONTENT
        assert server.requests[-1].range is None

    def test_a_process_that_was_killed_leaves_a_part_that_goes_on(self, fetch, server, part, tmp_path):
        server.script = [server.stalled_after(HALF)]
        code = f"""
            from pathlib import Path
            from mnv2_engines.catalogue.download import RetryPolicy, DownloadRequest, download
            wanted = DownloadRequest("net.bin", {server.url + "/net.bin"!r}, None, 1 << 20, False)
            download(wanted, Path({str(part)!r}), RetryPolicy(), lambda *_: None)
        """
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path)
        try:
            deadline = time.monotonic() + 30
            while not part.exists() or part.stat().st_size < HALF:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            process.kill()
            process.wait()
        assert fetch() == CONTENT
        assert server.requests[-1].range == f"bytes={HALF}-"


class TestTries:
    def test_a_server_that_asks_for_time_gets_it(self, fetch, server, waits):
        server.script = [server.status(429, Retry_After="7"), server.status(503, Retry_After="11")]
        assert fetch() == CONTENT
        assert waits.seconds == [7, 11]

    def test_a_date_is_understood_too(self, fetch, server, waits):
        server.script = [server.status(429, Retry_After="Tue, 24 Nov 2020 08:00:00 GMT")]
        assert fetch() == CONTENT
        assert waits.seconds == [0]

    def test_who_asks_for_an_hour_is_not_waited_for(self, fetch, server, waits):
        server.script = [server.status(429, Retry_After="3600")]
        with pytest.raises(DownloadError, match=r"asks for a pause \(429\); the same command goes on in 3600 s"):
            fetch()
        assert (waits.seconds, len(server.requests)) == ([], 1)

    def test_who_is_always_busy_is_given_up(self, fetch, server, waits):
        server.script = [server.status(429)] * 9
        with pytest.raises(DownloadError, match="429"):
            fetch()
        assert len(server.requests) == 3
        assert 0.5 <= waits.seconds[0] <= 1.0 <= waits.seconds[1] <= 2.0

    def test_tries_that_get_further_do_not_count(self, fetch, server):
        def next_piece(handler):
            start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
            said = {"Content-Length": str(WHOLE - start), "ETag": etag(CONTENT)}
            if start:
                said["Content-Range"] = f"bytes {start}-{WHOLE - 1}/{WHOLE}"
            send(handler, 206 if start else 200, CONTENT[start : start + 70_000], said)
            cut(handler)

        server.script = [next_piece] * 4
        assert fetch(retries=RetryPolicy(timeout_s=10, tries=1, wait=nothing)) == CONTENT
        assert len(server.requests) == 5

    def test_a_server_that_always_breaks_off_at_the_same_place_is_given_up(self, fetch, server):
        server.script = [server.broken_after(HALF, ETag="")] * 20
        with pytest.raises(DownloadError, match=f"broke off after {HALF} of {WHOLE} bytes"):
            fetch()
        assert len(server.requests) == 4

    def test_silence_ends_a_try(self, fetch, server):
        server.script = [server.stalled_after(HALF)] * 3
        with pytest.raises(DownloadError, match="does not answer in time"):
            fetch(retries=RetryPolicy(timeout_s=0.7, tries=1, wait=nothing))
        assert server.requests[1].range == f"bytes={HALF}-"

    def test_a_trickle_is_no_download(self, fetch, server):
        def trickle(handler):
            send(handler, 200, b"", {"Content-Length": str(WHOLE), "ETag": etag(CONTENT)})
            while not server.released.wait(0.02):
                try:
                    handler.wfile.write(b"x")
                except OSError:
                    return

        server.script = [trickle] * 2
        with pytest.raises(DownloadError, match="less than 1 KiB/s"):
            fetch(retries=RetryPolicy(timeout_s=1.0, tries=1, wait=nothing))


class TestRefusals:
    @pytest.mark.parametrize(
        ("code", "said"),
        [
            (404, r"is not there \(404\)"),
            (403, r"refuses to give .* \(403\)"),
            (418, "answers 418"),
            (407, "proxy wants"),
        ],
    )
    def test_what_another_try_would_not_mend_is_tried_once(self, fetch, server, code, said):
        server.script = [server.status(code)]
        with pytest.raises(DownloadError, match=said) as caught:
            fetch()
        assert "--mirror DIR" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert len(server.requests) == 1

    def test_more_bytes_than_the_file_has_are_another_file(self, fetch, server, part):
        server.script = [server.content(CONTENT + b"more")]
        with pytest.raises(ModelError, match=f"has {WHOLE + 4} bytes, expected {WHOLE}"):
            fetch(size=WHOLE)
        assert not part.exists()

    def test_so_are_fewer(self, fetch, server):
        server.script = [server.content(CONTENT[:-1])]
        with pytest.raises(ModelError, match=f"expected {WHOLE} bytes"):
            fetch(size=WHOLE)

    def test_a_flood_without_a_length_is_cut(self, fetch, server, part):
        def flood(handler):
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            for _ in range(100):
                try:
                    handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                except OSError:
                    return

        server.script = [flood]
        with pytest.raises(ModelError, match="more than 1048576 bytes, expected at most 1 MiB"):
            fetch()
        assert not part.exists()

    def test_a_file_of_unknown_length_and_hash_could_be_cut_anywhere(self, fetch, server):
        server.script = [server.content(CONTENT, Content_Length="")]
        with pytest.raises(DownloadError, match="does not say how long"):
            fetch()

    def test_its_size_or_hash_would_tell(self, fetch, server):
        server.script = [server.content(CONTENT, Content_Length="")] * 2
        assert fetch(size=WHOLE) == CONTENT

    def test_a_login_page_is_no_model(self, fetch, server):
        server.script = [server.content(b"<html>Welcome to our hotel", Content_Type="text/html; charset=utf-8")]
        with pytest.raises(DownloadError, match="web page: is a login page"):
            fetch()

    def test_a_full_disk_is_noticed_before(self, fetch, server, monkeypatch):
        usage = shutil.disk_usage("/")._replace(free=WHOLE)
        monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
        with pytest.raises(DiskError, match="0 MiB free, 32 MiB are needed: free some space"):
            fetch()

    def test_a_disk_that_fills_up_meanwhile_keeps_the_part(self, fetch, part, small_disk):
        with small_disk(HALF), pytest.raises(DiskError, match=r"net\.bin cannot be written"):
            fetch()
        assert 0 < part.stat().st_size <= HALF
        assert fetch() == CONTENT


class TestRedirects:
    @pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
    def test_they_are_followed_with_the_range(self, fetch, server, code):
        server.files["there/net.bin"] = CONTENT
        leads = server.status(code, Location=f"{server.url}/there/net.bin")
        server.script = [leads, server.broken_after(HALF), leads]
        assert fetch() == CONTENT
        assert [(asked.path, asked.range) for asked in server.requests] == [
            ("/net.bin", None),
            ("/there/net.bin", None),
            ("/net.bin", f"bytes={HALF}-"),
            ("/there/net.bin", f"bytes={HALF}-"),
        ]

    def test_not_in_circles(self, fetch, server):
        server.script = [server.status(302, Location=f"{server.url}/net.bin")] * 20
        with pytest.raises(DownloadError, match="is not followed") as caught:
            fetch()
        assert "\n" not in str(caught.value)
        assert len(server.requests) < 10

    @pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/net.bin", "data:,x"])
    def test_only_to_web_addresses(self, fetch, server, target):
        server.script = [server.status(302, Location=target)]
        with pytest.raises(DownloadError, match="is not followed"):
            fetch()

    def test_never_from_https_to_http(self):
        from urllib.error import HTTPError
        from urllib.request import Request

        from mnv2_engines.catalogue.web import _Redirects

        request = Request("https://example.org/net.bin")
        with pytest.raises(HTTPError, match="not safe"):
            _Redirects().redirect_request(request, None, 302, "Found", {}, "http://example.org/net.bin")


class TestConnections:
    def test_a_name_that_is_not_found_is_not_tried_twice(self, fetch, monkeypatch, waits):
        def no_name(*_args, **_more):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr("socket.getaddrinfo", no_name)
        with pytest.raises(DownloadError, match=r"the name models\.invalid is not found .* is this machine online\?"):
            fetch(url="https://models.invalid/net.bin")
        assert waits.seconds == []

    def test_nobody_at_the_port(self, fetch, server, waits):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(DownloadError, match=rf"127\.0\.0\.1:{port} broke \(Connection refused\)"):
            fetch(url=f"http://127.0.0.1:{port}/net.bin")
        assert len(waits.seconds) == 2

    def test_a_certificate_that_nobody_vouches_for(self, fetch, tls_server, waits):
        with pytest.raises(DownloadError, match=r"not trusted .*: is the clock right") as caught:
            fetch(url=f"{tls_server}/net.bin")
        assert "SSL_CERT_FILE" in str(caught.value)
        assert waits.seconds == []

    def test_a_server_that_speaks_no_http(self, fetch):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()

            def babble():
                for _ in range(3):
                    connection = listener.accept()[0]
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                    connection.close()

            thread = threading.Thread(target=babble, daemon=True)
            thread.start()
            with pytest.raises(DownloadError, match="broke"):
                fetch(url=f"http://127.0.0.1:{listener.getsockname()[1]}/net.bin")
            thread.join(5)

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/net.bin"])
    def test_other_addresses_are_not_fetched(self, fetch, url):
        with pytest.raises(DownloadError, match="begins with https:// or http://"):
            fetch(url=url)

    @pytest.mark.parametrize("url", ["http://host:port/net.bin", "http://[::1/net.bin", "http:///net.bin"])
    def test_nor_are_broken_ones(self, fetch, url):
        with pytest.raises(DownloadError, match=r"."):
            fetch(url=url)

    def test_the_standard_variables_name_a_proxy(self, fetch, server, monkeypatch):
        monkeypatch.setenv("http_proxy", server.url)
        server.script = [server.content(CONTENT)]
        assert fetch(url="http://models.invalid/net.bin") == CONTENT
        assert server.requests[0].path == "http://models.invalid/net.bin"


@pytest.fixture
def tls_server(tmp_path):
    """Serve TLS with a certificate of its own making, or skip where openssl is not there."""
    import ssl

    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    files = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", *files],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    stop.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)
