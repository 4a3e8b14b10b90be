"""Settings: documented whole, strict, and no default that is a secret."""

from pathlib import Path

import pytest
import yaml

from deploy.settings import IN_FORCE, Settings, Unset

EXAMPLE = Path(__file__).parents[2] / "deploy" / "settings.example.yml"


def test_the_example_holds_every_setting_with_its_default() -> None:
    example = Settings.load(EXAMPLE)

    assert example == Settings()
    written = yaml.safe_load(EXAMPLE.read_text("utf-8").replace("# rules:", "rules:"))
    assert _keys(written) == _keys(Settings().model_dump())


def test_an_unknown_key_is_refused_with_its_name(tmp_path: Path) -> None:
    config = tmp_path / "settings.yml"
    config.write_text("prot: 9000\nbus:\n  partition: 3\n")

    with pytest.raises(Unset) as refusal:
        Settings.load(config)

    assert "prot" in str(refusal.value)
    assert "bus.partition" in str(refusal.value)


@pytest.mark.parametrize("text", ["- a list", "port: [", "\x00", "port: 0", "port: high"])
def test_what_is_no_settings_file_gets_a_clear_answer(tmp_path: Path, text: str) -> None:
    config = tmp_path / "settings.yml"
    config.write_text(text)

    with pytest.raises(Unset, match=r"settings\.yml"):
        Settings.load(config)


def test_ports_move_together() -> None:
    settings = Settings(port=9000)

    assert (settings.ingest_port, settings.syslog_port) == (9001, 9010)


def test_commands_beside_a_running_system_find_what_it_was_started_with(tmp_path: Path) -> None:
    (tmp_path / IN_FORCE).write_text(Settings(data=tmp_path, port=9000).dump())
    chosen = tmp_path / "chosen.yml"
    chosen.write_text("port: 9500\n")

    assert Settings.running(data=tmp_path).port == 9000
    assert Settings.running(data=tmp_path, port=9100).port == 9100
    assert Settings.running(chosen, data=tmp_path).port == 9500
    assert Settings.running(data=tmp_path / "other").port == Settings().port
    assert Settings.load(data=tmp_path).port == Settings().port


def _keys(values: dict[str, object], above: str = "") -> set[str]:
    keys: set[str] = set()
    for key, value in values.items():
        name = f"{above}{key}"
        keys |= _keys(value, f"{name}.") if isinstance(value, dict) else {name}
    return keys
