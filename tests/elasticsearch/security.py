"""What a cluster with security says of whoever asks."""

from __future__ import annotations

from tests.elasticsearch.front import Answer, Front, Request


class Security:
    """`granted`: the privileges that the user has; None for all."""

    def __init__(self, front: Front) -> None:
        self.granted: set[str] | None = None
        front.handlers.append(self.handle)

    def handle(self, request: Request) -> Answer | None:
        if request.path == "/_security/_authenticate":
            return Answer.json(
                {
                    "username": "elastic",
                    "roles": ["superuser"],
                    "enabled": True,
                    "authentication_type": "realm",
                }
            )
        if request.path == "/_security/user/_has_privileges":
            return Answer.json(self._privileges(request))
        return None

    def _privileges(self, request: Request) -> dict[str, object]:
        asked = request.json()

        def has(names: list[str]) -> dict[str, bool]:
            return {name: self.granted is None or name in self.granted for name in names}

        return {
            "username": "elastic",
            "has_all_requested": self.granted is None,
            "cluster": has(asked["cluster"]),
            "index": {
                name: has(one["privileges"]) for one in asked["index"] for name in one["names"]
            },
            "application": {},
        }
