"""What a camera repeats of the request that it was sent comes out nowhere."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import pytest

from support.command import call

SECRET = "s3cret/word"
"""In the address its slash is escaped: the camera unescapes it."""


class Echo(BaseHTTPRequestHandler):
    """A camera that puts what it was asked for into everything that it answers."""

    status: ClassVar[int]

    def do_GET(self) -> None:
        asked = unquote(self.path)
        self.send_response(self.status, f"no {asked} for {self.headers.get('Authorization')}")
        self.send_header("WWW-Authenticate", f'Basic realm="{asked}"')
        self.send_header("Location", f"/again{self.path}")
        self.send_header("Content-Type", f"text/x-{SECRET.replace('/', '-')}; boundary={asked}")
        self.end_headers()
        self.wfile.write(asked.encode())

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


@pytest.fixture(params=[200, 302, 401, 404])
def camera(request: pytest.FixtureRequest) -> Iterator[str]:
    handler = type("Answer", (Echo,), {"status": request.param})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://joe@127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "path",
    [
        "/videostream.cgi?loginuse=joe&loginpas=s3cret%2Fword&resolution=32",
        "/user=joe_password=s3cret%2Fword_channel=1_stream=0.sdp",
        "/mjpg?s3cret%2Fword=1&x=s3cret%2Fword",
    ],
)
def test_no_answer_brings_the_address_secrets_into_records_or_logs(camera: str, path: str, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"version: 1\ncameras: [{{uri: '{camera}{path}'}}]\nlog: {{level: debug}}\n"
        "sinks: [{stdout: {format: jsonl, records: all}}]\n"
    )
    told = call("run", "--config", config, home=tmp_path, MNV2_EDGE_CAMERA_PASSWORD="g3heim-wort")
    assert told.returncode in {69, 77}, told.stderr
    for said in (told.stdout, told.stderr, call("config", "show", config, home=tmp_path).stdout):
        assert SECRET not in said
        assert "s3cret%2Fword" not in said
        assert "g3heim-wort" not in said
        assert "am9lOmczaGVpbS13b3J0" not in said  # joe:g3heim-wort, as HTTP has it
