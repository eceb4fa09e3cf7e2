from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgsearch import settings
from imgsearch.errors import SettingsError
from imgsearch.output import cures
from imgsearch.settings import folder_files


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
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
    file = folder_files.read(tmp_path, ".env")
    assert file is not None
    folder_files.remember([file], allowed=True)
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
    ("name", "value", "allowed"),
    [
        ("k", "0", "whole number of 1 or more"),
        ("k", "abc", "whole number of 1 or more"),
        ("k", 2.5, "whole number of 1 or more"),
        ("k", True, "whole number of 1 or more"),
        ("workers", -1, "whole number of 1 or more"),
        ("min_score", "nan", "from -1 to 1"),
        ("min_score", "1.5", "from -1 to 1"),
        ("max_megapixels", "inf", "above 0"),
        ("replicas", "two", "auto or a whole number"),
        ("replicas", "-1", "auto or a whole number"),
        ("precision", "f16", "auto, f32, bf16, int8"),
        ("follow_links", "perhaps", "yes or no"),
        ("exclude", 5, "list of texts"),
        ("model", ["a"], "text"),
        ("ssl_assert_fingerprint", "ab:cd", "SHA-256"),
    ],
)
def test_an_invalid_value_is_named_with_its_place_and_what_is_allowed(
    tmp_path: Path, config: Path, name: str, value: object, allowed: str
) -> None:
    config.write_text(f"{name} = {json.dumps(value)}")
    with pytest.raises(SettingsError) as caught:
        settings.load({}, {}, tmp_path)
    for said in (name, str(config), repr(value), allowed):
        assert said in caught.value.message
    if isinstance(value, str):
        variable = f"IMGSEARCH_{name.upper()}"
        with pytest.raises(SettingsError, match=f"Invalid value for {variable}: {value!r}"):
            settings.load({}, {variable: value}, tmp_path)


def test_an_invalid_secret_is_not_repeated(tmp_path: Path, config: Path) -> None:
    config.write_text('es_password = ["geheim"]')
    with pytest.raises(SettingsError) as caught:
        settings.load({}, {}, tmp_path)
    assert "geheim" not in caught.value.message + caught.value.cure


def test_a_fingerprint_is_sha256_with_or_without_colons(tmp_path: Path, config: Path) -> None:
    digits = "0123456789abcdef" * 4
    colons = ":".join(digits[at : at + 2] for at in range(0, 64, 2)).upper()
    for given in (digits, colons):
        found = settings.load({"ssl_assert_fingerprint": given}, {}, tmp_path)
        assert found.ssl_assert_fingerprint == digits
    with pytest.raises(SettingsError) as caught:
        settings.load({"ssl_assert_fingerprint": ":".join(["AB"] * 20)}, {}, tmp_path)
    assert "SHA-1" in caught.value.message
    assert "-sha256" in caught.value.cure


@pytest.mark.parametrize(
    ("variable", "near"), [("IMGSEARCH_KK", "IMGSEARCH_K?"), ("IMGSEARCH_WORKER", "WORKERS?")]
)
def test_a_variable_that_is_no_setting_is_told(
    tmp_path: Path, config: Path, variable: str, near: str
) -> None:
    [note] = settings.load({}, {variable: "3", "PATH": "/bin"}, tmp_path).notes
    assert note.startswith(f"{variable} is not a setting")
    assert near in note
    (tmp_path / ".env").write_text(f"{variable}=3\nOTHER=1\n")
    [note] = settings.load({}, {}, tmp_path).notes
    assert note.startswith(f"{variable} in .env is not a setting")
    [note] = settings.load({}, {"IMGSEARCH_JSON": "1"}, tmp_path).notes[:1]
    assert "imgsearch status lists" in cures.shown(note)


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
