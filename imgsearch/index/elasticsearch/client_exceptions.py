"""What the client's exceptions and a server's answers say went wrong, in a form of our own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from imgsearch.dataclass import dataclass

Kind = Literal["tls", "unknown host", "refused", "dropped", "timeout", "http", "not elasticsearch"]


@dataclass(frozen=True, slots=True)
class Symptom:
    """An exception of the client, in our words. `type` and `reason`: the server's own."""

    kind: Kind
    reason: str = ""
    status: int = 0  # HTTP
    type: str = ""
    cause: str = ""  # the server's `caused_by`, where it has one

    @property
    def passing(self) -> bool:
        """Whether the same request may well succeed later."""
        if self.kind in ("refused", "dropped", "timeout"):
            return True
        return item_passing(self.status, self.type)


def item_passing(status: int, type: str) -> bool:
    """The same for one item of a bulk request. A block (429 at the disk's flood stage) lasts until
    somebody has made room."""
    return status in (429, 502, 503, 504) and type != "cluster_block_exception"


def symptom(error: BaseException) -> Symptom | None:
    """What an exception of the client says went wrong; None where it is not the client's.
    Recognised by class name, so that the client need not be imported to report a malformed URL."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if "UnsupportedProductError" in names:
        return Symptom("not elasticsearch")
    if "ApiError" in names:
        return _of_answer(error)
    text = " ".join(_chain(error))
    if "TlsError" in names:  # before ConnectionError, whose child it is
        return Symptom("tls", _inner(error, text))
    if "ConnectionTimeout" in names:
        return Symptom("timeout", "timed out")
    if "SerializationError" in names:  # half an answer, or a web page
        return Symptom("not elasticsearch" if "<" in text else "dropped", "unreadable answer")
    if "ConnectionError" not in names or "TransportError" not in names:
        return None
    return _of_connection(text)


def _of_connection(text: str) -> Symptom:
    if "CERTIFICATE_VERIFY_FAILED" in text or "SSLError" in text or "ingerprint" in text:
        return Symptom("tls", text)
    if "NameResolutionError" in text or "gaierror" in text:
        return Symptom("unknown host")
    if "Connection refused" in text or "actively refused" in text or "unreachable" in text:
        return Symptom("refused")
    return Symptom("dropped", "connection lost")


def _chain(error: BaseException) -> Iterator[str]:
    """Names and texts of an exception and of those that caused it. They name hosts, never headers:
    credentials travel in headers alone."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield f"{type(one).__name__} {one}"
        inner = [each for each in getattr(one, "errors", ()) if isinstance(each, BaseException)]
        inner += [each for each in one.args if isinstance(each, BaseException)]
        todo += [*inner, one.__cause__, getattr(one, "reason", None)]
        todo = [each for each in todo if isinstance(each, BaseException)]


def _inner(error: BaseException, text: str) -> str:
    """OpenSSL's own words, without the layers around them."""
    found = re.search(r"\[SSL[^\]]*\][^()'\"]*", text)
    return text if found is None else f"{found.group(0).strip()} {_words(text)}"


def _words(text: str) -> str:
    """The part of a verification error that tells what did not hold."""
    found = re.search(r"certificate verify failed: ([^()]*)", text)
    return found.group(1).strip() if found else ""


def _of_answer(error: Any) -> Symptom:
    body, status = error.body, error.meta.status
    headers = error.meta.headers
    says_what_it_is = headers.get("x-elastic-product") == "Elasticsearch"
    may_be_a_proxy = status in (401, 413, 429, 502, 503, 504)
    if not (says_what_it_is or may_be_a_proxy or isinstance(body, dict)):
        return Symptom("not elasticsearch", status=status)
    return answer_symptom(status, body)


def answer_symptom(status: int, body: Any) -> Symptom:
    """The server's own account: the first root cause, which is nearer to the point than
    "all shards failed"."""
    cause = body.get("error") if isinstance(body, dict) else None
    if not isinstance(cause, dict):
        return Symptom("http", str(cause or "")[:200], status)
    roots = cause.get("root_cause")
    root = roots[0] if isinstance(roots, list) and roots else cause
    best = root if isinstance(root, dict) and root.get("reason") else cause
    behind = cause.get("caused_by") or best.get("caused_by")
    why = behind.get("reason") if isinstance(behind, dict) else None
    reason, type = str(best.get("reason") or ""), str(best.get("type") or "")
    return Symptom("http", reason[:500], status, type[:200], str(why or "")[:1000])
