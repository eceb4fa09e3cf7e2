"""Settings: option > environment > `.env` in the working directory > `imgsearch.toml` there or the
user's `config.toml` > default. Each value knows where it came from; nothing is read at import."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgsearch import places
from imgsearch.errors import SettingsError

Parse = Callable[[Any], Any]


def _text(value: Any) -> str:
    return str(value)


def _flag(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    try:
        return words[str(value).strip().lower()]
    except KeyError:
        raise ValueError("neither yes nor no") from None


def _positive(number: Callable[[Any], Any]) -> Parse:
    def parse(value: Any) -> Any:
        parsed = number(value)
        if not parsed > 0:
            raise ValueError("not above zero")
        return parsed

    return parse


def _list(value: Any) -> list[str]:
    """A TOML array, an option given several times, or comma-separated text."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return [str(item) for item in value]


def _one_of(*words: str) -> Parse:
    def parse(value: Any) -> str:
        if str(value) not in words:
            raise ValueError(f"not one of {', '.join(words)}")
        return str(value)

    return parse


@dataclass(frozen=True, slots=True)
class Known:
    """A setting that exists. `environment`: names beside IMGSEARCH_<NAME>, the first one wins."""

    parse: Parse
    default: Any
    environment: tuple[str, ...] = ()
    secret: bool = False


KNOWN: dict[str, Known] = {
    "index": Known(_text, None),
    "model": Known(_text, None),
    "image_model": Known(_text, None),
    "text_model": Known(_text, None),
    "precision": Known(_one_of("auto", "f32", "bf16", "int8"), "auto"),
    "k": Known(_positive(int), 10),
    "min_score": Known(float, None),
    "exclude": Known(_list, []),
    "follow_links": Known(_flag, False),
    "max_megapixels": Known(_positive(float), 250.0),
    "batch_size": Known(_positive(int), None),
    "workers": Known(_positive(int), None),
    # the cluster
    "es_url": Known(_text, None, ("ES_URL", "ES_HOST")),
    "es_api_key": Known(_text, None, ("ES_API_KEY",), secret=True),
    "es_user": Known(_text, None, ("ES_USER",)),
    "es_password": Known(_text, None, ("ES_PASSWORD", "ES_PWD"), secret=True),
    "es_cloud_id": Known(_text, None, ("ES_CLOUD_ID",)),
    "ca_certs": Known(_text, None, ("ES_CA_CERTS",)),
    "verify_certs": Known(_flag, True, ("ES_VERIFY_CERTS",)),
    "ssl_assert_fingerprint": Known(_text, None, ("ES_SSL_ASSERT_FINGERPRINT",)),
    "shards": Known(_positive(int), 1),
    "replicas": Known(_text, "auto"),
    "quantization": Known(_one_of("none", "int8", "int4", "bbq"), None),
    "source_vectors": Known(_flag, False),
    "num_candidates": Known(_positive(int), None),
    "text_encoder": Known(_one_of("auto", "local", "cluster"), "auto"),
    "model_id": Known(_text, None),
}


@dataclass(frozen=True, slots=True)
class Setting:
    value: Any
    source: str  # "--index", "IMGSEARCH_INDEX", "IMGSEARCH_INDEX in .env", "imgsearch.toml", …

    @property
    def is_default(self) -> bool:
        return self.source == "default"


class Settings:
    """All settings, by attribute: `settings.index`; `settings.setting("index").source`."""

    def __init__(self, values: Mapping[str, Setting]) -> None:
        self._values = dict(values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name].value
        except KeyError:
            raise AttributeError(name) from None

    def setting(self, name: str) -> Setting:
        return self._values[name]

    def shown(self) -> dict[str, Setting]:
        """For `status`: every setting, a secret's value hidden."""
        return {name: _harmless(name, setting) for name, setting in self._values.items()}


def _harmless(name: str, setting: Setting) -> Setting:
    if KNOWN[name].secret and setting.value is not None:
        return Setting("(set)", setting.source)
    if isinstance(setting.value, str) and "://" in setting.value:
        return Setting(places.without_credentials(setting.value), setting.source)
    return setting


def load(
    options: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
    working_directory: Path | None = None,
) -> Settings:
    """`options`: what the command line gave; None and empty lists count as not given.
    Raises SettingsError, naming the source."""
    environment = os.environ if environment is None else environment
    directory = Path.cwd() if working_directory is None else working_directory
    sources = [
        _from_options(options),
        _from_environment(environment, ""),
        _from_environment(_read_dotenv(directory / ".env"), " in .env"),
        _from_toml(directory / "imgsearch.toml"),
        _from_toml(places.config_file()),
    ]
    return Settings({name: _first(name, known, sources) for name, known in KNOWN.items()})


def defaults(**options: Any) -> Settings:
    """The defaults, with some values set: what `imgsearch demo` runs on, whatever the user set."""
    given = _from_options(options)
    return Settings({name: _first(name, known, [given]) for name, known in KNOWN.items()})


def _first(name: str, known: Known, sources: Iterable[Mapping[str, Setting]]) -> Setting:
    for source in sources:
        if name in source:
            given = source[name]
            try:
                return Setting(known.parse(given.value), given.source)
            except (TypeError, ValueError) as error:
                shown = "its value" if known.secret else repr(given.value)
                raise SettingsError(
                    f"{given.source}: {shown} will not do for {name.replace('_', '-')}: {error}.",
                    f"Correct it, or leave it out (default: {known.default}).",
                ) from None
    return Setting(known.default, "default")


def _from_options(options: Mapping[str, Any]) -> dict[str, Setting]:
    return {
        name: Setting(value, f"--{name.replace('_', '-')}")
        for name, value in options.items()
        if value is not None and value != []
    }


def _from_environment(environment: Mapping[str, str | None], suffix: str) -> dict[str, Setting]:
    found = {}
    for name, known in KNOWN.items():
        for variable in (f"IMGSEARCH_{name.upper()}", *known.environment):
            value = environment.get(variable)
            if value:
                found[name] = Setting(value, variable + suffix)
                break
    return found


def _read_dotenv(path: Path) -> dict[str, str | None]:
    try:
        if not path.is_file():
            return {}
        from dotenv import dotenv_values

        # no interpolation: a `$` in a password is a `$`
        return dict(dotenv_values(path, interpolate=False))
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> SettingsError:
    return SettingsError(f"{path} cannot be read: {error}.", "Mend or remove the file.")


def _from_toml(path: Path) -> dict[str, Setting]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None
    found = {}
    for key, value in _parse_toml(text, path).items():
        name = key.replace("-", "_").lower()
        if name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, n=1)
            raise SettingsError(
                f"{path}: there is no setting {key!r}.",
                f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(KNOWN)}.",
            )
        found[name] = Setting(value, str(path))
    return found


def _parse_toml(text: str, path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        found: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.", "Mend that line.") from None
    return found
