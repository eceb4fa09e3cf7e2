"""Machine learning as a cluster has it, for the front before a real node: takes an upload part by
part, checks what the server checks and in its words, loads the TorchScript in a process of its own,
tokenises with the vocabulary and the configuration that were uploaded, embeds, and turns a search's
words into a vector before the real node sees them.

    front = Front([node.url], licence="trial")
    ml = MlNode(front)
"""

from __future__ import annotations

import atexit
import base64
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.elasticsearch.front import Answer, Front, Request

LICENSED = {"trial", "platinum", "enterprise"}
_NEEDS_LICENCE = re.compile(r"(PUT|POST|DELETE) ")
_HERE = Path(__file__).parent


class Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def refuse(status: int, reason: str, type: str = "status_exception", cause: str = "") -> Refused:
    error: dict[str, Any] = {"type": type, "reason": reason}
    full: dict[str, Any] = {"root_cause": [dict(error)], **error}
    if cause:
        full["caused_by"] = {"type": "illegal_state_exception", "reason": cause}
    return Refused(Answer.json({"error": full, "status": status}, status))


class Process:
    """The one that computes; shared by all tests of a run, for torch takes seconds to import."""

    _shared: Process | None = None

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / "ml_process.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        atexit.register(self.close)

    @classmethod
    def shared(cls) -> Process:
        if cls._shared is None or cls._shared._process.poll() is not None:
            cls._shared = cls()
        return cls._shared

    def ask(self, **asked: Any) -> dict[str, Any]:
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
            return answer

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@dataclass
class Stored:
    """A model as the node keeps it."""

    config: dict[str, Any]
    created: int = field(default_factory=lambda: int(time.time() * 1000))
    key: str = field(default_factory=lambda: uuid.uuid4().hex)  # in the process that computes
    parts: dict[int, bytes] = field(default_factory=dict)
    lengths: set[int] = field(default_factory=set)
    totals: set[int] = field(default_factory=set)
    vocabulary: list[str] | None = None
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """All parts name one length, they add up to it, and the last one is there."""
        size = sum(map(len, self.parts.values()))
        one = len(self.totals) == 1 and len(self.lengths) == 1
        return one and size == min(self.lengths) and (min(self.totals) - 1) in self.parts

    @property
    def inference(self) -> dict[str, Any]:
        found: dict[str, Any] = self.config["inference_config"]["text_embedding"]
        return found


