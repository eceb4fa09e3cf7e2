"""Makes commands of functions, and the program of commands: Typer parses, and what it parses comes
from the declarations in classes (see settings/options.py)."""

from __future__ import annotations

import gc
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar, cast

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from imgsearch.cli import help_text, hints
from imgsearch.cli.error_handler import reporting, say, say_usage
from imgsearch.cli.options import INDEX_AND_MODELS, OFFERED, Common
from imgsearch.errors import (
    EXIT_FAILURE,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_USAGE,
    ImgsearchError,
    UsageError,
)
from imgsearch.output import cures
from imgsearch.settings import invalid
from imgsearch.settings.options import Option, declared

Given = TypeVar("Given")
# what Typer raises for words that it does not understand; it exports only this subclass
UsageProblem = cast("type[Exception]", typer.BadParameter.__base__)

COMMANDS: dict[str, Command] = {}  # those whose modules were imported


def command(
    name: str,
    own: type[Given],
    shared: Iterable[str] = (),
    *,
    examples: Sequence[str],
    brief: bool = False,
) -> Callable[[Callable[[Common, Given], None]], Callable[[Common, Given], None]]:
    """Declares a function as a command. `own`: its arguments and options, of which it gets an
    object; `shared`: which of OFFERED it takes besides. `brief`: it takes so short a time that
    neither a garbage collection nor a second thread of NumPy's pays."""

    def decorate(function: Callable[[Common, Given], None]) -> Callable[[Common, Given], None]:
        COMMANDS[name] = Command(name, function, own, shared, examples, brief=brief)
        return function

    return decorate


class Command(TyperCommand):
    def __init__(
        self,
        name: str,
        function: Callable[[Common, Any], None],
        own: type,
        shared: Iterable[str],
        examples: Sequence[str],
        *,
        brief: bool,
    ) -> None:
        self.own = declared(own)
        self.shared = {option: OFFERED[option] for option in shared}
        self.examples = examples
        self.declared = _by_heading([*self.own.values()], [*self.shared.values()])
        super().__init__(
            name,
            params=[parameter(each) for each in self.declared],
            help=inspect.cleandoc(function.__doc__ or ""),
            short_help=help_text.summary(function.__doc__),
            context_settings={"help_option_names": ["-h", "--help"]},
            rich_markup_mode=None,
        )
        self._function, self._own_class, self._brief = function, own, brief

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest: list[str] = super().parse_args(ctx, list(_with_values(args, self.declared)))
        return rest

    def invoke(self, ctx: typer.Context) -> None:  # type: ignore[override] # Typer hides the type
        if self._brief:
            # NumPy's threads take 80 ms of processor time, waiting for work that never comes.
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        else:
            gc.enable()
        before = {} if ctx.parent is None else ctx.parent.params
        common = _common(str(self.name), self.shared, before, ctx.params)
        given = {name: _parsed(option, ctx.params[name]) for name, option in self.own.items()}
        hints.remember(common.options)
        try:
            self._function(common, self._own_class(**given))
        except ImgsearchError as error:
            error.cure = hints.as_typed(cures.of(error))
            error.action = None  # the cure says it now
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        help_text.write(self, ctx, formatter)


def _with_values(args: Sequence[str], options: Iterable[Option]) -> Iterator[str]:
    """Options that need no value get theirs: `--preview "red car"` becomes `--preview=auto
    "red car"`, and `--preview blocks` stays."""
    lonely = {flag: option for option in options if option.alone for flag in option.flags}
    for position, word in enumerate(args):
        if word == "--":
            yield from args[position:]
            return
        option = lonely.get(word)
        following = "".join(args[position + 1 : position + 2])
        is_alone = option is not None and following not in option.choices
        yield f"{word}={option.alone}" if option and is_alone else word


def _by_heading(own: list[Option], shared: list[Option]) -> list[Option]:
    """Headings as the command's own options have them; under each, settings come first."""
    headings = dict.fromkeys(option.heading for option in [*own, *shared])
    return [
        option for heading in headings for option in [*shared, *own] if option.heading == heading
    ]


def _common(
    command: str, shared: Mapping[str, Option], before: Mapping[str, Any], after: Mapping[str, Any]
) -> Common:
    """Raises UsageError for an option before the command word that the command does not take."""
    for name, value in before.items():
        if name in OFFERED and name not in shared and name != "verbose" and value not in (None, ()):
            raise UsageError(
                f"{OFFERED[name].flags[-1]} does not go with imgsearch {command}.",
                f"imgsearch {command} --help lists its options.",
            )
    given = {name: value for name, value in before.items() if value not in (None, ())}
    given |= {name: after[name] for name in shared if after[name] not in (None, ())}
    verbose = before.get("verbose", 0) + after.get("verbose", 0)
    trusted = (*(before.get("trust_model_code") or ()), *(after.get("trust_model_code") or ()))
    settings = {name: given[name] for name in shared if name in given}
    settings.pop("verbose", None)
    settings.pop("trust_model_code", None)
    return Common(verbose, trusted, settings)


