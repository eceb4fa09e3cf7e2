"""How what a cure asks for is done on the command line: one table, by the names of actions that
errors carry (errors.py)."""

from __future__ import annotations

from imgsearch.errors import Action

HOW = {
    "allow a model's code": "--trust-model-code {folder}",
    "cut off": "--min-score 0.3",
    "ingest": "imgsearch ingest {folder}",
    "list models": "imgsearch models",
    "name a model": "--{kind}-model DIR, or --model DIR for a model of both texts and images",
    "name an index": "--index PATH",
    "name an index on a cluster": "--index https://host:9200/my-photos",
    "name both models": "--image-model DIR --text-model DIR.\n"
    "To see imgsearch at work without any download: imgsearch demo",
    "name one model": "--model NAME",
    "name this index": "--index {place}",
    "query": 'imgsearch query "a red car"',
    "re-embed": "imgsearch ingest --re-embed",
    "say where a library lies": "--root LIBRARY=FOLDER",
}


def shown(cure: str, action: Action | None) -> str:
    """The cure, with the command or the option that does it."""
    if action is None:
        return cure
    return f"{cure.removesuffix('.')}: {HOW[action.name].format(**action.facts)}"