class MlNode:
    """`enabled`, `nodes`, `memory`: what the cluster has for machine learning. `start_seconds`: how
    long a start takes; `load_error`: what libtorch says instead of loading. `after_request`: called
    with each request once it has taken effect and before it is answered."""

    def __init__(self, front: Front, *, version: tuple[int, ...] = (9, 5, 3)) -> None:
        self.front, self.version = front, version
        self.enabled, self.serverless = True, False
        self.nodes, self.memory, self.processors = 1, 4 << 30, 4
        self.start_seconds, self.load_error = 0.0, ""
        self.after_request: Callable[[Request], None] = lambda request: None
        self.models: dict[str, Stored] = {}
        self._lock = threading.RLock()
        self._folder = Path(tempfile.mkdtemp(prefix="imgsearch-ml-"))
        front.handlers.append(self.handle)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    # -- requests

    def handle(self, request: Request) -> Answer | None:
        try:
            if request.path.startswith("/_ml/"):
                return self._ml(request)
            if request.path.endswith("/_search") and b"query_vector_builder" in request.body:
                return self._search(request)
            if request.path.endswith("/_msearch") and b"query_vector_builder" in request.body:
                return self._searches(request)
        except Refused as refused:
            return refused.answer
        return None

    def _ml(self, request: Request) -> Answer:
        if not self.enabled:
            said = f"no handler found for uri [{request.target}] and method [{request.method}]"
            return Answer.json({"error": said}, 400)
        if self.serverless:
            said = (
                f"Request for uri [{request.target}] with method [{request.method}] exists but is"
                " not available when running in serverless mode"
            )
            raise refuse(410, said, "api_not_available_exception")
        if _NEEDS_LICENCE.match(f"{request.method} "):
            self._check_licence()
        if request.path == "/_ml/memory/_stats":
            return Answer.json(self._memory())
        found = re.fullmatch(r"/_ml/trained_models/([^/]+)(/.*)?", request.path)
        if not found:
            raise refuse(404, f"no such path {request.path}", "resource_not_found_exception")
        model_id, rest = unquote(found.group(1)), found.group(2) or ""
        answer = self._route(request, model_id, rest)
        self.after_request(request)
        return answer

    def _route(self, request: Request, model_id: str, rest: str) -> Answer:
        """Starting and inference wait outside the lock."""
        query = {name: values[0] for name, values in parse_qs(request.query).items()}
        if rest == "/deployment/_start":
            return Answer.json(self._start(model_id, query))
        if rest == "/_infer":
            return Answer.json(self._infer(model_id, request.json()))
        with self._lock:
            part = re.fullmatch(r"/definition/(\d+)", rest)
            method = request.method
            if method == "GET" and rest == "":
                return Answer.json(self._get(model_id, query))
            if method == "GET" and rest == "/_stats":
                return Answer.json(self._stats(model_id))
            if method == "PUT" and rest == "":
                return Answer.json(self._put(model_id, request.json()))
            if method == "PUT" and part:
                return Answer.json(self._put_part(model_id, int(part.group(1)), request.json()))
            if method == "PUT" and rest == "/vocabulary":
                return Answer.json(self._put_vocabulary(model_id, request.json()))
            if method == "POST" and rest == "/deployment/_stop":
                return Answer.json(self._stop(model_id))
            if method == "POST" and rest == "/deployment/_update":
                return Answer.json(self._update(model_id, request.json()))
            if method == "DELETE" and rest == "":
                return Answer.json(self._delete(model_id))
        raise refuse(405, f"no handler for {method} {request.path}", "test_exception")

    def _check_licence(self) -> None:
        if self.front.licence not in LICENSED:
            reason = "current license is non-compliant for [ml]"
            raise refuse(403, reason, "security_exception")

    # -- models

    def _known(self, model_id: str) -> Stored:
        if model_id not in self.models:
            reason = f"No known trained model with model_id [{model_id}]"
            raise refuse(404, reason, "resource_not_found_exception")
        return self.models[model_id]

    def _get(self, model_id: str, query: dict[str, str]) -> dict[str, Any]:
        stored = self._known(model_id)
        config = {"model_id": model_id, "create_time": stored.created, **stored.config}
        if query.get("include") == "definition_status":
            config["fully_defined"] = stored.complete
        return {"count": 1, "trained_model_configs": [config]}

    def _put(self, model_id: str, config: dict[str, Any]) -> dict[str, Any]:
        if model_id in self.models:
            raise refuse(400, f"Trained machine learning model [{model_id}] already exists")
        unknown = config.keys() - {
            "model_type", "inference_config", "input", "metadata", "description", "tags",
            "prefix_strings",
        }  # fmt: skip
        if unknown:
            reason = f"[trained_model_config] unknown field {sorted(unknown)}"
            raise refuse(400, reason, "x_content_parse_exception")
        self.models[model_id] = Stored(config)
        return {"model_id": model_id, **config}

    def _put_part(self, model_id: str, part: int, body: dict[str, Any]) -> dict[str, Any]:
        stored = self._known(model_id)
        total, length = body["total_parts"], body["total_definition_length"]
        if not (0 <= part < total <= 10_000) or length <= 0:
            reason = f"Validation Failed: 1: [part] must be less than [total_parts] {part} {total};"
            raise refuse(400, reason, "action_request_validation_exception")
        if part in stored.parts:
            reason = (
                f"Trained machine learning model definition doc [{model_id}][{part}] already exists"
            )
            raise refuse(400, reason, "resource_already_exists_exception")
        stored.parts[part] = base64.b64decode(body["definition"], validate=True)
        stored.lengths.add(length)
        stored.totals.add(total)
        return {"acknowledged": True}

    def _put_vocabulary(self, model_id: str, body: dict[str, Any]) -> dict[str, Any]:
        stored = self._known(model_id)
        if stored.vocabulary is not None:
            reason = f"Trained machine learning model vocabulary [{model_id}] already exists"
            raise refuse(400, reason, "resource_already_exists_exception")
        if not body.get("vocabulary"):
            reason = "Validation Failed: 1: [vocabulary] must not be empty;"
            raise refuse(400, reason, "action_request_validation_exception")
        if "bert" not in stored.inference["tokenization"]:
            reason = "cannot put vocabulary for model: its tokenization wants [merges]"
            raise refuse(400, reason)
        stored.vocabulary = body["vocabulary"]
        return {"acknowledged": True}

    def _delete(self, model_id: str) -> dict[str, Any]:
        if self._known(model_id).deployments:
            reason = f"Cannot delete model [{model_id}] as it is currently deployed;"
            raise refuse(409, reason)
        del self.models[model_id]
        return {"acknowledged": True}

    # -- deployments

    def _start(self, model_id: str, query: dict[str, str]) -> dict[str, Any]:
        with self._lock:
            stored = self._known(model_id)
            name = query.get("deployment_id", model_id)
            if name in stored.deployments:
                reason = (
                    "Could not start model deployment because an existing deployment with the same"
                    f" id [{name}] exist"
                )
                raise refuse(400, reason)
            if not stored.complete:
                reason = (
                    "Model definition truncated. Unable to deserialize trained model definition"
                    f" [{model_id}]"
                )
                raise refuse(400, reason, "illegal_argument_exception")
            if stored.vocabulary is None:
                reason = f"Could not find vocabulary document [{model_id}_vocabulary]"
                raise refuse(404, reason, "resource_not_found_exception")
            wanted = int(query.get("number_of_allocations", 1))
            threads = int(query.get("threads_per_allocation", 1))
            self._check_capacity(stored, wanted * threads, query.get("priority", "normal"))
            stored.deployments[name] = {
                "deployment_id": name,
                "model_id": model_id,
                "number_of_allocations": wanted,
                "threads_per_allocation": threads,
                "priority": query.get("priority", "normal"),
                "queue_capacity": 1024,
                "state": "starting",
                "allocation_status": {
                    "allocation_count": 0,
                    "target_allocation_count": wanted,
                    "state": "starting",
                },
                "nodes": [],
            }
        loading = threading.Thread(target=self._load, args=(model_id, name), daemon=True)
        loading.start()
        loading.join(float(query.get("timeout", "20s").removesuffix("s")))
        state = stored.deployments.get(name, {"state": "failed"})
        if loading.is_alive():
            reason = f"Starting deployment timed out after [{query.get('timeout')}]"
            raise refuse(408, reason)
        if state["state"] == "failed":
            reason = (
                "Could not start trained model deployment, the following nodes failed with errors"
                f" [{{node-1={state.get('reason', '')}}}]"
            )
            stored.deployments.pop(name, None)
            raise refuse(500, reason)
        return {"assignment": {"assignment_state": "started"}}

    def _check_capacity(self, stored: Stored, processors: int, priority: str) -> None:
        reason = (
            "Could not start deployment because no ML nodes with sufficient capacity were found"
        )
        why = "Could not start deployment because no suitable nodes were found, allocation"
        if not self.nodes:
            raise refuse(429, reason, cause=f"{why} explanation [none]")
        node = "[Could not assign (more) allocations on node [n1]. Reason: This node has"
        size = sum(map(len, stored.parts.values()))
        wanted = (240 << 20) + 2 * size
        if wanted > self.memory:
            said = (
                f"insufficient available memory. Available memory for ML [{self.memory}], free"
                f" memory [{self.memory}], estimated memory required for this model [{wanted}].]"
            )
            raise refuse(429, reason, cause=f"{why} explanation {node} {said}")
        if processors > self.processors and priority != "low":
            said = (
                f"insufficient allocated processors. Available processors [{self.processors}], free"
                f" processors [{self.processors}], processors required for each allocation of this"
                f" model [{processors}].]"
            )
            raise refuse(429, reason, cause=f"{why} explanation {node} {said}")

    def _load(self, model_id: str, name: str) -> None:
        stored = self.models[model_id]
        path = self._folder / f"{stored.key}.pt"
        path.write_bytes(b"".join(stored.parts[part] for part in sorted(stored.parts)))
        loaded = {"error": self.load_error} if self.load_error else None
        loaded = loaded or Process.shared().ask(load=str(path), id=self._key(model_id))
        time.sleep(self.start_seconds)
        with self._lock:
            state = stored.deployments.get(name)
            if state is None:
                return
            if "error" in loaded:
                state |= {"state": "failed", "reason": loaded["error"]}
                return
            wanted = state["allocation_status"]["target_allocation_count"]
            state["state"] = "started"
            state["allocation_status"] |= {"allocation_count": wanted, "state": "fully_allocated"}

    def _key(self, model_id: str) -> str:
        return self.models[model_id].key

    def _find_deployment(self, name: str) -> tuple[str, Stored] | None:
        for model_id, stored in self.models.items():
            if name in stored.deployments:
                return model_id, stored
        return None

    def _stop(self, name: str) -> dict[str, Any]:
        found = self._find_deployment(name)
        if found is None:
            raise refuse(
                404,
                f"No known trained model with deployment with id [{name}]",
                "resource_not_found_exception",
            )
        del found[1].deployments[name]
        return {"stopped": True}

    def _update(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        found = self._find_deployment(name)
        if found is None:
            raise refuse(404, f"deployment for model [{name}] not found")
        state = found[1].deployments[name]
        count = body["number_of_allocations"]
        state["number_of_allocations"] = count
        state["allocation_status"] |= {"allocation_count": count, "target_allocation_count": count}
        return {"assignment": {"assignment_state": "started"}}

    def _stats(self, model_id: str) -> dict[str, Any]:
        stored = self._known(model_id)
        rows: list[dict[str, Any]] = [
            {"model_id": model_id, "pipeline_count": 0, "deployment_stats": dict(state)}
            for state in stored.deployments.values()
        ]
        rows = rows or [{"model_id": model_id, "pipeline_count": 0}]
        return {"count": len(rows), "trained_model_stats": rows}

    def _memory(self) -> dict[str, Any]:
        nodes = {
            f"node-{number}": {
                "name": f"n{number}",
                "roles": ["ml"],
                "mem": {"ml": {"max_in_bytes": self.memory, "native_inference_in_bytes": 0}},
            }
            for number in range(self.nodes)
        }
        return {"_nodes": {"total": self.nodes}, "cluster_name": "test", "nodes": nodes}

    # -- inference

    def _infer(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        found = self._find_deployment(name)
        if found is None:
            self._known(name)
            raise refuse(409, f"Trained model deployment [{name}] is not deployed")
        model_id, stored = found
        if stored.deployments[name]["state"] != "started":
            raise refuse(409, f"Trained model [{model_id}] is not deployed. It is starting")
        [field_name] = stored.config["input"]["field_names"]
        result = stored.inference.get("results_field", "predicted_value")
        results = []
        for document in body["docs"]:
            if field_name not in document:
                reason = f"Input field [{field_name}] does not exist in the source document"
                raise refuse(400, reason)
            results.append({result: self.vector(model_id, document[field_name])})
        return {"inference_results": results}

    def vector(self, model_id: str, text: str) -> list[float]:
        stored = self.models[model_id]
        answer = Process.shared().ask(id=self._key(model_id), tokens=tokens(stored, text))
        if "error" in answer:
            raise refuse(500, answer["error"])
        vector: list[float] = answer["vector"]
        return vector

    def _search(self, request: Request) -> Answer:
        """The builder becomes a vector; the real node does the rest."""
        sent = json.dumps(self._with_vector(request.json())).encode()
        return self.front._forwarded(replace(request, body=sent), sent)

    def _searches(self, request: Request) -> Answer:
        """Several in one request: what is refused is so in its own place in the answer."""
        lines = [json.loads(line) for line in request.body.splitlines() if line]
        refused: dict[int, Any] = {}
        for place in range(1, len(lines), 2):
            try:
                lines[place] = self._with_vector(lines[place])
            except Refused as error:
                refused[place // 2] = json.loads(error.answer.body)
                lines[place] = {"size": 0}
        sent = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        answer = self.front._forwarded(replace(request, body=sent), sent)
        found = json.loads(answer.body)
        for place, error in refused.items():
            found["responses"][place] = error
        return replace(answer, body=json.dumps(found).encode())

    def _with_vector(self, body: Any) -> Any:
        if "query_vector_builder" not in body.get("knn", {}):
            return body
        builder = body["knn"].pop("query_vector_builder")["text_embedding"]
        self._check_licence()
        if self.version < (8, 7):
            raise refuse(400, "[knn] unknown field [query_vector_builder]", "parsing_exception")
        found = self._find_deployment(builder["model_id"])
        if found is None:
            name = builder["model_id"]
            if name not in self.models:
                raise refuse(404, f"Could not find trained model [{name}]")
            raise refuse(409, f"Trained model deployment [{name}] is not deployed")
        model_id, stored = found
        prefix = stored.config.get("prefix_strings", {}).get("search", "")
        body["knn"]["query_vector"] = self.vector(model_id, prefix + builder["model_text"])
        return body


def tokens(stored: Stored, text: str) -> list[int]:
    """BERT's WordPiece, with what was uploaded."""
    from tokenizers import Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import WordPiece

    options = stored.inference["tokenization"]["bert"]
    assert stored.vocabulary is not None
    ids = {word: number for number, word in enumerate(stored.vocabulary)}
    made = Tokenizer(WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    lower = options.get("do_lower_case", False)
    made.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=lower, lowercase=lower
    )
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    found: list[int] = made.encode(text, add_special_tokens=False).ids
    longest = options.get("max_sequence_length", 512)
    if options.get("with_special_tokens", True):
        if len(found) > longest - 2 and options.get("truncate", "first") == "none":
            raise refuse(400, f"Input too large. The tokenized input length [{len(found)}] exceeds")
        return [ids["[CLS]"], *found[: longest - 2], ids["[SEP]"]]
    return found[:longest]
