"""Settings: option > environment > `.env` in the working directory > `imgsearch.toml` there or the
user's `config.toml` > default. Each value knows where it came from; nothing is read at import.

The command line, the environment and `config.toml` are the user's. The files of the working
directory may be a stranger's: without the user's permission they set only what is harmless, so that
no secret goes to an address that they name, and no check of TLS is weakened by them."""

from __future__ import annotations

import difflib
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from imgsearch import paths
from imgsearch.dataclass import dataclass
from imgsearch.errors import Action, Advice, SettingsError
from imgsearch.settings import folder_files
from imgsearch.settings.folder_files import FolderFile, Permission
from imgsearch.settings.options import Option
from imgsearch.settings.table import KNOWN, Setting, Values

_PREFIX = "IMGSEARCH_"


@dataclass(frozen=True, slots=True)
class NotObeyed:
    """What a file of the working directory asks for and does not get. `settings` as they may be
    shown, empty where the file could not be read."""

    file: FolderFile
    settings: Mapping[str, Setting]
    permission: Permission

    @property
    def why(self) -> str:
        return self.file.fault or {
            "changed": "the file has changed since you allowed it",
            "refused": "you refused this file",
        }.get(self.permission, "a file of the working folder sets these only once you allow it")

    @property
    def cure(self) -> str:
        if self.file.fault:
            return "Correct that, or set the values in the environment or in your config.toml."
        folder = shlex.quote(paths.shown(self.file.path.parent))
        return Advice("To allow this very file", Action("allow a file", {"folder": folder}))

    @property
    def pending(self) -> bool:
        """The user has not answered for this content yet."""
        return not self.file.fault and self.permission != "refused"

    @property
    def message(self) -> str:
        names = ", ".join(self.settings) or "everything in it"
        return f"Not obeyed: {names} in {paths.shown(self.file.path)}: {self.why}."

    @property
    def line(self) -> str:
        """Message and cure in one."""
        line = f"{self.message} {self.cure}"
        return Advice(line, self.cure.action) if isinstance(self.cure, Advice) else line


class Settings(Values):
    """All settings, by attribute: `settings.index`; `settings.setting("index").source`.
    `notes`: what the user should hear. `not_obeyed`: what files of the folder may not set."""

    def __init__(
        self,
        values: Mapping[str, Setting],
        notes: Iterable[str] = (),
        not_obeyed: Iterable[NotObeyed] = (),
    ) -> None:
        super().__init__(**{name: setting.value for name, setting in values.items()})
        self._values = dict(values)
        self.notes = list(notes)
        self.not_obeyed = list(not_obeyed)

    def setting(self, name: str) -> Setting:
        return self._values[name]

    def secrets(self) -> Iterator[str]:
        """All values that no message may repeat, including passwords within URLs."""
        for name, setting in self._values.items():
            if KNOWN[name].secret and setting.value:
                yield setting.value
            elif name in ("es_url", "index") and "@" in str(setting.value):
                yield from paths.passwords_in(setting.value)

    def shown(self) -> dict[str, Setting]:
        """Every setting for `status`, with secrets hidden."""
        return {name: _showable(name, setting) for name, setting in self._values.items()}


def _showable(name: str, setting: Setting) -> Setting:
    if KNOWN[name].secret and setting.value is not None:
        return Setting("(set)", setting.source)
    if name in ("es_url", "index") and isinstance(setting.value, str):
        return Setting(paths.without_credentials(setting.value), setting.source)
    return setting


def load(
    options: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
    working_directory: Path | None = None,
) -> Settings:
    """`options`: what the command line gave; None and empty sequences count as not given.
    Raises SettingsError, naming the source."""
    environment = os.environ if environment is None else environment
    directory = Path.cwd() if working_directory is None else working_directory
    users = [_from_options(options), _from_environment(environment, "")]
    notes = _unknown_names(environment, "")
    sources: list[Mapping[str, Setting]] = [*users]
    not_obeyed = []
    for name in folder_files.NAMES:
        file = folder_files.read(directory, name)
        if file is None:
            continue
        obeyed, refused = _permitted(file, directory, notes)
        sources.append(obeyed)
        if refused is not None:
            not_obeyed.append(refused)
    sources.append(_from_config(paths.config_file()))
    in_vain = set().union(*users)  # the user's own word outranks the file anyway
    return Settings(
        {name: _first(name, known, sources) for name, known in KNOWN.items()},
        notes,
        [each for each in not_obeyed if each.file.fault or set(each.settings) - in_vain],
    )


def _permitted(
    file: FolderFile, directory: Path, notes: list[str]
) -> tuple[Mapping[str, Setting], NotObeyed | None]:
    """The settings of a file that may be obeyed, and the others."""
    if file.fault:
        found = {} if not file.text else _in_file(file, [])
        refused = NotObeyed(file, _to_show(found), "unknown")
        return {}, refused if found or not file.text else None
    found = _in_file(file, notes)
    withheld = _guarded(found, directory)
    permission = folder_files.permission(file)
    if not withheld or permission == "allowed":
        return found, None
    obeyed = {name: setting for name, setting in found.items() if name not in withheld}
    return obeyed, NotObeyed(file, _to_show(withheld), permission)


