"""What an index says of itself: its id, the models that made its vectors, its last ingest."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any

from imgsearch.errors import IndexDamaged
from imgsearch.index import recorded_models
from imgsearch.index.local.database import BACKUP, Database
from imgsearch.models.base import ModelPair


class MetaValue:
    """Implements `imgsearch.index.base.StoredValue`."""

    def __init__(self, meta: Meta, key: str) -> None:
        self._meta, self._key = meta, key

    def read(self) -> Any:
        return self._meta.get(self._key)

    def change(self, change: Callable[[Any], Any]) -> None:
        self._meta.change(self._key, change)


class Meta:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> Any:
        """The value under a key; None where there is none, or it cannot be read."""
        value = self._database.value("select value from meta where key = ?", (key,))
        try:
            return json.loads(value)
        except (TypeError, ValueError, RecursionError):
            return None

    def set(self, key: str, value: Any) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "insert or replace into meta values (?, ?)", (key, json.dumps(value))
            )

    def change(self, key: str, change: Callable[[Any], Any]) -> None:
        with self._database.transaction() as connection:
            value = json.dumps(change(self.get(key)))
            connection.execute("insert or replace into meta values (?, ?)", (key, value))

    def forget(self, key: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("delete from meta where key = ?", (key,))

    @property
    def index_id(self) -> str:
        found = self._database.value("select value from meta where key = 'index_id'")
        if isinstance(found, str) and re.fullmatch("[0-9a-f]{32}", found):
            return found
        made = os.urandom(16).hex()  # for an index that has lost its own
        if self._database.writable:
            with self._database.transaction() as connection:
                connection.execute("insert or replace into meta values ('index_id', ?)", (made,))
        return made

    def models(self) -> ModelPair | None:
        """The recorded models; None before the first photo was written. Raises IndexDamaged where
        they cannot be read."""
        try:
            return recorded_models.checked(self.get("models"))
        except ValueError:
            raise self.without_models() from None

    def stamp(self, models: ModelPair) -> None:
        """Record the models of an index without photos."""
        with self._database.transaction() as connection:
            connection.execute("delete from segments")  # of an emptied index: all its rows are gone
            connection.execute(
                "insert or replace into meta values ('models', ?)",
                (json.dumps(recorded_models.dump(models)),),
            )

    def without_models(self) -> IndexDamaged:
        """The error for an index that does not say which models made it, to be raised."""
        path = self._database.path
        return IndexDamaged(f"{path} does not say which models made its vectors.", BACKUP)

    def set_root_hint(self, library: str, root_hint: str | None) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "insert into libraries (name, root_hint) values (?, ?)"
                " on conflict (name) do update set root_hint = excluded.root_hint",
                (library, root_hint),
            )

    def take_over(self, other: Meta) -> None:
        """Copy what belongs to the index and not to its models: its id, its libraries and their
        roots."""
        with self._database.transaction() as connection:
            connection.execute(
                "update meta set value = ? where key = 'index_id'",
                (other.index_id,),
            )
            connection.executemany(
                "insert into libraries (name, root_hint) values (?, ?)"
                " on conflict (name) do update set root_hint = excluded.root_hint",
                other._database.rows("select name, root_hint from libraries"),
            )
            connection.executemany(
                "insert or replace into meta values (?, ?)",
                other._database.rows("select key, value from meta where key = 'rules'"),
            )
