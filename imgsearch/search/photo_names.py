"""Which indexed photo, and which folder, a person means by a name."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from imgsearch import photos
from imgsearch.errors import Action, PhotoError, UsageError
from imgsearch.escaping import shell_quoted, shown
from imgsearch.index.base import Index, Record, Wanted
from imgsearch.models.base import Vector
from imgsearch.photos import content_hashes
from imgsearch.question import Filter, Folder
from imgsearch.roots import Roots, locations

_BEGINNING_OF_AN_ID = re.compile(r"[0-9a-f]{4,31}")
_ENDING = re.compile(r"(?<=.)\.[A-Za-z][A-Za-z0-9]{1,4}$")  # of a file's name; no "INV.42"


def find_record(index: Index, roots: Roots, photo: str) -> Record | None:
    """The indexed photo that is meant by a file's path, an id, or a relative path in a library. A
    file that exists is meant itself: not another one of the same relative path."""
    found = find_photo(index, roots, photo)
    return None if found is None else found[0]


def find_photo(index: Index, roots: Roots, photo: str) -> tuple[Record, Vector | None] | None:
    """The same with its vector, None where that is missing."""
    candidates = [id for form in _forms(photo) for id in _ids_of_file(roots, form)]
    candidates.append(photo)  # as an id, which in another program's index may be any text
    if not os.path.isfile(photo):
        for form in _forms(photo):
            candidates += _ids_of_relative(index, form)
            candidates += index.ids_named(form)
    return index.photo(candidates)


def _forms(text: str) -> list[str]:
    """A name as it was typed, and in the two forms of Unicode: macOS writes the one, most keyboards
    the other."""
    forms = [text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)]
    return list(dict.fromkeys(forms))


def _ids_of_relative(index: Index, photo: str) -> Iterator[str]:
    relative = os.fsencode(photo.replace(os.sep, "/"))
    for library in index.libraries():
        yield photos.photo_id(library, relative)
        prefix = os.fsencode(library) + b"/"
        if relative.startswith(prefix):
            yield photos.photo_id(library, relative[len(prefix) :])


def ids_of(index: Index, roots: Roots, photo: str) -> list[str]:
    """Of the photos that an id, a path, or an id as messages show it (with escapes) means: several
    where another program has put one path there more than once."""
    found = {photo} & index.records([photo]).keys() or set(index.ids_named(photo))
    record = None if found else find_record(index, roots, photo)
    if record is not None:
        found = {record.id}
    if not found and "\\" in photo:
        found = {id for id in index.ids() if shown(id) == photo}
    if not found and _BEGINNING_OF_AN_ID.fullmatch(photo):
        found = set(_only([id for id in index.ids() if id.startswith(photo)], photo))
    return sorted(found)


def _only(ids: Sequence[str], beginning: str) -> Sequence[str]:
    """The ids again. Raises UsageError for several."""
    if len(ids) > 1:
        raise UsageError(
            f"{len(ids):,} photos have an id that begins with {beginning}: {', '.join(ids[:3])}"
            f"{', …' if len(ids) > 3 else ''}.",
            "Give one of them with more of its digits.",
        )
    return ids


def find_shown(index: Index, roots: Roots, photo: str) -> Record | None:
    """The photo whose path is shown like this in a table, with `…` for what was left out of its
    middle; or whose name alone, with or without its ending, or the beginning of whose id, this is.
    Reads the whole index. Raises UsageError where it fits several."""
    if _BEGINNING_OF_AN_ID.fullmatch(photo):
        begun = _only([id for id in index.ids() if id.startswith(photo)], photo)
        if begun:
            return index.records(begun)[begun[0]]
    if "…" not in photo and "/" in photo:
        return None
    pattern = re.compile(".*".join(map(re.escape, photo.split("…"))), re.DOTALL)
    whole: list[Record] = []
    without_ending: list[Record] = []
    ids = iter(index.ids())
    while batch := list(itertools.islice(ids, 1000)):
        for record in index.records(batch).values():
            if any(map(pattern.fullmatch, _shown_as(record, roots))):
                whole.append(record)
            elif photo in _forms(os.path.splitext(record.relative_path.rpartition("/")[2])[0]):
                without_ending.append(record)
    found = whole or without_ending
    if len(found) > 1:
        few = ", ".join(shown(f"{one.library}/{one.relative_path}") for one in found[:3])
        raise UsageError(
            f"'{shown(photo)}' fits {len(found):,} photos: {few}{', …' if len(found) > 3 else ''}.",
            "Give one of these paths, or look for the name.",
            _match(photo),
        )
    return found[0] if found else None


def _match(name: str) -> Action:
    """To look for a name: without its ending, which is no word of a name in an index."""
    name = _ENDING.sub("", name)
    return Action("match", {"words": shell_quoted(os.fsencode(name))})


def _shown_as(record: Record, roots: Roots) -> list[str]:
    raw = locations.relative_bytes(record.relative_path, record.path_escaped)
    if raw is None:
        return []
    relative = os.fsdecode(raw)
    names = [relative, f"{record.library}/{relative}", relative.rpartition("/")[2]]
    root = roots.get(record.library)
    if root is not None:
        path = os.path.join(root, relative)
        names += [path, os.path.relpath(path)]
    return names


def no_picture(name: str) -> PhotoError:
    """About a name that is neither an indexed photo's nor a file's."""
    if os.path.isdir(name):
        return PhotoError(
            f"'{shown(name)}' is a folder.",
            "Name one picture in it, or several: what is like all of them is found.",
        )
    if re.match("https?://", name):
        return PhotoError(
            f"'{shown(name)}' is an address; nothing is fetched from the network.",
            "Name a picture file, or send the picture to stdin, which is -.",
        )
    is_path = "/" in name or os.sep in name or not Wanted(name).words
    return PhotoError(
        f"There is no file '{shown(name)}', and no photo in the index with that id or path.",
        "Name a picture file, or copy an id or a relative path from a result."
        if is_path
        else "Name a picture file, or copy an id or a relative path from a result, such as those"
        " with this name.",
        None if is_path else _match(name),
    )


def is_current(record: Record, path: Path) -> bool:
    """Whether the file still is what was ingested: then its stored vector serves."""
    try:
        status = path.stat()
        if (status.st_size, photos.mtime_ns(status)) != (record.size, record.mtime_ns):
            return False
        # an edit may keep both; another program's index knows no hash
        known = record.content_hash
        return not known or content_hashes.is_of_file(known, str(path))
    except OSError:
        return True


def _ids_of_file(roots: Roots, photo: str) -> list[str]:
    path = Path(os.path.realpath(photo))
    return [
        photos.photo_id(library, os.fsencode(path.relative_to(root).as_posix()))
        for library, root in roots.items()
        if root in path.parents
    ]


def folder_filter(index: Index, roots: Roots, folder: str) -> Filter:
    """`--under`: a folder on disk, a library's name, or a folder within a library.
    Raises UsageError where it is none of them."""
    libraries = index.libraries()
    on_disk = next((form for form in _forms(folder) if os.path.isdir(form)), folder)
    path = Path(os.path.realpath(on_disk))
    for library, root in sorted(roots.items(), key=lambda item: -len(item[1].parts)):
        if library in libraries and (path == root or root in path.parents):
            relative = path.relative_to(root).as_posix()
            return _of_folders(_both_spellings(library, None if relative == "." else relative))
    inside = [name for name, root in roots.items() if path in root.parents and name in libraries]
    if inside:  # the folder holds whole libraries
        return _of_folders([Folder(name) for name in inside])
    name = folder.replace(os.sep, "/").strip("/")
    if name in libraries:
        return Filter.within(name)
    choices = [
        _of_folders(_both_spellings(library, relative))
        for form in _forms(name)
        for library in libraries
        for relative in (form, *_below(library, form))
    ]
    matching = list(dict.fromkeys(choice for choice in choices if index.count(choice)))
    if len(matching) == 1:
        return matching[0]
    if matching:
        named = ", ".join(
            f"{folder.library}/{folder.path}" for choice in matching for folder in choice.under
        )
        raise UsageError(
            f"{folder!r} is a folder in several libraries.", f"Name one of them: {named}"
        )
    raise _no_such_folder(folder, libraries)


def check_folders(index: Index, folders: Sequence[Folder]) -> None:
    """Raises UsageError where no photo lies in one of them."""
    libraries = index.libraries()
    for folder in folders:
        is_library = folder.path is None and folder.library in libraries
        if not is_library and not index.count(_of_folders([folder])):
            raise _no_such_folder(folder.written().rstrip("/"), libraries)


def _no_such_folder(folder: str, libraries: Iterable[str]) -> UsageError:
    return UsageError(
        f"No photo in the index lies under {folder!r}.",
        f"Name a folder that was ingested, or a library: {', '.join(sorted(libraries)) or '–'}",
    )


def _of_folders(folders: Sequence[Folder]) -> Filter:
    return Filter(under=tuple(folders))


def _below(library: str, name: str) -> list[str]:
    return [name[len(library) + 1 :]] if name.startswith(f"{library}/") else []


def _both_spellings(library: str, relative: str | None) -> list[Folder]:
    """A folder as records spell it; None: the whole library."""
    if relative is None:
        return [Folder(library)]
    return [Folder(library, text) for text in photos.folder_texts(os.fsencode(relative))]
