"""The table of letters in rules/README.md, held to the engine, a real node and SQLite."""

import contextlib
import re
import secrets
import sqlite3
from pathlib import Path

from elasticsearch import Elasticsearch

import rules
from collectors.logsource import LogSource
from deploy.local.servers import Running
from detection.sigma.ruleset import build
from rules.catalog import Catalog, parse
from rules.documents import Document

ROW = re.compile(r"^\| `(\S+)` \| `(\S+)` \| (yes|no) \| (yes|no) \| (yes|no) \|$", re.MULTILINE)
WINDOWS = LogSource("windows", "", "")
Row = tuple[str, str, bool, bool, bool]


def table() -> list[Row]:
    """Value, what is asked, and who finds the one by the other."""
    text = (Path(rules.__file__).parent / "README.md").read_text("utf-8")
    return [
        (value, asked, *(each == "yes" for each in says))
        for value, asked, *says in ROW.findall(text)
    ]


def in_engine(value: str, asked: str) -> bool:
    content = {
        "title": "One letter",
        "logsource": {"product": "windows"},
        "detection": {"sel": {"f": asked}, "condition": "sel"},
    }
    rule = parse(Document("rule.yml", 1, content, {}), [])
    assert rule is not None
    return bool(build(Catalog([rule]), "test").match({"f": value}, [WINDOWS]))


def in_sqlite(value: str, asked: str) -> bool:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE logs (f TEXT COLLATE NOCASE)")
        database.execute("INSERT INTO logs VALUES (?)", [value])
        equal = database.execute("SELECT count(*) FROM logs WHERE f = ?", [asked]).fetchone()
        like = database.execute("SELECT count(*) FROM logs WHERE f LIKE ?", [asked]).fetchone()
    assert equal == like
    return bool(equal[0])


def on_node(client: Elasticsearch, rows: list[Row]) -> list[bool]:
    index = f"t{secrets.token_hex(6)}"
    mapping = {"properties": {"f": {"type": "keyword", "normalizer": "lowercase"}}}
    client.indices.create(index=index, mappings=mapping)
    try:
        for number, (value, *_) in enumerate(rows):
            client.index(index=index, id=str(number), document={"f": value})
        client.indices.refresh(index=index)
        found = [client.search(index=index, query={"term": {"f": asked}}) for _, asked, *_ in rows]
        ids = [{hit["_id"] for hit in each["hits"]["hits"]} for each in found]
        return [str(number) in each for number, each in enumerate(ids)]
    finally:
        client.indices.delete(index=index)


def test_the_table_of_letters_is_true(elasticsearch_server: Running) -> None:
    rows = table()

    with contextlib.closing(Elasticsearch(elasticsearch_server.elasticsearch)) as client:
        node = on_node(client, rows)

    assert len(rows) >= 10
    for (value, asked, here, there, lite), on_the_node in zip(rows, node, strict=True):
        found = (in_engine(value, asked), on_the_node, in_sqlite(value, asked))
        assert found == (here, there, lite), (value, asked)
