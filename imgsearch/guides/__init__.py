"""The guides: Markdown files, by topic. `reference/` holds tables that the program writes
itself."""

from __future__ import annotations

from pathlib import Path

from imgsearch.errors import UsageError

_FOLDER = Path(__file__).parent

# as the README groups them: photos, asking, clusters, programs, coming from another program
ORDER = (
    *("photos-at-home", "inside", "archive", "shop", "designs", "outfits"),
    *("scores", "models", "text"),
    "elasticsearch",
    *("scripts", "python", "assistants", "settings"),
    *("from-elastic-tutorial", "from-rclip"),
)


def topics() -> dict[str, str]:
    """The title of each guide by its topic, the guides first and then the reference."""
    files = (*(_FOLDER / f"{topic}.md" for topic in ORDER), *sorted(_FOLDER.glob("reference/*.md")))
    return {path.stem: _title(path) for path in files}


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").rstrip()


def text(topic: str) -> str:
    """A guide, as Markdown; the beginning of its topic is enough where no other begins so. Raises
    UsageError for an unknown topic."""
    known = topics()
    if topic not in known:
        meant = [name for name in known if topic and name.startswith(topic)]
        if len(meant) == 1:
            return text(meant[0])
        raise UsageError(f"There is no guide named {topic!r}.", f"There are: {', '.join(known)}.")
    path = _FOLDER / f"{topic}.md"
    return (path if path.exists() else _FOLDER / "reference" / path.name).read_text("utf-8")
