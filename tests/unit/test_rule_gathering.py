"""Rule files are gathered from folders, archives and repositories, whatever else is in there."""

import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from rules import gathering
from rules.bundle import Bundle, bounded, unpack
from rules.gathering import gather

RULE = b"title: a rule\n"


def archive(path: Path, files: Mapping[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return str(path)


def folder(path: Path, files: Mapping[str, bytes]) -> str:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return str(path)


def git(place: Path, *arguments: str) -> None:
    who = ["-c", "user.name=kim", "-c", "user.email=kim@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=place, check=True, capture_output=True)


def repository(path: Path, files: Mapping[str, bytes]) -> str:
    folder(path, files)
    git(path, "init", "--quiet", "--initial-branch=main")
    git(path, "add", ".")
    git(path, "commit", "--quiet", "-m", "rules")
    return str(path)


MIXED = {
    "rules/windows/one.yml": RULE,
    "rules/windows/one.cases.yml": b"match: []\n",
    "rules/linux/two.yaml": RULE,
    "hunting/three.yml": RULE,
    "README.md": b"about",
    ".github/workflows/build.yml": b"on: push\n",
}
KINDS = {"zip": archive, "folder": folder, "git": repository}


@pytest.mark.parametrize("kind", KINDS)
def test_rule_files_are_found_and_nothing_else(tmp_path: Path, kind: str) -> None:
    found = gather(KINDS[kind](tmp_path / "source", MIXED))

    assert found.files == {
        "rules/windows/one.yml": RULE,
        "rules/linux/two.yaml": RULE,
        "hunting/three.yml": RULE,
    }
    assert found.faults == []


@pytest.mark.parametrize("kind", KINDS)
def test_folders_within_can_be_named(tmp_path: Path, kind: str) -> None:
    source = KINDS[kind](tmp_path / "source", MIXED)

    found = gather(source, only=["rules/linux", "hunting/"])

    assert set(found.files) == {"rules/linux/two.yaml", "hunting/three.yml"}
    with pytest.raises(ValueError, match=r"no rule files .* below rule"):
        gather(source, only=["rule"])


@pytest.mark.parametrize(
    "name", ["../out.yml", "rules/../../out.yml", "/etc/out.yml", "C:/out.yml", "a\\..\\out.yml"]
)
def test_an_archive_with_a_path_that_leads_out_of_it_is_refused(tmp_path: Path, name: str) -> None:
    source = archive(tmp_path / "slip.zip", {"rules/one.yml": RULE, name: RULE})

    with pytest.raises(ValueError, match="leads elsewhere"):
        gather(source)


def test_a_bomb_stops_at_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MAX_BYTES", 3_000_000)
    zeros = bytes(900_000)
    bomb = archive(tmp_path / "bomb.zip", {f"{number}.yml": zeros for number in range(2000)})

    with pytest.raises(ValueError, match="at most 3,000,000 bytes of rules"):
        gather(bomb)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MAX_FILES", 10)
    source = archive(tmp_path / "many.zip", {f"{number}.yml": RULE for number in range(11)})

    with pytest.raises(ValueError, match="at most 10 rule files"):
        gather(source)


def test_a_file_that_is_too_large_is_left_out_alone(tmp_path: Path) -> None:
    source = archive(tmp_path / "large.zip", {"large.yml": bytes(1_048_577), "one.yml": RULE})

    found = gather(source)

    assert set(found.files) == {"one.yml"}
    assert [str(fault) for fault in found.faults] == [
        "large.yml:1: larger than 1,048,576 bytes; split it"
    ]


def test_what_an_archive_claims_of_its_sizes_is_not_believed(tmp_path: Path) -> None:
    path = Path(archive(tmp_path / "liar.zip", {"large.yml": bytes(1_048_577)}))
    data = path.read_bytes().replace((1_048_577).to_bytes(4, "little"), (5).to_bytes(4, "little"))
    path.write_bytes(data)

    with pytest.raises(ValueError, match="can't be read as a ZIP archive"):
        gather(str(path))


def test_links_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "secret.yml").write_bytes(b"secret")
    place = Path(folder(tmp_path / "linked", {"one.yml": RULE}))
    (place / "link.yml").symlink_to(tmp_path / "secret.yml")
    (place / "below").symlink_to(tmp_path)
    link = zipfile.ZipInfo("link.yml")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "linked.zip", "w") as opened:
        opened.writestr(link, "/etc/passwd")
        opened.writestr("one.yml", RULE)

    for source in (place, tmp_path / "linked.zip"):
        found = gather(str(source))

        assert set(found.files) == {"one.yml"}
        assert [fault.path for fault in found.faults] == ["link.yml"]


def test_an_encrypted_entry_is_left_out(tmp_path: Path) -> None:
    path = Path(archive(tmp_path / "locked.zip", {"locked.yml": RULE, "open.yml": RULE}))
    data = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + flags] |= 1
    path.write_bytes(bytes(data))

    found = gather(str(path))

    assert set(found.files) == {"open.yml"}
    assert "encrypted" in found.faults[0].message


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no archive", b"title: a rule\n"])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "rules.zip").write_bytes(data)

    with pytest.raises(ValueError, match="ZIP archive"):
        gather(str(tmp_path / "rules.zip"))


