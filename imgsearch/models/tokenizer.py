"""From texts to token ids, by `tokenizers` alone: transformers takes two seconds to import.

Truncation and padding are the tokenizer file's own, written there when the model was exported.

A third of a cold query would go into reading the 119,547 WordPieces of the multilingual model. So
they lie sorted in a file that is mapped, and the tokenizer gets those that can occur in the words
of the text at hand: its answer is the same.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ids = npt.NDArray[np.int64]  # (n, length)

TOKENIZER_FILE = "tokenizer.json"
_PIECES_FILE, _NUMBERS_FILE = "pieces.npy", "piece_ids.npy"  # sorted UTF-8, and their ids

# name of a graph's input -> the attribute of a tokenizers.Encoding
_ATTRIBUTES = {
    "input_ids": "ids",
    "attention_mask": "attention_mask",
    "token_type_ids": "type_ids",
}


def supports(inputs: Sequence[str]) -> bool:
    return set(inputs) <= set(_ATTRIBUTES)


class Tokens:
    """Texts to the inputs of a text tower, padded to the longest of them. Threads take turns."""

    def __init__(self, folder: Path, inputs: Sequence[str]) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        self._inputs = tuple(inputs)
        mapped = (folder / _PIECES_FILE).exists()
        self._pieces = _Pieces(folder, self._tokenizer) if mapped else None
        self._turn = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> dict[str, Ids]:
        with self._turn:
            if self._pieces:
                self._pieces.learn(texts)
            encodings = self._tokenizer.encode_batch(list(texts))
        return {
            name: np.array(
                [getattr(encoding, _ATTRIBUTES[name]) for encoding in encodings], np.int64
            )
            for name in self._inputs
        }

    def characters_read(self, text: str) -> int | None:
        """How many characters fit into the model's limit of tokens; None: all of them."""
        with self._turn:
            if self._pieces:
                self._pieces.learn([text])
            encoding = self._tokenizer.encode(text)
        if not encoding.overflowing:
            return None
        return max((end for _, end in encoding.offsets), default=0)


class _Pieces:
    """The vocabulary of a WordPiece tokenizer, given to it as far as texts need it."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._pieces: npt.NDArray[np.bytes_] = np.load(folder / _PIECES_FILE, mmap_mode="r")
        self._numbers: npt.NDArray[np.int64] = np.load(folder / _NUMBERS_FILE, mmap_mode="r")
        self._known: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
        self._words: set[str] = set()

    def learn(self, texts: Sequence[str]) -> None:
        words = {word for text in texts for word in self._split(text)} - self._words
        if not words:
            return
        from tokenizers.models import WordPiece

        model = self._tokenizer.model
        self._words |= words
        self._known |= self._find(
            _parts(words, model.continuing_subword_prefix, model.max_input_chars_per_word)
        )
        self._tokenizer.model = WordPiece(
            self._known,
            unk_token=model.unk_token,
            continuing_subword_prefix=model.continuing_subword_prefix,
            max_input_chars_per_word=model.max_input_chars_per_word,
        )

    def _split(self, text: str) -> list[str]:
        normalizer, splitter = self._tokenizer.normalizer, self._tokenizer.pre_tokenizer
        text = normalizer.normalize_str(text) if normalizer else text
        return [word for word, _ in splitter.pre_tokenize_str(text)] if splitter else [text]

    def _find(self, parts: set[str]) -> dict[str, int]:
        width = self._pieces.dtype.itemsize  # numpy would cut longer ones, and find those
        encoded = [code for part in parts if len(code := part.encode(errors="replace")) <= width]
        if not encoded:
            return {}
        wanted = np.array(encoded, self._pieces.dtype)
        places = np.searchsorted(self._pieces, wanted).clip(max=len(self._pieces) - 1)
        hits = self._pieces[places] == wanted
        return dict(
            zip(
                (bytes(code).decode() for code in wanted[hits]),
                self._numbers[places[hits]].tolist(),
                strict=True,
            )
        )


def _parts(words: Iterable[str], prefix: str, longest: int) -> set[str]:
    """Every piece that a WordPiece tokenizer could look up in these words."""
    return {
        word[first:last] if first == 0 else prefix + word[first:last]
        for word in words
        if len(word) <= longest  # longer ones are unknown as a whole
        for first in range(len(word))
        for last in range(first + 1, len(word) + 1)
    }


def write(tokenizer: Any, folder: Path, max_length: int, fixed_length: bool) -> None:
    """A transformers tokenizer as the files that `Tokens` reads.

    Raises ValueError for one that is written in Python (no fast tokenizer behind it).
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(f"{type(tokenizer).__name__} has no fast form")
    from tokenizers import Tokenizer

    copied: Tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    copied.enable_truncation(max_length, direction=tokenizer.truncation_side)
    copied.enable_padding(
        direction=tokenizer.padding_side,
        pad_id=tokenizer.pad_token_id,
        pad_type_id=tokenizer.pad_token_type_id,
        pad_token=tokenizer.pad_token,
        length=max_length if fixed_length else None,
    )
    described = json.loads(copied.to_str())
    if described["model"]["type"] == "WordPiece":
        _take_vocabulary_out(described, folder)
    (folder / TOKENIZER_FILE).write_text(
        json.dumps(described, ensure_ascii=False), encoding="utf-8"
    )


def _take_vocabulary_out(described: dict[str, Any], folder: Path) -> None:
    """Move all tokens but the special ones into the memory-mapped files."""
    model = described["model"]
    vocabulary = {piece.encode(): number for piece, number in model["vocab"].items()}
    pieces = sorted(vocabulary)
    np.save(folder / _PIECES_FILE, np.array(pieces))
    np.save(folder / _NUMBERS_FILE, np.array([vocabulary[piece] for piece in pieces], np.int64))
    kept = {token["content"] for token in described["added_tokens"]} | {model["unk_token"]}
    model["vocab"] = {piece: n for piece, n in model["vocab"].items() if piece in kept}
