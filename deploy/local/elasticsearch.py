"""A single Elasticsearch node: its core server and the HTTP transport, nothing else."""

import importlib.util
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import OK, HTTPConnection, HTTPException
from pathlib import Path

from deploy.local import jars, java
from deploy.local.contract import Unavailable
from deploy.local.place import Place

HEAP = "1g"


class Elasticsearch:
    """The node of one folder."""

    name = "elasticsearch"
    stop_signal = signal.SIGTERM
    account: str | None = None

    def __init__(self, place: Place, *, lasting: bool) -> None:
        self._place = place
        self._lasting = lasting
        self._folder = place.folder / self.name

    @property
    def log(self) -> Path:
        """The node's own log."""
        return self._folder / "elasticsearch.log"

    def prepare(self) -> None:
        """Make its folders."""
        if importlib.util.find_spec("jpype") is None:
            raise Unavailable("needs JPype to start Elasticsearch from Python: pip install jpype1")
        (self._folder / "config").mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        """A Python that becomes the node."""
        return [
            sys.executable,
            "-m",
            "deploy.local.elasticsearch_node",
            f"--folder={self._folder}",
            f"--jars={jars.folder()}",
            f"--library={java.library()}",
            f"--heap={HEAP}",
            f"--http={self._place.port('elasticsearch')}",
            f"--transport={self._place.port('elasticsearch_transport')}",
            *([] if self._lasting else [f"--java={java.BRIEF}"]),
        ]

    def environment(self) -> Mapping[str, str]:
        """Nothing of its own."""
        return {}

    def ready(self) -> bool:
        """Whether it answers, and every index that it has is readable."""
        port = self._place.port("elasticsearch")
        with closing(HTTPConnection("127.0.0.1", port, timeout=1)) as node:
            try:
                node.request("GET", "/_cluster/health")
                answer = node.getresponse()
                return answer.status == OK and json.load(answer)["status"] in ("green", "yellow")
            except (OSError, HTTPException):
                return False

    def complete(self) -> None:
        """Nothing: templates and indices are their users' business."""