def test_a_branch_and_a_bare_repository_can_be_named(tmp_path: Path) -> None:
    work = Path(repository(tmp_path / "team", {"one.yml": RULE}))
    git(work, "checkout", "--quiet", "-b", "next")
    folder(work, {"two.yml": RULE})
    git(work, "add", ".")
    git(work, "commit", "--quiet", "-m", "more")
    git(tmp_path, "clone", "--quiet", "--bare", str(work), "bare")
    folder(work, {"uncommitted.yml": RULE})

    assert set(gather(str(work)).files) == {"one.yml", "two.yml"}
    assert set(gather(str(work), ref="main").files) == {"one.yml"}
    assert set(gather(str(tmp_path / "bare"), ref="next").files) == {"one.yml", "two.yml"}
    assert set(gather(work.as_uri()).files) == {"one.yml", "two.yml"}
    with pytest.raises(ValueError, match=r"git says: .*nowhere"):
        gather(str(work), ref="nowhere")
    with pytest.raises(ValueError, match="branch or tag"):
        gather(str(work), ref="--upload-pack=touch /tmp/owned")


def test_links_of_a_repository_become_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "secret.yml").write_bytes(b"secret")
    work = Path(folder(tmp_path / "team", {"one.yml": RULE}))
    (work / "link.yml").symlink_to(tmp_path / "secret.yml")
    source = repository(work, {})

    found = gather(source)

    assert b"secret" not in found.files.values()


@pytest.mark.parametrize(
    "source",
    [
        "ext::sh -c 'touch owned'",
        "--upload-pack=touch owned",
        "http://example.org/rules.git",
        "nowhere",
        "file:///nowhere/at all",
    ],
)
def test_what_is_no_source_is_refused_with_what_to_do(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ValueError, match="expected a ZIP archive, a folder, or a Git repository"):
        gather(source)

    assert not (tmp_path / "owned").exists()


def test_passwords_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_GIT", ("git", "-c", "protocol.allow=never"))

    with pytest.raises(ValueError, match="git says") as refused:
        gather("https://kim:hunter2@127.0.0.1:9/rules.git")

    assert "hunter2" not in str(refused.value)


def test_a_bundle_comes_back_as_it_was_packed() -> None:
    bundle = bounded({"rules/b.yml": b"b", "rules/a.yml": b"a\x00\xff"})

    again = unpack(bundle.pack())

    assert again == bundle
    assert again.version == bundle.version


def test_a_version_tells_contents_and_paths_apart() -> None:
    bundles = [{"a": b"bc"}, {"ab": b"c"}, {"a": b"b", "c": b""}, {"a": b"bd"}, {}]

    assert len({Bundle(files).version for files in bundles}) == len(bundles)
    assert Bundle({"a": b"1", "b": b"2"}).version == Bundle({"b": b"2", "a": b"1"}).version


@pytest.mark.parametrize("path", ["../a", "/a", "a/../../b", "", "a//b", "./a", "a\n", "a:b"])
def test_a_bundle_has_no_path_that_leads_out_of_it(path: str) -> None:
    with pytest.raises(ValueError, match="path within"):
        bounded({path: b""})
    with pytest.raises(ValueError, match="path within"):
        unpack(Bundle({path: b""}).pack())


@pytest.mark.parametrize("packed", [b"", b"no bundle", Bundle({"a": b"b"}).pack()[:-3]])
def test_what_is_no_bundle_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match="packed rule set"):
        unpack(packed)


def test_a_bundle_is_written_whole_by_whoever_comes_first(tmp_path: Path) -> None:
    bundle = bounded({"rules/deep/a.yml": b"a"})

    for _ in range(2):
        bundle.write(tmp_path / "sets" / "one")

    assert (tmp_path / "sets" / "one" / "rules" / "deep" / "a.yml").read_bytes() == b"a"
    assert [each.name for each in (tmp_path / "sets").iterdir()] == ["one"]


def test_progress_is_told(tmp_path: Path) -> None:
    seen: list[int] = []

    gather(folder(tmp_path, MIXED), seen=seen.append)

    assert seen == [1, 2, 3]
