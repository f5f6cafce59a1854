"""A small server that speaks the part of the Hugging Face Hub's protocol by which repositories are written.

It answers as the hub does: creation, the check of a card's YAML, preupload, the batch API of Git LFS with its storage
and verification, commits as NDJSON, and the tree of a repository. It holds the bytes that it was sent, and can fail.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from loopback_server import LoopbackServer

READER, WRITER = "hf_reader", "hf_writer"  # a token that may not write, and one that may
_LARGE = (".safetensors", ".png")


@dataclass
class Written:
    """A repository: its files, those of each commit, and whether it is private."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=lambda: ["0" * 40])


@dataclass
class Fault:
    """A request whose path holds ``path`` ends with ``status``, or its connection is cut; ``times`` times."""

    path: str
    status: int | None
    times: int = 1


class UploadServer(LoopbackServer):
    """Holds repositories until its block ends, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.repositories: dict[str, Written] = {}
        self.objects: dict[str, bytes] = {}  # of Git LFS, by sha256
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.damage: Callable[[bytes], bytes] = bytes  # what becomes of a file that a commit holds in itself


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: UploadServer

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        with self.server.lock:
            self.server.requests.append(f"{self.command} {path}")
            fault = next((one for one in self.server.faults if one.times and one.path in path), None)
            if fault:
                fault.times -= 1
            if fault and fault.status is None:
                self.close_connection = True
                self.connection.close()
                return
            status, answer = (fault.status, {"error": "fault"}) if fault else self._answer(path, body)
        content = json.dumps(answer).encode()
        self.send_response(int(status or 500))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output free of requests."""

    def _answer(self, path: str, body: bytes) -> tuple[int, Any]:
        if path.startswith("/storage/"):  # by an address that the hub has signed
            self.server.objects[path.removeprefix("/storage/")] = body
            return 200, {}
        token = str(self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in (READER, WRITER):
            return 401, {"error": "Invalid credentials in Authorization header"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if self.command == "POST" and token != WRITER:
            return 403, {"error": "Forbidden: you must use a write token"}
        if path == "/api/repos/create":
            return self._created(json.loads(body))
        if match := re.fullmatch(r"/(.+/.+)\.git/info/lfs/objects/(batch|verify)", path):
            return self._large(match[1], match[2], json.loads(body))
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(preupload|commit|tree|revision)/([^/]+))?", path)
        repository = self.server.repositories.get(match[1]) if match else None
        if match is None or repository is None:
            return 404, {"error": "Repository not found"}
        if match[2] == "preupload":
            files = [
                {"path": one["path"], "uploadMode": "lfs" if one["path"].endswith(_LARGE) else "regular"}
                for one in json.loads(body)["files"]
            ]
            oids = {name: entry(name, content)["oid"] for name, content in repository.files.items()}
            return 200, {"files": [{**one, "shouldIgnore": False, "oid": oids.get(one["path"])} for one in files]}
        if match[2] == "commit":
            return self._committed(match[1], repository, [json.loads(line) for line in body.splitlines()])
        if match[2] == "tree":
            return 200, [entry(name, content) for name, content in sorted(repository.files.items())]
        siblings = [{"rfilename": name} for name in sorted(repository.files)]
        return 200, {"id": match[1], "sha": repository.commits[-1], "private": repository.private, "siblings": siblings}

    def _created(self, asked: dict[str, Any]) -> tuple[int, Any]:
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.server.repositories:
            return 409, {"error": "You already created this model repo", "url": f"{self.server.url}/{name}"}
        private = asked.get("visibility") == "private" or asked.get("private") is True
        self.server.repositories[name] = Written(private, {".gitattributes": b"*.safetensors filter=lfs\n"})
        return 200, {"url": f"{self.server.url}/{name}", "name": name}

    def _large(self, name: str, action: str, asked: dict[str, Any]) -> tuple[int, Any]:
        held = self.server.objects
        if action == "verify":
            is_whole = hashlib.sha256(held.get(asked["oid"], b"")).hexdigest() == asked["oid"]
            return (200, {}) if is_whole else (422, {"error": "the object is damaged"})
        objects = []
        for one in asked["objects"]:
            links = {"upload": f"/storage/{one['oid']}", "verify": f"/{name}.git/info/lfs/objects/verify"}
            actions = {key: {"href": f"{self.server.url}{link}"} for key, link in links.items()}
            objects.append({**one, **({} if one["oid"] in held else {"actions": actions})})
        return 200, {"transfer": "basic", "objects": objects}

    def _committed(self, name: str, repository: Written, lines: list[dict[str, Any]]) -> tuple[int, Any]:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                repository.files[value["path"]] = self.server.damage(base64.b64decode(value["content"]))
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.server.objects:
                    return 400, {"error": f"{value['path']} was not uploaded"}
                repository.files[value["path"]] = self.server.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del repository.files[value["path"]]
        repository.commits.append(hashlib.sha1(str(sorted(repository.files.items())).encode()).hexdigest())
        commit = repository.commits[-1]
        return 200, {"success": True, "commitOid": commit, "commitUrl": f"{self.server.url}/{name}/commit/{commit}"}


def entry(name: str, content: bytes) -> dict[str, Any]:
    """A file in a repository's tree. The oid of a large file is that of its pointer, which nobody compares here."""
    found: dict[str, Any] = {"type": "file", "path": name, "size": len(content)}
    if name.endswith(_LARGE):
        sha256 = hashlib.sha256(content).hexdigest()
        return found | {"oid": sha256[:40], "lfs": {"oid": sha256, "size": len(content), "pointerSize": 134}}
    return found | {"oid": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()}
