"""What a server's version can do, by its release notes and by trying it on real nodes."""

from __future__ import annotations

import re

from imgsearch.dataclass import dataclass

OLDEST = (8, 6)
PARTS_SINCE = (8, 11)
QUANTIZATIONS: dict[str, tuple[int, int]] = {
    "none": (8, 6),
    "int8": (8, 12),
    "int4": (8, 15),
    "bbq": (8, 16),
}


@dataclass(frozen=True, slots=True)
class Features:
    """`version`: (9, 5, 3). A serverless project follows no version; it has what is newest."""

    version: tuple[int, ...]
    serverless: bool = False

    @classmethod
    def of(cls, info: dict[str, object]) -> Features:
        """The features of the server that answered `info` to `GET /`."""
        version = info.get("version")
        facts = version if isinstance(version, dict) else {}
        numbers = tuple(
            int(part) for part in re.findall(r"\d{1,9}", str(facts.get("number", "")))[:3]
        )
        return cls(numbers, facts.get("build_flavor") == "serverless")

    def __str__(self) -> str:
        return "serverless" if self.serverless else ".".join(map(str, self.version))

    def _from(self, *version: int) -> bool:
        return self.serverless or self.version >= version

    @property
    def supported(self) -> bool:
        return self._from(*OLDEST)

    def has(self, quantization: str) -> bool:
        return self._from(*QUANTIZATIONS[quantization])

    @property
    def default_quantization(self) -> str:
        return "int8" if self.has("int8") else "none"

    @property
    def rescores(self) -> bool:
        """Whether the server scores hits of a quantised index again by their full vectors
        (`rescore_vector`)."""
        return self._from(8, 18)

    @property
    def leaves_vectors_out(self) -> bool:
        """Whether new indexes leave vectors out of `_source` (setting
        `mapping.exclude_source_vectors`)."""
        return self._from(9, 2)

    @property
    def takes_base64(self) -> bool:
        return self._from(9, 3)

    @property
    def searches_parts(self) -> bool:
        """Whether a search finds documents by the nearest of several vectors in each (nested kNN
        with inner hits)."""
        return self._from(*PARTS_SINCE)

    @property
    def embeds_queries(self) -> bool:
        """Whether a search can have its words embedded by the server
        (`query_vector_builder.text_embedding`)."""
        return self._from(8, 7)
