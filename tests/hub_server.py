"""A small server that speaks the Hugging Face Hub's protocol on loopback: folders as repositories, and their faults.

What it answers is what the hub answers: the same paths, statuses, headers and error codes. Large files are redirected
to another host name, as the hub redirects them to its storage; a token must not follow them there.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from loopback_server import LoopbackServer

LARGE = (".safetensors", ".parquet", ".bin", ".png")  # as Git LFS has them
TOKEN, STRANGER = "hf_good", "hf_stranger"  # one whose owner accepted every repository's terms, one who did not
_API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(.+))?")
_FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/(resolve/.+)")


@dataclass
class Repository:
    """A folder for each commit, and what is wrong with the repository.

    Attributes:
        gated: its files are only for ``TOKEN``.
        fails: every request of it ends with status 500.
        cuts: how many further downloads of each file that ends with ``cut_name`` break off half-way.
        delay: seconds before a large file is sent.
    """

    kind: Literal["models", "datasets"]
    name: str
    commits: Mapping[str, Path]
    gated: bool = False
    fails: bool = False
    cut_name: str = ""
    cuts: int = 0
    delay: float = 0.0

    def files(self, commit: str) -> dict[str, bytes]:
        folder = self.commits[commit]
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


class HubServer(LoopbackServer):
    """Serves repositories until its block ends, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[str] = []
        self.leaked: list[str] = []  # requests of the storage that carry a token

    def add(self, repository: Repository) -> Repository:
        self.repositories[repository.kind, repository.name] = repository
        return repository


@dataclass
class _Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: int | None = None  # bytes of the body before the connection is closed; None for all


def _error(status: int, message: str, code: str = "") -> _Answer:
    headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
    return _Answer(status, headers, json.dumps({"error": message}).encode())


def _json(value: Any) -> _Answer:
    return _Answer(200, {"Content-Type": "application/json"}, json.dumps(value).encode())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HubServer

    def do_GET(self) -> None:
        self._send(self._answer())

    do_HEAD = do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output free of requests; ``HubServer.requests`` has them."""

    def _send(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        for name, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            with suppress(ConnectionError):  # a client that does not wait any longer
                self.wfile.write(answer.body[: answer.sent])
        if answer.sent is not None:
            self.close_connection = True

    def _answer(self) -> _Answer:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked_for = self.headers.get("Range")
        with self.server.lock:
            self.server.requests.append(f"{self.command} {self.path}" + (f" {asked_for}" if asked_for else ""))
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/storage/"):
            return self._stored(path.removeprefix("/storage/"))
        if match := _API.fullmatch(path):
            kind, name, rest = match.groups()
            return self._of_repository(kind, name, (rest or "").split("/"), body)
        if match := _FILE.fullmatch(path):
            kind, name, rest = match.groups()
            return self._of_repository("datasets" if kind else "models", name, rest.split("/"), body)
        return _error(404, "Sorry, we can't find the page you are looking for.")

    def _token(self) -> str:
        return str(self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _of_repository(self, kind: str, name: str, rest: list[str], body: str) -> _Answer:
        token = self._token()
        if token not in ("", TOKEN, STRANGER):
            return _error(401, "Invalid credentials in Authorization header")
        repository = self.server.repositories.get((kind, name))
        if repository is None:
            # Without a token, the hub does not say whether a private repository exists.
            return (
                _error(404, "Repository not found", "RepoNotFound")
                if token
                else _error(401, "Invalid username or password.", "RepoNotFound")
            )
        if repository.fails:
            answer = _error(500, "Internal Error - We're working hard to fix this as soon as possible!")
            return _Answer(500, answer.headers | {"Retry-After": "0"}, answer.body)
        action, commit = (rest[0], rest[1]) if len(rest) > 1 else ("revision", list(repository.commits)[-1])
        if commit not in repository.commits:
            return _error(404, f"Invalid rev id: {commit}", "RevisionNotFound")
        if action == "resolve":
            if repository.gated and token != TOKEN:
                return _error(403 if token else 401, f"Access to {kind[:-1]} {name} is restricted.", "GatedRepo")
            return self._resolved(repository, commit, "/".join(rest[2:]))
        files = repository.files(commit)
        if action == "revision":
            siblings = [{"rfilename": file} for file in files]
            return _json({"id": name, "sha": commit, "private": False, "gated": False, "siblings": siblings})
        if action == "tree":
            return self._tree(files, "/".join(rest[2:]))
        if action == "paths-info":
            wanted = parse_qs(body).get("paths", []) if "=" in body else json.loads(body)["paths"]
            entries = [*_folders(files), *(_entry(file, content) for file, content in files.items())]
            return _json([entry for entry in entries if entry["path"] in wanted])
        return _error(404, "Sorry, we can't find the page you are looking for.")

    def _tree(self, files: Mapping[str, bytes], below: str) -> _Answer:
        entries = [*_folders(files), *(_entry(file, content) for file, content in files.items())]
        start = f"{below}/" if below else ""
        found = [entry for entry in entries if entry["path"].startswith(start)]
        if below and not found:
            return _error(404, f"{below} does not exist", "EntryNotFound")
        if parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower() not in ("true", "1"):
            found = [entry for entry in found if "/" not in entry["path"].removeprefix(start)]
        return _json(found)

    def _resolved(self, repository: Repository, commit: str, file: str) -> _Answer:
        content = repository.files(commit).get(file)
        said = {"X-Repo-Commit": commit}
        if content is None:
            answer = _error(404, "Entry not found", "EntryNotFound")
            return _Answer(answer.status, answer.headers | said, answer.body)
        if not file.endswith(LARGE):
            return self._content(content, said | {"ETag": f'"{_git_hash(content)}"'}, repository, file)
        said |= {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"'}
        place = f"{repository.kind}/{repository.name}/{commit}/{file}"
        return _Answer(302, {**said, "Location": f"http://localhost:{self.server.server_port}/storage/{place}"})

    def _stored(self, place: str) -> _Answer:
        """A large file; whoever has its address gets it, without a token."""
        kind, owner, name, commit, file = place.split("/", 4)
        if self._token():
            self.server.leaked.append(self.path)
        repository = self.server.repositories[kind, f"{owner}/{name}"]
        time.sleep(repository.delay)
        content = repository.files(commit)[file]
        return self._content(content, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'}, repository, file)

    def _content(self, content: bytes, headers: dict[str, str], repository: Repository, file: str) -> _Answer:
        asked_for = str(self.headers.get("Range") or "")
        headers = {"Accept-Ranges": "bytes", **headers}
        status = 200
        if asked_for:
            first, _, last = asked_for.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(content)), len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            status, content = 206, content[start : end + 1]
        sent = None
        with self.server.lock:
            if self.command == "GET" and repository.cuts and file.endswith(repository.cut_name):
                repository.cuts -= 1
                sent = len(content) // 2
        return _Answer(status, headers, content, sent)


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(file: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": file, "size": len(content), "oid": _git_hash(content)}
    if file.endswith(LARGE):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry


def _folders(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    names = sorted({parent.as_posix() for file in files for parent in Path(file).parents if parent.name})
    return [{"type": "directory", "path": name, "size": 0, "oid": _git_hash(name.encode())} for name in names]
