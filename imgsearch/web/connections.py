"""Connections that do not wait for ever: one on which no request arrives is closed."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


class PatientConnection(H11Protocol):
    """uvicorn's connection, closed where no request has begun to be answered within
    `timeout_keep_alive` seconds: uvicorn itself limits only the time between two requests."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # so does uvicorn
        super().connection_made(transport)
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        waiting = self.timeout_keep_alive_task  # which uvicorn ends at the first byte
        deadline = None if waiting is None else waiting.when()
        super().data_received(data)
        if deadline is not None and self._is_between_requests() and not self._is_waiting():
            self._wait_for_request(deadline)

    def _is_between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _is_waiting(self) -> bool:
        return self.timeout_keep_alive_task is not None

    def _wait_for_request(self, until: float | None = None) -> None:
        until = self.loop.time() + self.timeout_keep_alive if until is None else until
        self.timeout_keep_alive_task = self.loop.call_at(until, self.timeout_keep_alive_handler)
