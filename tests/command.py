"""Runs the installed `imgsearch` as a user would: a process of its own, with places of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCRIPT = Path(sys.executable).with_name("imgsearch")


@dataclass(frozen=True)
class Finished:
    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.stdout.splitlines()]


@dataclass
class Command:
    """`home`: the user's; `cache`: where exported models lie, which tests may share."""

    home: Path
    cache: Path
    environment: dict[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        kept = {
            name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ
        }
        return {
            **kept,
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.cache),
            "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "COLUMNS": "120",
            "OPENBLAS_NUM_THREADS": "1",  # tests run side by side already
            **self.environment,
        }

    def start(self, *arguments: str | bytes | Path, **options: Any) -> subprocess.Popen[bytes]:
        """`before`: words of another program that starts this one."""
        return subprocess.Popen(
            [*options.pop("before", ()), os.fspath(SCRIPT), *arguments],
            env=self.env(),
            cwd=options.pop("cwd", self.home),
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def run_bytes(self, *arguments: str | bytes | Path, **options: Any) -> tuple[int, bytes, bytes]:
        given = options.pop("input", None)
        if given is not None:
            options["stdin"] = subprocess.PIPE
        process = self.start(*arguments, **options)
        out, err = process.communicate(given, timeout=300)
        return process.returncode, out, err

    def run(self, *arguments: str | bytes | Path, code: int | None = 0, **options: Any) -> Finished:
        """Fails the test where the exit code is another (None: any)."""
        returncode, out, err = self.run_bytes(*arguments, **options)
        finished = Finished(returncode, out.decode(), err.decode())
        assert "Traceback" not in finished.stderr, finished.stderr
        if code is not None:
            assert returncode == code, f"exit {returncode}\n{finished.stdout}\n{finished.stderr}"
        return finished