def _parsed(option: Option, raw: Any) -> Any:
    """The value of an option, parsed from what was typed. Raises UsageError."""
    if raw is None:
        return option.default
    if option.kind in ("flag", "count"):
        return raw
    if option.kind in ("several", "arguments"):
        return tuple(_value(option, each) for each in raw)
    return _value(option, raw)


def _value(option: Option, raw: str) -> Any:
    try:
        return option.parse(raw)
    except ValueError as error:
        name = option.flags[-1] if option.flags else option.spelling
        raise UsageError(*invalid(option, name, raw, error)) from None


class _Argument(TyperArgument):
    def __init__(self, option: Option, **settings: Any) -> None:
        super().__init__(**settings)
        self._option = option

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        from imgsearch.cli import completion

        return completion.offered(self._option, incomplete)


class _Option(TyperOption):
    def __init__(self, option: Option, **settings: Any) -> None:
        super().__init__(**settings)
        self._option = option

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        from imgsearch.cli import completion

        return completion.offered(self._option, incomplete)


def parameter(option: Option) -> TyperArgument | TyperOption:
    """Typer's form of a declaration. Values stay text: `parse` reads them."""
    if option.kind in ("argument", "arguments"):
        return _Argument(
            option,
            param_decls=[option.name],
            type=str,
            nargs=1 if option.kind == "argument" else -1,
            required=not option.spelling.startswith("["),
            metavar=option.spelling,
            help=option.help,
        )
    flags = option.flags
    if option.negation:
        flags = (*flags[:-1], f"{flags[-1]}/{option.negation}")
    is_flag, is_count = option.kind == "flag", option.kind == "count"
    return _Option(
        option,
        param_decls=[option.name, *flags],
        type=None if is_flag or is_count else str,
        default=0 if is_count else False if is_flag and not option.negation else None,
        is_flag=is_flag or None,
        count=is_count,
        multiple=option.kind == "several",
        metavar=option.metavar or None,
        help=option.help,
    )


def version_option() -> TyperOption:
    def say_version(ctx: typer.Context, parameter: object, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            from imgsearch import __version__

            typer.echo(f"imgsearch {__version__}")
            raise typer.Exit

    return TyperOption(
        param_decls=["--version"],
        is_flag=True,
        default=False,
        callback=say_version,
        is_eager=True,
        expose_value=False,
        help="Print the version.",
    )


def _install_completion(ctx: Any, parameter: Any, wanted: Any) -> None:
    if wanted and not ctx.resilient_parsing:
        from imgsearch.cli import completion

        completion.install()


class Program(TyperGroup):
    """All commands. The module of one is imported when it is asked for, because declaring all takes
    a tenth of a query's time."""

    modules: Mapping[str, str] = {}  # where each command is declared, in the order of the help

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"callback": None})  # what was parsed stays in the context
        self.declared = [OFFERED[name] for name in INDEX_AND_MODELS]
        self.params += [version_option(), *(parameter(option) for option in self.declared)]

    def get_params(self, ctx: Any) -> Any:
        params = super().get_params(ctx)
        for each in params:
            if "--install-completion" in each.opts:  # Typer adds it after all
                each.callback = _install_completion
        return params

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.modules)

    def get_command(self, ctx: Any, cmd_name: str) -> Command | None:
        if cmd_name in self.modules and cmd_name not in COMMANDS:
            import_module(f"imgsearch.cli.commands.{self.modules[cmd_name]}")
        return COMMANDS.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in self.modules or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from imgsearch.cli import suggestions

        raise suggestions.unknown_command(args, list(self.modules))

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override] # Typer hides the type
        with reporting():
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        help_text.write_overview(self, ctx, formatter)

    def main(self, *args: Any, **extra: Any) -> Any:
        if not extra.setdefault("standalone_mode", True):
            return super().main(*args, **extra)
        try:
            with reporting():  # the help is written before a command is invoked
                code = super().main(*args, **{**extra, "standalone_mode": False})
        except typer.Exit as error:
            code = error.exit_code
        except typer.Abort as error:  # at a question; Typer hides which it was
            interrupted = isinstance(error.__context__, KeyboardInterrupt)
            code = EXIT_INTERRUPTED if interrupted else EXIT_FAILURE
            say("Interrupted." if interrupted else "Aborted.")
        except UsageProblem as error:
            say_usage(error)
            code = EXIT_USAGE
        sys.exit(code or EXIT_OK)
