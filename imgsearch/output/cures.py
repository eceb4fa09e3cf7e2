"""How what a cure asks for is done on the command line: one table, by the names of actions that
errors carry (errors.py)."""

from __future__ import annotations

from imgsearch.errors import Action, Advice, ImgsearchError

_BOTH_MODELS = (
    "--image-model DIR --text-model DIR.\n"
    "To see imgsearch at work without any download: imgsearch demo"
)
_LOCALLY = "Until then queries are encoded on this machine (--text-encoder auto or local)."

HOW = {
    "allow a file": "imgsearch trust {folder}",
    "allow a model's code": "--trust-model-code {folder}",
    "ask for less": "--priority low, or fewer --allocations or --threads",
    "check the versions": " (imgsearch doctor); queries can be encoded on this machine"
    " (--text-encoder auto or local).",
    "copy": "imgsearch copy OLD NEW",
    "cut off": "--min-score 0.3",
    "encode here": "--text-encoder local",
    "encode here meanwhile": "--text-encoder auto or local",
    "exclude": "--exclude drafts",
    "exclude nothing": "--no-exclude",
    "find the damaged": "; imgsearch doctor --deep finds all that are, and says what to do.",
    "follow links": "; --follow-links follows it",
    "give more": "imgsearch setup-model --allocations 2",
    "give up what is away": "imgsearch ingest --re-embed --prune",
    "ingest": "imgsearch ingest {folder}",
    "ingest as a library": "imgsearch ingest FOLDER --library NAME",
    "ingest the new place": "imgsearch ingest NEW-FOLDER",
    "ingest there": "imgsearch --index {place} ingest ./photos",
    "list models": "imgsearch models",
    "list odd documents": ". imgsearch doctor lists them, imgsearch remove ID takes one out.",
    "list settings": "; imgsearch status lists the settings.",
    "look at all": "; --deep looks at all",
    "make no regions": "--no-regions",
    "match": "imgsearch query --match {words}",
    "name a library": "--library {name}",
    "name a model": "--{kind}-model DIR, or --model DIR for a model of both texts and images",
    "name an index": "--index PATH",
    "name an index on a cluster": "--index https://host:9200/my-photos",
    "name another index": "--index NAME",
    "name both models": _BOTH_MODELS,
    "name both models, or try a small one": f"{_BOTH_MODELS}\n"
    "To try it with your own pictures and the model of that demo, which knows icons rather than"
    " photos: imgsearch ingest {folders} --model demo",
    "name one model": "--model NAME",
    "name the CA": "--ca-certs FILE, or ES_CA_CERTS=FILE",
    "name the model's id": "--model-id ID",
    "name this index": "--index {place}",
    "pin the certificate": "--ssl-assert-fingerprint SHA256",
    "prune": "--prune --yes",
    "prune folders only": ", or leave --prune out; see also: imgsearch remove",
    "query": 'imgsearch query "a red car"',
    "raise the limit": " (--max-megapixels)",
    "read no text": "--no-text",
    "re-embed": "imgsearch ingest --re-embed",
    "remove": "imgsearch remove {what}",
    "remove a folder": "imgsearch remove --under {folder}",
    "replace": "imgsearch setup-model --replace",
    "replace or encode here": f"imgsearch setup-model --replace. {_LOCALLY}",
    "replace or keep both": "imgsearch setup-model --replace, or --model-id ANOTHER-NAME",
    "say where a library lies": "--root LIBRARY=FOLDER",
    "set up": "imgsearch setup-model",
    "set up or encode here": f"imgsearch setup-model. {_LOCALLY}",
    "stop": "imgsearch setup-model --stop",
    "stop and set up": "imgsearch setup-model --stop, then imgsearch setup-model",
    "take in again": "; --include-removed takes it in again",
    "take in no films": "--no-films",
    "wait longer": "imgsearch setup-model --timeout 3600",
}


def of(error: ImgsearchError) -> str:
    """The cure of an error, with the command or option that does it."""
    return shown(error.cure, error.action)


def shown(text: str, action: Action | None = None) -> str:
    """A cure, or another text that asks for an action (`Advice`), with the command or option that
    does it."""
    if action is None and isinstance(text, Advice):
        action = text.action
    if action is None:
        return text
    return joined(text, HOW[action.name].format(**action.facts))


def joined(text: str, how: str) -> str:
    """`how` (it may be empty) behind a colon, or as the sentence goes on."""
    if not how:
        return text
    colon = "" if how.startswith((" ", ",", ";", ".")) else ": "
    return f"{text.removesuffix('.')}{colon}{how}"
