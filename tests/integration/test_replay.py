"""Files sent through a running HTTP door."""

import gzip
import json
import threading
import time
from pathlib import Path

import pytest

from collectors.bus.contract import Malformed, Overloaded
from collectors.intake import MAX_EVENT
from collectors.sources import replay as replaying
from collectors.sources.replay import Replayed, replay
from tests.integration.door_kit import LOCAL, Doors, wait_for


def url(doors: Doors) -> str:
    """Where the doors take events."""
    return f"http://{LOCAL}:{doors.ports.ingest}"


def test_every_kind_of_file_is_sent_in_order(doors: Doors, tmp_path: Path) -> None:
    lines = tmp_path / "a.ndjson"
    lines.write_bytes(b'{"n":1}\n\n{"n":2}\n')
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"n":3}\n{"n":4}'))
    array = tmp_path / "c.json"
    array.write_text('[{"n":5},\n {"n":6}]')
    log = tmp_path / "d.log"
    log.write_bytes(b'[{"looks": "like an array"}\nNov 24 11:59:00 gate sshd[7]: hello\n')
    seen: list[Replayed] = []

    done = replay(
        [str(path) for path in (lines, packed, array, log)],
        url(doors),
        "bank-web",
        progress=seen.append,
    )

    events = doors.events()
    assert [fields.get("n") for fields, _ in events] == [1, 2, 3, 4, 5, 6, None, None]
    assert events[-1][0]["message"] == "hello"
    assert (done.accepted, done.unparsed, done.skipped) == (8, 1, 0)
    assert [each.accepted for each in seen] == [2, 4, 6, 8]


def test_a_second_run_sends_the_same_events_whatever_the_batches(
    doors: Doors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b'{"same":true}\n' * 1_200)
    replay([str(path)], url(doors), "bank-web")

    monkeypatch.setattr(replaying, "BATCH_EVENTS", 7)
    replay([str(path)], url(doors), "bank-web")

    ids = [soc.id for _, soc in doors.events()]
    assert len(ids) == 2_400
    assert len(set(ids)) == 1_200
    assert ids[:1_200] == ids[1_200:]


def test_an_overloaded_door_is_waited_for(doors: Doors, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b'{"n":1}\n')
    doors.bus.full = True
    done: list[Replayed] = []
    sending = threading.Thread(
        target=lambda: done.append(replay([str(path)], url(doors), "bank-web"))
    )

    sending.start()
    wait_for(lambda: doors.ask("GET", "/healthz")[0] == 503)
    doors.bus.full = False
    sending.join(20)

    assert done[0].accepted == 1
    assert len(doors.events()) == 1


def test_patience_ends_with_a_word(doors: Doors, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b'{"n":1}\n')
    doors.bus.full = True

    with pytest.raises(Overloaded, match="503"):
        replay([str(path)], url(doors), "bank-web", patience=0.1)
    with pytest.raises(Overloaded, match="no answer"):
        replay([str(path)], "http://127.0.0.1:9", "bank-web", patience=0.1)


def test_what_will_never_work_is_said_at_once(doors: Doors, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b'{"n":1}\n')
    letter = tmp_path / "a.docx"
    letter.write_bytes(b"Dear council")

    with pytest.raises(Malformed, match="401: an unknown token"):
        replay([str(path)], url(doors), "forged")
    with pytest.raises(Malformed, match="expected an address"):
        replay([str(path)], "127.0.0.1:8601", "bank-web")
    with pytest.raises(Malformed, match="expected a name that ends in"):
        replay([str(letter)], url(doors), "bank-web")


def test_what_can_not_be_sent_is_skipped_and_counted(doors: Doors, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\n" + b"x" * (MAX_EVENT + 1) + b"\ntwo\n")

    done = replay([str(path)], url(doors), "bank-web")

    assert (done.accepted, done.skipped) == (2, 1)


def test_a_rate_is_kept(doors: Doors, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b'{"n":1}\n' * 100)
    begun = time.monotonic()

    replay([str(path)], url(doors), "bank-web", rate=200)

    assert time.monotonic() - begun >= 0.3
    assert len(doors.events()) == 100


def test_real_windows_event_logs_arrive_with_their_log_sources(doors: Doors, corpora: Path) -> None:
    path = min(
        (corpora / "evtx").rglob("*.evtx"), key=lambda each: (each.stat().st_size, each.name)
    )

    done = replay([str(path)], url(doors), "bank-web")

    events = doors.events()
    assert len(events) == done.accepted > 0
    assert done.unparsed == 0
    assert all(any("windows/" in each for each in soc.logsources) for _, soc in events)


@pytest.mark.parametrize(
    ("name", "unparsed"),
    [("linux-auth.log.gz", 0), ("apache-access.log.gz", 0), ("aws-cloudtrail.ndjson.gz", 0)],
)
def test_a_real_stream_arrives_whole(doors: Doors, corpora: Path, name: str, unparsed: int) -> None:
    path = corpora / "streams" / name
    lines = [line for line in gzip.decompress(path.read_bytes()).split(b"\n") if line.strip()]

    done = replay([str(path)], url(doors), "bank-web")

    events = doors.events()
    assert done == Replayed(path=str(path), accepted=len(lines), unparsed=unparsed)
    assert len(events) == len({soc.id for _, soc in events}) == len(lines)
    for (fields, soc), line in zip(events, lines, strict=True):
        if name.endswith(".log.gz"):
            assert soc.original == line.decode("utf-8", "replace").rstrip("\r")
        else:
            assert fields == json.loads(line)
        assert soc.logsources
