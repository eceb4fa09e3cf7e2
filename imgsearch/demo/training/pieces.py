"""The WordPiece vocabulary of the text tower.

Not the trainer of `tokenizers`: it breaks ties by chance, and a seed shall fix the result.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import torch
from tokenizers import normalizers, pre_tokenizers
from torch import Tensor

VOCABULARY = 6000
LONGEST = 32  # tokens
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

Pair = tuple[str, str]


def split_words(text: str) -> list[str]:
    """Lower-case words without accents, and punctuation marks, as BERT's tokenizer has them."""
    plain = normalizers.BertNormalizer(lowercase=True).normalize_str(text)
    return [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(plain)]


def learn_vocabulary(corpus: Sequence[str], size: int = VOCABULARY) -> list[str]:
    """Letters first, then the most frequent pair of neighbours again and again."""
    frequency = Counter(word for text in corpus for word in split_words(text))
    spelt = {word: [word[0], *("##" + letter for letter in word[1:])] for word in frequency}
    vocabulary = SPECIAL + sorted({letter for letters in spelt.values() for letter in letters})
    known = set(vocabulary)
    count: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[str]] = defaultdict(set)
    for word, letters in spelt.items():
        for pair in pairwise(letters):
            count[pair] += frequency[word]
            where[pair].add(word)
    heap = [(-number, pair) for pair, number in count.items()]
    heapq.heapify(heap)
    while heap and len(vocabulary) < size:
        number, pair = heapq.heappop(heap)
        if count[pair] != -number:  # the count has changed since
            if count[pair] > 0:
                heapq.heappush(heap, (-count[pair], pair))
            continue
        piece = pair[0] + pair[1].removeprefix("##")
        if piece not in known:
            vocabulary.append(piece)
            known.add(piece)
        fresh: set[Pair] = set()
        for word in where.pop(pair):
            before = spelt[word]
            spelt[word] = after = _merged(before, pair, piece)
            for old in pairwise(before):
                count[old] -= frequency[word]
            for new in pairwise(after):
                count[new] += frequency[word]
                where[new].add(word)
                fresh.add(new)
        count.pop(pair, None)
        for new in sorted(fresh):
            heapq.heappush(heap, (-count[new], new))
    return vocabulary


def _merged(letters: list[str], pair: Pair, piece: str) -> list[str]:
    merged, at = [], 0
    while at < len(letters):
        if tuple(letters[at : at + 2]) == pair:
            merged.append(piece)
            at += 2
        else:
            merged.append(letters[at])
            at += 1
    return merged


class WordPieces:
    """Texts as numbers. In training some pieces are passed over (MaxMatch-Dropout, Hiraoka 2022),
    so that a word is known by its parts and words of sister languages meet."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = list(vocabulary)
        self.ids = {piece: number for number, piece in enumerate(vocabulary)}

    def pieces(self, word: str, drop: float, draw: random.Random) -> list[int]:
        """The longest pieces from left to right, each passed over with probability `drop`."""
        found, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self.ids.get(("##" if start else "") + word[start:end])
                if piece is not None and (end == start + 1 or draw.random() >= drop):
                    found.append(piece)
                    start = end
                    break
            else:
                return [self.ids["[UNK]"]]
        return found

    def encode(self, texts: Sequence[str], drop: float, draw: random.Random) -> Tensor:
        """[texts, tokens], padded with 0."""
        rows = []
        for text in texts:
            ids = [piece for word in split_words(text) for piece in self.pieces(word, drop, draw)]
            rows.append([self.ids["[CLS]"], *ids[: LONGEST - 2], self.ids["[SEP]"]])
        width = max(map(len, rows))
        return torch.tensor([row + [0] * (width - len(row)) for row in rows])
