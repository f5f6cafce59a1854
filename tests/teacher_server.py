"""A small server on loopback that speaks OpenAI's chat completions, deterministically, with faults on demand."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from typing import Any

from loopback_server import LoopbackServer

MODEL = "teacher-72b"
Fault = int | str  # a status, or "no JSON", "no choices", "close" or "slow"


class TeacherServer(LoopbackServer):
    """Replies to each request by ``reply``; the first requests may fail.

    Attributes:
        faults: what becomes of the first requests, in their order.
        key: that a request must carry; None for none.
        delay: seconds until a reply.
        asked: how often each request came, by a hash of its body.
        most: how many requests were answered at once, at most.
    """

    def __init__(self, reply: Callable[[str, int], str], faults: Iterator[Fault] | None = None) -> None:
        super().__init__(_Handler)
        self.reply, self.faults = reply, faults or iter(())
        self.key: str | None = None
        self.delay = 0.0
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.at_once = self.most = 0

    @property
    def url(self) -> str:
        return f"{super().url}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TeacherServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self._is_refused():
            return
        self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        body, server = json.loads(content), self.server
        with server.lock:
            server.asked[sha256(content).hexdigest()] += 1
            server.bodies.append(body)
            fault = next(server.faults, None)
            server.at_once += 1
            server.most = max(server.most, server.at_once)
        try:
            self._answer(body, fault)
        finally:
            with server.lock:
                server.at_once -= 1

    def _answer(self, body: dict[str, Any], fault: Fault | None) -> None:
        server = self.server
        time.sleep(10 if fault == "slow" else server.delay)
        if self._is_refused():
            return
        if body["model"] != MODEL:
            self._send(404, {"error": {"message": f"The model `{body['model']}` does not exist"}})
        elif isinstance(fault, int):
            self._send(fault, {"error": {"message": f"fault {fault}"}}, retry_after="0.05" if fault == 429 else None)
        elif fault == "no JSON":
            self._send_bytes(200, b"<html>", {"Content-Type": "application/json"})
        elif fault == "no choices":
            self._send(200, {"id": "x", "object": "chat.completion", "choices": []})
        elif fault == "close":
            self.close_connection = True
        else:
            parts = body["messages"][-1]["content"]
            question = " ".join(part["text"] for part in parts if part["type"] == "text")
            message = {"role": "assistant", "content": server.reply(question, body["seed"])}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
            reply = {"id": "x", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice]}
            self._send(200, {**reply, "usage": usage})

    def _is_refused(self) -> bool:
        key = self.server.key
        if key is None or self.headers.get("Authorization") == f"Bearer {key}":
            return False
        self._send(401, {"error": {"message": "Incorrect API key provided"}})
        return True

    def _send(self, status: int, value: Any, retry_after: str | None = None) -> None:
        headers = {"Content-Type": "application/json"}
        headers |= {"Retry-After": retry_after} if retry_after else {}
        self._send_bytes(status, json.dumps(value).encode(), headers)

    def _send_bytes(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
