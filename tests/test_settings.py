from __future__ import annotations

from pathlib import Path

import pytest

from imgsearch import settings
from imgsearch.errors import SettingsError


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "config" / "imgsearch" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_each_source_gives_way_to_the_one_before_it(tmp_path: Path, config: Path) -> None:
    sources = [
        (lambda: config.write_text('model = "user"'), "user"),
        (lambda: (tmp_path / "imgsearch.toml").write_text('model = "folder"'), "folder"),
        (lambda: (tmp_path / ".env").write_text("IMGSEARCH_MODEL=dotenv\n"), "dotenv"),
    ]
    assert settings.load({}, {}, tmp_path).setting("model").is_default
    for write, value in sources:
        write()
        found = settings.load({}, {}, tmp_path).setting("model")
        assert found.value == value
        assert not found.is_default
    environment = {"IMGSEARCH_MODEL": "environment"}
    assert settings.load({}, environment, tmp_path).model == "environment"
    found = settings.load({"model": "option"}, environment, tmp_path).setting("model")
    assert (found.value, found.source) == ("option", "--model")


@pytest.mark.parametrize(
    "password", ['with "quotes"', "with 'quote", "hash # sign", "a b", "$HOME ${HOME}", "ends\\n"]
)
def test_a_password_survives_dotenv(tmp_path: Path, config: Path, password: str) -> None:
    quote = '"' if "'" in password else "'"
    (tmp_path / ".env").write_text(f"ES_PASSWORD={quote}{password}{quote}\n")
    assert settings.load({}, {}, tmp_path).es_password == password


def test_the_tutorials_names_are_understood_and_ours_win(tmp_path: Path, config: Path) -> None:
    theirs = {"ES_HOST": "http://theirs:9200", "ES_PWD": "old"}
    found = settings.load({}, theirs, tmp_path)
    assert (found.es_url, found.es_password) == ("http://theirs:9200", "old")
    found = settings.load({}, {**theirs, "ES_URL": "http://ours:9200"}, tmp_path)
    assert found.es_url == "http://ours:9200"


def test_secrets_are_not_shown(tmp_path: Path, config: Path) -> None:
    secret = {"ES_PASSWORD": "geheim", "ES_API_KEY": "k3y", "ES_URL": "https://me:geheim@host:9200"}
    shown = settings.load({}, secret, tmp_path).shown()
    assert shown["es_url"].value == "https://host:9200"
    assert "geheim" not in repr(shown)
    assert "k3y" not in repr(shown)
    assert shown["es_password"].source == "ES_PASSWORD"


@pytest.mark.parametrize(
    ("name", "value"),
    [("k", "0"), ("k", "many"), ("precision", "f16"), ("follow_links", "perhaps"), ("workers", -1)],
)
def test_a_value_that_will_not_do_names_its_source(
    tmp_path: Path, config: Path, name: str, value: object
) -> None:
    variable = f"IMGSEARCH_{name.upper()}"
    with pytest.raises(SettingsError, match=variable):
        settings.load({}, {variable: str(value)}, tmp_path)


def test_an_unknown_key_names_the_nearest(tmp_path: Path, config: Path) -> None:
    config.write_text("workes = 3")
    with pytest.raises(SettingsError) as caught:
        settings.load({}, {}, tmp_path)
    assert "workers" in caught.value.cure
    assert str(config) in caught.value.message


def test_toml_that_is_none_is_an_error_with_its_place(tmp_path: Path, config: Path) -> None:
    config.write_text("model = \n")
    with pytest.raises(SettingsError, match=r"config\.toml"):
        settings.load({}, {}, tmp_path)


def test_lists_come_from_arrays_options_and_commas(tmp_path: Path, config: Path) -> None:
    assert settings.load({}, {"IMGSEARCH_EXCLUDE": "*.gif, tmp"}, tmp_path).exclude == [
        "*.gif",
        "tmp",
    ]
    config.write_text('exclude = ["raw"]')
    assert settings.load({}, {}, tmp_path).exclude == ["raw"]
    assert settings.load({"exclude": ["a", "b"]}, {}, tmp_path).exclude == ["a", "b"]