def guarded(file: FolderFile, directory: Path) -> dict[str, Setting]:
    """What a file of the directory may set only with the user's permission, secrets hidden.
    Raises SettingsError."""
    return _to_show(_guarded(_in_file(file, []), directory))


def _guarded(found: Mapping[str, Setting], directory: Path) -> dict[str, Setting]:
    return {
        name: setting
        for name, setting in found.items()
        if not KNOWN[name].harmless(setting.value, directory)
    }


def _to_show(found: Mapping[str, Setting]) -> dict[str, Setting]:
    return {name: _showable(name, setting) for name, setting in found.items()}


def _in_file(file: FolderFile, notes: list[str]) -> dict[str, Setting]:
    """All settings of a file of the working directory, as they are written there.
    Raises SettingsError."""
    if file.path.name != ".env":
        return _from_toml(file.text, file.path)
    variables = _parse_dotenv(file.text)
    notes += _unknown_names(variables, " in .env")
    return _from_environment(variables, " in .env")


def defaults(**options: Any) -> Settings:
    """The defaults, with some values set: what `imgsearch demo` runs on, whatever the user set."""
    given = _from_options(options)
    return Settings({name: _first(name, known, [given]) for name, known in KNOWN.items()})


def _first(name: str, known: Option, sources: Iterable[Mapping[str, Setting]]) -> Setting:
    for source in sources:
        if name in source:
            given = source[name]
            try:
                return Setting(known.parse(given.value), given.source)
            except ValueError as error:
                raise _invalid(known, given, error) from None
    return Setting(known.default, "default")


def _invalid(known: Option, given: Setting, error: ValueError) -> SettingsError:
    return SettingsError(*invalid(known, given.source, given.value, error))


def invalid(known: Option, source: str, value: Any, error: ValueError) -> tuple[str, str]:
    """The message and the cure for a value that `known.parse` refused."""
    shown = repr(value)
    shown = "its value" if known.secret else shown if len(shown) <= 80 else f"{shown[:80]}…"
    default = "" if known.default in (None, (), [], False) else f" (default: {known.default})"
    return (
        f"Invalid value for {source}: {shown} is {error}.",
        f"{known.cure}, or leave it out{default}.",
    )


def _from_options(options: Mapping[str, Any]) -> dict[str, Setting]:
    unknown = next((name for name in options if name not in KNOWN), None)
    if unknown is not None:
        near = _nearest(unknown)
        raise SettingsError(
            f"There is no setting {unknown!r}.",
            f"Did you mean {near!r}?" if near else f"Known: {', '.join(KNOWN)}.",
        )
    return {
        name: Setting(value, KNOWN[name].flags[-1] if KNOWN[name].flags else name)
        for name, value in options.items()
        if value is not None and value not in ((), [])
    }


def _from_environment(environment: Mapping[str, str | None], suffix: str) -> dict[str, Setting]:
    found = {}
    for name, known in KNOWN.items():
        for variable in (f"{_PREFIX}{name.upper()}", *known.environment):
            value = environment.get(variable)
            if value:
                found[name] = Setting(value, variable + suffix)
                break
    return found


def _unknown_names(environment: Iterable[str], suffix: str) -> list[str]:
    """A note for each variable that looks like a setting of ours and is none."""
    notes = []
    for variable in environment:
        name = variable.removeprefix(_PREFIX).lower()
        if variable.startswith(_PREFIX) and name not in KNOWN:
            near = _nearest(name)
            told = f"{paths.shown(variable)}{suffix} is not a setting."
            meant = f"{told} Did you mean {_PREFIX}{(near or '').upper()}?"
            notes.append(meant if near else Advice(told, Action("list settings")))
    return notes


def _nearest(name: str) -> str | None:
    return next(iter(difflib.get_close_matches(name, KNOWN, n=1)), None)


def _parse_dotenv(content: str) -> dict[str, str | None]:
    import io

    from dotenv import dotenv_values

    # no interpolation: a `$` in a password is a `$`
    return dict(dotenv_values(stream=io.StringIO(content), interpolate=False))


def _from_config(path: Path) -> dict[str, Setting]:
    """The settings of the user's own configuration file."""
    try:
        content = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SettingsError(
            f"{paths.shown(path)} cannot be read: {error.strerror}.",
            "Correct its permissions, or remove the file.",
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(
            f"{paths.shown(path)} is not UTF-8 text.", "Save it as UTF-8, or remove the file."
        ) from None
    return _from_toml(content, path)


def _from_toml(content: str, path: Path) -> dict[str, Setting]:
    found = {}
    for key, value in _parse_toml(content, path).items():
        name = key.replace("-", "_").lower()
        if name not in KNOWN:
            near = _nearest(name)
            raise SettingsError(
                f"{paths.shown(path)}: there is no setting {key!r}.",
                f"Did you mean {near!r}?" if near else f"Known: {', '.join(KNOWN)}.",
            )
        found[name] = Setting(value, f"{name} in {paths.shown(path)}")
    return found


def _parse_toml(content: str, path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        found: dict[str, Any] = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{paths.shown(path)} is not valid TOML: {error}.", "Correct that line."
        ) from None
    except RecursionError:
        raise SettingsError(
            f"{paths.shown(path)} is not valid TOML: nested too deeply.", "Correct the file."
        ) from None
    return found
