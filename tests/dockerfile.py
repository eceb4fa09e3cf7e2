"""Reads a Dockerfile, and runs its steps without Docker: in one folder that stands for the root of
every stage, on this machine's Python."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Step:
    stage: str
    instruction: str
    argument: str

    @property
    def words(self) -> list[str]:
        """The exec form of a command."""
        words: list[str] = json.loads(self.argument)
        return words


def steps(text: str) -> Iterator[Step]:
    stage = ""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", text))
    for line in filter(str.strip, joined.splitlines()):
        instruction, argument = line.split(maxsplit=1)
        if instruction == "FROM":
            stage = argument.split(" AS ")[1]
        yield Step(stage, instruction, argument)


@dataclass
class Container:
    """`root`: stands for "/". `context`: what COPY copies from. `user`: uid and gid from the USER
    line on, which this process must be allowed to become."""

    root: Path
    context: Path
    python: Path
    user: tuple[int, int]
    made: frozenset[str]  # folders that steps name, which lie in `root`
    environment: dict[str, str] = field(default_factory=dict)
    directory: str = "/"
    is_user: bool = False

    def path(self, text: str) -> str:
        """Absolute paths of the image, wherever they stand in a text, as they are here."""
        names = "|".join(map(re.escape, sorted(self.made, key=len, reverse=True)))
        return re.sub(rf"(?<![\w.}}])({names})(?![\w.-])", rf"{self.root}\1", text)

    def run_steps(self, all_steps: list[Step]) -> None:
        for step in all_steps:
            if step.instruction == "ENV":
                for pair in shlex.split(step.argument):
                    name, _, value = pair.partition("=")
                    self.environment[name] = self.path(value.replace("$PATH", self._search()))
            elif step.instruction == "WORKDIR":
                self.directory = step.argument
                Path(self.path(step.argument)).mkdir(parents=True, exist_ok=True)
            elif step.instruction == "COPY":
                self._copy(step.argument)
            elif step.instruction == "RUN":
                self.run(["/bin/sh", "-euc", self.path(step.argument)], check=True)
            elif step.instruction == "USER":
                assert step.argument == f"{self.user[0]}:{self.user[1]}"
                self.is_user = True

    def _copy(self, argument: str) -> None:
        *sources, target = argument.split()
        if sources[0].startswith("--from="):
            assert sources[1] == target, "all stages are one folder here"
            assert Path(self.path(target)).exists()
            return
        place = Path(self.path(self.directory), target)
        for source in sources:
            found = self.context / source
            if found.is_dir():
                shutil.copytree(found, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                into = place / found.name if target.endswith("/") else place
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, into)

    def _search(self) -> str:
        """Programs: `python` is this machine's, and nobody is added to its users."""
        shims = self.root / "shims"
        shims.mkdir(exist_ok=True)
        (shims / "python").unlink(missing_ok=True)
        (shims / "python").symlink_to(self.python)
        (shims / "useradd").write_text('#!/bin/sh\necho "$@" >> "$0.log"\n')
        (shims / "useradd").chmod(0o755)
        return f"{shims}:/usr/local/bin:/usr/bin:/bin:/usr/sbin"

    def start(self, words: list[str], **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen([self.path(word) for word in words], **self._options(more))

    def run(
        self, words: list[str], *, check: bool = False, **more: str
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(words, **more)
        out, err = process.communicate(timeout=1800)
        done = subprocess.CompletedProcess(words, process.returncode, out, err)
        assert not check or done.returncode == 0, f"{words}\n{out[-3000:]}\n{err[-3000:]}"
        return done

    def _options(self, more: dict[str, str]) -> dict[str, Any]:
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        environment = {"PATH": self._search(), **pip, **self.environment, "HOME": str(self.root)}
        switched: dict[str, Any] = {}
        if self.is_user:
            switched = {"user": self.user[0], "group": self.user[1], "extra_groups": []}
        return {
            "cwd": self.path(self.directory),
            "env": {**environment, **more},
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            **switched,
        }
