"""Models are files that only this installation can have made."""

from pathlib import Path

import msgspec
import pytest

from collectors.bus.contract import Malformed
from detection.anomaly.artefacts import KEPT, Artefacts, Manifest

KEY = b"k" * 32


def manifest(day: str = "2026-11-24", tenant: str = "council") -> Manifest:
    """What the nightly fit says of a model."""
    return Manifest(
        tenant=tenant,
        profile="windows_security",
        version=f"{day.replace('-', '')}-0a1b2c3d4e5f",
        day=day,
        schema="s",
        windows=400,
        entities=12,
    )


@pytest.fixture
def store(tmp_path: Path) -> Artefacts:
    return Artefacts(tmp_path / "models", KEY)


def path_of(folder: Path, made: Manifest) -> Path:
    return folder / "models" / made.tenant / made.profile / f"{made.version}.model"


def test_a_model_comes_back_as_it_was_saved(store: Artefacts) -> None:
    made = store.save(manifest(), b"content\nwith lines")

    found, content = store.load("council", "windows_security", made.version)

    assert (found, content) == (made, b"content\nwith lines")
    assert made.version.startswith("20261124-")


def test_the_same_content_of_the_same_day_is_the_same_version(store: Artefacts) -> None:
    first, second = store.save(manifest(), b"same"), store.save(manifest(), b"same")

    assert first == second
    assert len(store.versions("council", "windows_security")) == 1


def test_a_model_that_was_changed_is_not_opened(store: Artefacts, tmp_path: Path) -> None:
    made = store.save(manifest(), b"content")
    path = path_of(tmp_path, made)
    path.write_bytes(path.read_bytes().replace(b"content", b"c0ntent"))

    with pytest.raises(Malformed, match="not what was signed"):
        store.load("council", "windows_security", made.version)


def test_a_manifest_that_was_changed_is_not_believed(store: Artefacts, tmp_path: Path) -> None:
    made = store.save(manifest(), b"content")
    path = path_of(tmp_path, made)
    path.write_bytes(path.read_bytes().replace(b'"windows":400', b'"windows":900'))

    with pytest.raises(Malformed, match="not signed by this installation"):
        store.load("council", "windows_security", made.version)


def test_a_model_of_another_installation_is_not_opened(tmp_path: Path) -> None:
    foreign = Artefacts(tmp_path / "models", b"another key").save(manifest(), b"content")

    with pytest.raises(Malformed, match="not signed by this installation"):
        Artefacts(tmp_path / "models", KEY).load("council", "windows_security", foreign.version)


def test_another_tenants_model_is_not_taken_for_ones_own(store: Artefacts, tmp_path: Path) -> None:
    theirs = store.save(manifest(tenant="school"), b"content")
    own = path_of(tmp_path, msgspec.structs.replace(theirs, tenant="council"))
    own.parent.mkdir(parents=True)
    own.write_bytes(path_of(tmp_path, theirs).read_bytes())

    with pytest.raises(Malformed, match="got another's model"):
        store.load("council", "windows_security", theirs.version)


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95.", b"{}\n", b"[1]\nx", b'{"v":1}'])
def test_what_is_no_model_is_refused(store: Artefacts, tmp_path: Path, content: bytes) -> None:
    made = store.save(manifest(), b"content")
    path_of(tmp_path, made).write_bytes(content)

    with pytest.raises(Malformed, match="expected a model's manifest"):
        store.load("council", "windows_security", made.version)


@pytest.mark.parametrize("name", ["../council", "", "a/b", "Council"])
def test_a_name_never_leads_out_of_the_folder(store: Artefacts, name: str) -> None:
    with pytest.raises(Malformed, match="expected a name"):
        store.erase(name)


def test_seven_versions_are_kept_and_always_the_one_in_force(store: Artefacts) -> None:
    made = [store.save(manifest(f"2026-11-{day:02}"), b"%d" % day) for day in range(1, 12)]
    store.put_in_force("council", "windows_security", made[0].version)

    kept = [each.version for each in store.versions("council", "windows_security")]

    assert kept == [each.version for each in reversed(made[-KEPT:])] + [made[0].version]
    assert store.in_force("council", "windows_security") == made[0].version


def test_a_tenant_is_erased_and_the_others_stay(store: Artefacts) -> None:
    store.save(manifest(), b"content")
    theirs = store.save(manifest(tenant="school"), b"content")

    store.erase("council")

    assert list(store.profiles("council")) == []
    assert store.versions("school", "windows_security") == [theirs]
