"""What `imgsearch ingest` says at its end: what is in the index now, what changed, what is next."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from imgsearch.cli.error_handler import say
from imgsearch.dataclass import dataclass
from imgsearch.output import cures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgsearch.cli.options import Common
    from imgsearch.ingest.cost import Cost
    from imgsearch.ingest.result import Result
    from imgsearch.library import Library
    from imgsearch.photos import Skip

MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds
NAMED_AT_ONCE = 5  # skipped files that are named without -v
CHANGES = ("added", "updated", "renamed", "removed", "excluded", "missing")
WORTH_TELLING = 1.0  # seconds until the model is ready


@dataclass(frozen=True, slots=True)
class Filled:
    """An index after an ingest. `seconds`: of the clock, from the command's start. `by_demo`: its
    model is the small one that ships with imgsearch."""

    place: str
    photos: int
    libraries: Mapping[str, int]  # photos of each
    seconds: float
    by_demo: bool = False

    @classmethod
    def of(cls, library: Library, seconds: float) -> Filled:
        libraries = {name: each.photos for name, each in library.index.libraries().items()}
        recorded = library.index.models()
        by_demo = recorded is not None and recorded.image_model.name == "demo"
        return cls(library.index.place, library.count(), libraries, seconds, by_demo)

    def as_dict(self, *, dry_run: bool) -> dict[str, Any]:
        """For programs."""
        from datetime import datetime

        return {
            "index": self.place,
            "photos": self.photos,
            "libraries": [
                {"name": name, "photos": count} for name, count in self.libraries.items()
            ],
            "dry_run": dry_run,
            "finished": datetime.now().astimezone().isoformat(timespec="seconds"),
            "took": round(self.seconds, 3),
        }


def show(result: Result, filled: Filled, common: Common, *, dry_run: bool) -> None:
    from imgsearch.escaping import shown
    from imgsearch.output import console as rendering

    verbose = common.verbose
    if verbose:
        for lost in result.lost:
            say(f"lost {shown(lost.path)}: {lost.reason}")
    named = result.skipped if verbose else _worth_naming(result)
    if verbose or len(named) <= NAMED_AT_ONCE:
        for skip in named:
            say(f"skipped {shown(skip.path)}: {skip.reason.value} ({cures.shown(skip.detail)})")
    if verbose or len(result.incomplete) <= NAMED_AT_ONCE:
        for one in result.incomplete:
            say(f"incomplete {shown(one.path)}: {one.reason.value} ({cures.shown(one.detail)})")
    if verbose or dry_run:
        would = {"removed": "would remove", "excluded": "would exclude"} if dry_run else {}
        for what, path in sorted(result.gone):
            say(f"{would.get(what, what)} {shown(path)}")
    title = "Dry run: nothing was changed" if dry_run else "Ingested"
    facts = _facts(result, filled, dry_run=dry_run, verbose=verbose)
    rendering.print_facts(title, facts)
    for line in _next_steps(result, filled, dry_run=dry_run, verbose=verbose):
        say(line)


def _facts(result: Result, filled: Filled, *, dry_run: bool, verbose: int) -> dict[str, str]:
    from imgsearch.ingest.not_re_embedded import by_reason
    from imgsearch.output.console import count

    facts = {}
    if not dry_run:
        facts["index"] = f"{count(filled.photos, 'photo')} in {filled.place}"
        if len(filled.libraries) > 1:
            facts["libraries"] = ", ".join(
                f"{name} {photos:,}" for name, photos in filled.libraries.items()
            )
    facts |= facts_of_changes(result, dry_run=dry_run)
    if result.looked_through:
        facts["parts"] = f"of {result.looked_through:,} photos that were there before"
    if result.left_out:
        were = "was" if result.left_out == 1 else "were"
        facts["left out"] = f"{result.left_out:,} that {were} removed before"
    if result.joined:
        facts["joined"] = (
            f"{result.joined:,} RAW files or short films, each one photo with its JPEG or HEIC"
        )
    passed_over = _passed_over(result)
    if passed_over:
        facts["passed over"] = passed_over
    if result.skipped:
        reasons = Counter(skip.reason.value for skip in result.skipped)
        each = ", ".join(f"{reason}: {number:,}" for reason, number in reasons.most_common())
        facts["skipped"] = f"{len(result.skipped):,} ({each})"
    if result.incomplete:
        files = count(len(result.incomplete), "file")
        facts["incomplete"] = f"{files} without the pages that cannot be decoded"
    if result.lost:
        reasons_of_lost = by_reason(result.lost)
        were = "was" if len(result.lost) == 1 else "were"
        facts["lost"] = f"{len(result.lost):,} that {were} in the index ({reasons_of_lost})"
    facts["took"] = _took(result.embedded, filled.seconds, result.seconds.get("model", 0.0))
    if verbose:
        stages = ", ".join(f"{stage} {spent:.1f}" for stage, spent in result.seconds.items())
        facts["seconds of work"] = f"{stages} (added up over threads)"
    return facts


def facts_of_changes(result: Result, *, dry_run: bool = False) -> dict[str, str]:
    """How many photos changed, and how many did not."""
    changes = [f"{getattr(result, name):,} {name}" for name in CHANGES if getattr(result, name)]
    facts = {"would change" if dry_run else "changed": ", ".join(changes) or "nothing"}
    if result.unchanged:
        facts["unchanged"] = f"{result.unchanged:,}"
    return facts


def _passed_over(result: Result) -> str:
    from imgsearch.output.console import count

    told = []
    if result.films:
        told.append(f"{count(result.films, 'film')} (--films takes films in)")
    if result.documents:
        told.append(f"{count(result.documents, 'file')} without pixels (SVG, PDF and the like)")
    return ", ".join(told)


def _took(embedded: int, seconds: float, model: float) -> str:
    """`seconds`: of all; `model`: of these, until the model was ready, which is no matter of how
    many photos there are."""
    took = f"{seconds:.1f} s"
    if model >= WORTH_TELLING:
        took += f" ({model:.1f} s until the model was ready)"
    rest = seconds - model
    return f"{took}, {embedded / rest:,.1f} photos/s embedded" if embedded and rest > 0 else took


def _next_steps(result: Result, filled: Filled, *, dry_run: bool, verbose: int) -> list[str]:
    from imgsearch.photos import SkipReason

    steps = []
    if len(_worth_naming(result)) > NAMED_AT_ONCE and not verbose:
        steps.append("-v names the skipped files.")
    if len(result.incomplete) > NAMED_AT_ONCE and not verbose:
        steps.append("-v names the pages that are left out.")
    unread = sum(skip.reason is SkipReason.NOT_INSTALLED for skip in result.skipped)
    if unread:
        steps.append(_of_unread_films(unread))
    if result.lost:
        steps.append(
            "Lost photos could not be embedded anew and are not in the index any more; ingest takes"
            " them in once they can be read again."
        )
    if result.described:
        steps.append(_of_described(result.described))
    if result.left_out:
        steps.append("--include-removed takes removed photos in again.")
    if result.missing:
        steps.append("Missing photos stay in the index, marked so, until --prune.")
    if result.added and not dry_run and filled.photos == result.added:
        if filled.by_demo:
            steps.append("The demo's small model knows icons, and finds few things in photos.")
        steps.append('Now search: imgsearch query "a red car"')
    return steps


def _worth_naming(result: Result) -> list[Skip]:
    """What was skipped but for films that lack a package: those are told as a number."""
    from imgsearch.photos import SkipReason

    return [skip for skip in result.skipped if skip.reason is not SkipReason.NOT_INSTALLED]


def _of_unread_films(number: int) -> str:
    from imgsearch.installation import extra_command
    from imgsearch.output.console import count

    was = "was" if number == 1 else "were"
    return f"{count(number, 'film')} {was} not read. To read films: {extra_command('video')}"


def _of_described(count: int) -> str:
    photos = "1 unchanged photo" if count == 1 else f"{count:,} unchanged photos"
    return f"What {photos} say of themselves was read again; nothing was embedded for that."


def of_cost(cost: Cost) -> str:
    """What embedding everything anew costs, in two or three sentences."""
    from imgsearch.output.console import count, size

    how = f"measured with {cost.sample} of them"
    if cost.scaled:
        how += ", and the new model's work beside that of the present one"
    fetch = f" {size(cost.fetch)} are fetched first." if cost.fetch else ""
    photos, duration = count(cost.photos, "photo"), _duration(cost.seconds)
    return (
        f"Embedding {photos} anew takes about {duration} on this machine ({how}). The new index"
        f" takes about {size(cost.disk)}, beside the present one until it is complete.{fetch}"
    )


def _duration(seconds: float) -> str:
    """Such as "40 s", "12 min", "3.5 h" or "2.1 days"."""
    if seconds < 2 * MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:.1f} days"
