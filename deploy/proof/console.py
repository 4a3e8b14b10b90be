"""What a person who signs in finds: every event in search, every alert in the queue's pages."""

import json
import re
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterable, Sequence
from html import unescape
from http.cookiejar import CookieJar
from typing import Any

import msgspec

from deploy.proof.compare import digest
from deploy.settings import Settings
from detection.alert import Alert
from detection.policy import State
from detection.signal import Signal

EVENT_PAGE = 1000
ALERT_PAGE = 200
_ALERT_LINK = re.compile(r'href="/alerts/([0-9A-Za-z_-]+)"')
_NEXT_LINK = re.compile(r'href="([^"]+)" rel="next"')


class QueueSeen(msgspec.Struct, frozen=True):
    """The queue as API and pages show it."""

    items: int
    on_pages: int
    faults: Sequence[str]


class Witness:
    """The administrator, by browser cookie."""

    def __init__(self, settings: Settings, password: str) -> None:
        self._base = f"http://127.0.0.1:{settings.port}"
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        body = json.dumps({"user": "admin", "password": password}).encode()
        request = urllib.request.Request(  # noqa: S310 – the console that this proof started
            f"{self._base}/api/v1/session", body, {"Content-Type": "application/json"}
        )
        self._browser.open(request, timeout=60).close()

    def events(self, tenant: str) -> dict[str, tuple[str, str]]:
        """Every event that search finds: id to source and digest of its own fields.

        Raises AssertionError for one that is found twice.
        """
        found: dict[str, tuple[str, str]] = {}
        after = None
        while True:
            page = self._api(f"tenants/{tenant}/events", limit=EVENT_PAGE, after=after)
            for event in page["events"]:
                soc = event.pop("soc")
                if soc["id"] in found:
                    raise AssertionError(f"{tenant}: search shows event {soc['id']} twice")
                found[soc["id"]] = (soc["source"], digest(event))
            after = page["after"]
            if after is None:
                return found

    def queue(self, signals: Iterable[Signal], beside: Iterable[Alert]) -> QueueSeen:
        """The open queue, held against the signals that should have made it.

        And against the alerts that have no signals: of correlations and of unusual behaviour.
        """
        wanted = Counter(_place(signal) for signal in signals if signal.state is State.ALERT)
        for alert in beside:
            wanted[_place(alert)] += alert.count
        items = list(self._items())
        shown = Counter(
            {
                (i["tenant"], i["rule"], i["entity"]["kind"], i["entity"]["name"]): i["count"]
                for i in items
            }
        )
        faults = [
            f"{place}: {shown[place]} in the queue, {wanted[place]} signals"
            for place in sorted(shown.keys() | wanted.keys())
            if shown[place] != wanted[place]
        ]
        if len(shown) != len(items):
            faults.append(f"{len(items) - len(shown)} items stand there twice")
        pages = set(self._items_on_pages())
        missing = {item["id"] for item in items} - pages
        faults += [f"item {item} is on no page" for item in sorted(missing)]
        return QueueSeen(len(items), len(pages), faults)

    def _items(self) -> Iterable[Any]:
        cursor = None
        while True:
            page = self._api("alerts", limit=ALERT_PAGE, cursor=cursor)
            yield from page["items"]
            cursor = page["cursor"]
            if cursor is None:
                return

    def _items_on_pages(self) -> Iterable[str]:
        path: str | None = "/queue"
        while path is not None:
            page = self._get(path).decode()
            yield from _ALERT_LINK.findall(page)
            following = _NEXT_LINK.search(page)
            path = unescape(following[1]) if following else None

    def _api(self, path: str, **asked: object) -> Any:
        query = urllib.parse.urlencode({k: v for k, v in asked.items() if v is not None})
        return json.loads(self._get(f"/api/v1/{path}?{query}"))

    def _get(self, path: str) -> bytes:
        with self._browser.open(self._base + path, timeout=60) as answer:
            body: bytes = answer.read()
            return body


def _place(signal: Signal | Alert) -> tuple[str, str, str, str]:
    return signal.tenant, signal.rule, signal.entity.kind, signal.entity.name
