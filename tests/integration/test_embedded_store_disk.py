"""What the embedded store does when its disk is full, its files are damaged or half removed."""

import resource
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from collectors.bus.contract import Overloaded
from tenants.store.contract import Damaged
from tenants.store.embedded import EmbeddedStore
from tenants.store.filter import Filter
from tests.contract.store_kit import event, found, numbers

ROOT = Path(__file__).parent.parent.parent
FILL = """
import sys
from pathlib import Path
from collectors.bus.contract import Overloaded
from tenants.store.embedded import EmbeddedStore
from tests.contract.store_kit import event
council = EmbeddedStore(Path(sys.argv[1])).bind("council")
for start in range(0, 100_000, 100):
    try:
        council.write([event(number) for number in range(start, start + 100)])
    except Overloaded as overloaded:
        print(start, overloaded)
        sys.exit(7)
"""


def no_file_over_a_megabyte() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("council/*.db")
    return path


def test_a_full_disk_overloads_and_loses_nothing(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        preexec_fn=no_file_over_a_megabyte,
    )
    kept = int(child.stdout.split()[0])

    with closing(EmbeddedStore(tmp_path)) as store:
        council = store.bind("council")
        assert sorted(numbers(found(council))) == list(range(kept))
        council.write([event(number) for number in range(kept + 100)])
        assert sorted(numbers(found(council))) == list(range(kept + 100))

    assert child.returncode == 7
    assert kept > 0
    assert str(tmp_path) in child.stdout


def test_a_full_disk_that_has_room_again_is_written_on_by_the_same_writer(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        council = store.bind("council")
        council.write([event(1)])
        writer = store.existing(tmp_path / "council", "2026-11")
        assert writer is not None
        pages = writer._one("PRAGMA page_count")
        writer._one(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(Overloaded, match="full"):
            council.write([event(number) for number in range(5000)])

        writer._one("PRAGMA max_page_count = 100000")
        council.write([event(number) for number in range(20)])

        assert sorted(numbers(found(council))) == list(range(20))


def test_a_file_that_is_no_slice_is_named_with_what_to_do(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        store.bind("council").write([event(1)])
    path = only_file(tmp_path)
    path.write_bytes(b"not a database, whatever its name says " * 1000)

    with closing(EmbeddedStore(tmp_path)) as store:
        with pytest.raises(Damaged, match="move it away") as told:
            store.bind("council").count(Filter.parse("n:1"))
        with pytest.raises(Damaged, match="move it away"):
            store.bind("council").write([event(2)])

    assert str(path) in str(told.value)


def test_a_damaged_block_is_named(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        store.bind("council").write([event(number) for number in range(600)])
    with closing(sqlite3.connect(only_file(tmp_path), isolation_level=None)) as database:
        database.execute("UPDATE blocks SET data = x'00'")

    with closing(EmbeddedStore(tmp_path)) as store, pytest.raises(Damaged, match="block 2"):
        found(store.bind("council"))


def test_a_slice_of_another_layout_is_refused(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        store.bind("council").write([event(1)])
    with closing(sqlite3.connect(only_file(tmp_path), isolation_level=None)) as database:
        database.execute("PRAGMA user_version = 99")

    with closing(EmbeddedStore(tmp_path)) as store, pytest.raises(Damaged, match=r"layout 1.*99"):
        found(store.bind("council"))


def test_a_slice_that_was_only_begun_is_empty_and_then_laid_out(tmp_path: Path) -> None:
    folder = tmp_path / "council"
    folder.mkdir()
    (folder / "2026-11.0123abcd.db").touch()

    with closing(EmbeddedStore(tmp_path)) as store:
        council = store.bind("council")
        before = found(council)
        council.write([event(1)])

        assert before == []
        assert numbers(found(council)) == [1]
    assert only_file(tmp_path).name == "2026-11.0123abcd.db"


def test_what_an_interrupted_drop_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        store.bind("council").write([event(1)])
    (tmp_path / "council").rename(tmp_path / ".dropped-council-00000000")

    with closing(EmbeddedStore(tmp_path)) as store:
        assert found(store.bind("council")) == []

    assert not list(tmp_path.iterdir())


def test_more_tenants_than_writers_stay_open_are_all_written(tmp_path: Path) -> None:
    tenants = [f"t{number}x" for number in range(40)]
    with closing(EmbeddedStore(tmp_path)) as store:
        for round_ in range(2):
            for tenant in tenants:
                store.bind(tenant).write([event(round_, tenant=tenant)])

        assert len(store._writers) <= 32
        assert all(len(found(store.bind(tenant))) == 2 for tenant in tenants)


def test_files_can_be_taken_away_while_a_reader_has_them_open(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        council = store.bind("council")
        council.write([event(1)])
        shutil.rmtree(tmp_path / "council")

        assert found(council) == []
