"""What every command takes, before and after the command word, and how a command is declared."""

from __future__ import annotations

import functools
import gc
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

CLUSTER = "Cluster"
SHARED = "Index and models"

OPTIONS: dict[str, Any] = {
    "index": Annotated[
        str | None,
        typer.Option(
            "--index",
            metavar="PATH|NAME|URL",
            help="Where the index lies: a folder, a name, or https://host:9200/name.",
            rich_help_panel=SHARED,
        ),
    ],
    "model": Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="The model pair, or one model for text and images; 'demo' ships with imgsearch.",
            rich_help_panel=SHARED,
        ),
    ],
    "image_model": Annotated[
        str | None,
        typer.Option(
            "--image-model",
            metavar="NAME|DIR",
            help="The image tower alone: a hub name or a sentence-transformers folder.",
            rich_help_panel=SHARED,
        ),
    ],
    "text_model": Annotated[
        str | None,
        typer.Option(
            "--text-model",
            metavar="NAME|DIR",
            help="The text tower alone.",
            rich_help_panel=SHARED,
        ),
    ],
    "trust_model_code": Annotated[
        list[str] | None,
        typer.Option(
            "--trust-model-code",
            metavar="DIR",
            help="Run the Python code that lies in this model folder (repeatable).",
            rich_help_panel=SHARED,
        ),
    ],
    "verbose": Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            help="Say more: skipped files, what was retried (-vv: everything).",
            rich_help_panel=SHARED,
        ),
    ],
    "ca_certs": Annotated[
        str | None,
        typer.Option(
            "--ca-certs",
            metavar="FILE",
            help="CA certificates to trust, besides the system's.",
            rich_help_panel=CLUSTER,
        ),
    ],
    "verify_certs": Annotated[
        bool | None,
        typer.Option(
            "--verify-certs/--no-verify-certs",
            help="Check the cluster's certificate (default: yes).",
            rich_help_panel=CLUSTER,
            show_default=False,
        ),
    ],
    "ssl_assert_fingerprint": Annotated[
        str | None,
        typer.Option(
            "--ssl-assert-fingerprint",
            metavar="SHA256",
            help="Trust the certificate with this SHA-256 fingerprint.",
            rich_help_panel=CLUSTER,
        ),
    ],
}
# what an index on a cluster is created with
Shards = Annotated[
    int | None,
    typer.Option("--shards", min=1, help="Of a new index (default: 1).", rich_help_panel=CLUSTER),
]
Replicas = Annotated[
    str | None,
    typer.Option(
        "--replicas",
        metavar="auto|N",
        help="Of a new index (default: auto, one where there are several nodes).",
        rich_help_panel=CLUSTER,
    ),
]
Quantization = Annotated[
    str | None,
    typer.Option(
        "--quantization",
        metavar="none|int8|int4|bbq",
        help="Of a new index's vectors (default: int8, from Elasticsearch 8.12 on).",
        rich_help_panel=CLUSTER,
    ),
]
SourceVectors = Annotated[
    bool | None,
    typer.Option(
        "--source-vectors",
        help="Keep vectors in a new index's _source, for applications that read them there.",
        rich_help_panel=CLUSTER,
    ),
]

DEFAULTS: dict[str, Any] = dict.fromkeys(OPTIONS) | {"verbose": 0}


@dataclass(frozen=True, slots=True)
class Common:
    """What was given for OPTIONS, before or after the command word; after wins."""

    verbose: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def merged(cls, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Common:
        before = before or DEFAULTS
        later = {name: value for name, value in after.items() if value not in (None, [])}
        options = {**before, **later}
        del options["verbose"]
        return cls(before["verbose"] + after["verbose"], options)


def _parameters(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=annotation
        )
        for name, annotation in options.items()
    ]


_LAST = {SHARED: 1, CLUSTER: 2, "Options": 3}  # headings of a command's help; others before


class Command(TyperCommand):
    """Its help shows options under the headings that `rich_help_panel` names."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            told = parameter.get_help_record(ctx)
            if told is not None:
                usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
                section = getattr(parameter, "rich_help_panel", None) or usual
                sections.setdefault(section, []).append(told)
        for heading in sorted(sections, key=lambda name: _LAST.get(name, 0)):
            with formatter.section(heading):
                formatter.write_dl(sections[heading])


def _declare(function: Callable[..., None], parameters: list[inspect.Parameter]) -> None:
    """Typer reads a command's options from its signature and annotations."""
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    common = _parameters(OPTIONS, DEFAULTS)
    ordered = [context, *(p.replace(kind=p.KEYWORD_ONLY) for p in parameters), *common]
    function.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined] # read by inspect
    function.__annotations__ = {p.name: p.annotation for p in ordered}


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    brief: bool = False,
    more: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None,
    **settings: Any,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declares a function as a command. Its first parameter is `Common`; the rest are its own
    options, to which OPTIONS are added. `brief`: it ends so soon that garbage may lie about.
    `more`: annotations and defaults of further options, whose values come in one dict as the second
    parameter."""
    options, defaults = more or ({}, {})

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())
        own = own[1 if more is None else 2 :] + _parameters(options, defaults)

        @functools.wraps(function)
        def run(ctx: typer.Context, **given: Any) -> None:
            if not brief:
                gc.enable()
            after = {option: given.pop(option) for option in OPTIONS}
            common = Common.merged(ctx.obj, after)
            if more is None:
                function(common, **given)
            else:
                gathered = {option: given.pop(option) for option in options}
                function(common, gathered, **given)

        del run.__wrapped__  # or its signature would win
        _declare(run, own)
        app.command(name, cls=Command, **settings)(run)
        return function

    return decorate


def callback(app: typer.Typer, **settings: Any) -> Callable[[Callable[..., None]], None]:
    """Declares what runs before every command: it keeps OPTIONS for it."""

    def decorate(function: Callable[..., None]) -> None:
        own = list(inspect.signature(function, eval_str=True).parameters.values())

        @functools.wraps(function)
        def run(ctx: typer.Context, **given: Any) -> None:
            ctx.obj = {option: given.pop(option) for option in OPTIONS}
            function(**given)

        del run.__wrapped__
        _declare(run, own)
        app.callback(**settings)(run)

    return decorate
