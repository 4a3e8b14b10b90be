"""A search cluster behind TLS and a password: reached with its authority's file, else not."""

import base64
import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from collectors.bus.contract import Overloaded
from deploy.local.servers import Running
from tenants.store.elasticsearch import ElasticsearchStore

TOLD = ("Content-Type", "Accept")


class Front(ThreadingHTTPServer):
    """Speaks TLS before a node that does not, and notes who asks."""

    def __init__(self, node: str, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.node = node
        self.users: list[str | None] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Somebody went away."""


class Asked(BaseHTTPRequestHandler):
    """One request, passed on."""

    server: Front

    def do_POST(self) -> None:
        self.server.users.append(self.headers["Authorization"])
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with contextlib.closing(HTTPConnection(self.server.node)) as node:
            told = {name: self.headers[name] for name in TOLD if name in self.headers}
            node.request(self.command, self.path, body, told)
            answer = node.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        for name in ("Content-Type", "X-Elastic-Product"):
            self.send_header(name, answer.headers.get(name, ""))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_said: object) -> None:
        """Nothing."""


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def front(elasticsearch_server: Running, authority: trustme.CA) -> Iterator[Front]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Front(urlsplit(elasticsearch_server.elasticsearch).netloc, context) as front:
        worker = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05})
        worker.start()
        yield front
        front.shutdown()
        worker.join(10)


def store(front: Front, authority: trustme.CA, folder: Path) -> ElasticsearchStore:
    trusted = folder / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    url = f"https://127.0.0.1:{front.server_port}"
    return ElasticsearchStore(url, user="citysoc", password="loopback only", ca_file=trusted)


def test_the_store_asks_within_tls_with_its_password(
    front: Front, authority: trustme.CA, tmp_path: Path
) -> None:
    with contextlib.closing(store(front, authority, tmp_path)) as events:
        found = events.bind("nobody").get(["0" * 32])

    basic = base64.b64encode(b"citysoc:loopback only").decode()
    assert found == []
    assert set(front.users) == {f"Basic {basic}"}


def test_a_cluster_of_another_authority_is_asked_nothing(front: Front, tmp_path: Path) -> None:
    with (
        contextlib.closing(store(front, trustme.CA(), tmp_path)) as events,
        pytest.raises(Overloaded, match="does not answer"),
    ):
        events.bind("nobody").get(["0" * 32])

    assert front.users == []
