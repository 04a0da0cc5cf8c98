"""An OSV-like place of archives on loopback, and OSV records made from tables."""

import hashlib
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from affineur.errata.erratum import Erratum
from affineur.errata.noticed import Noticed
from affineur.evidence import Evidence, Unassessed

__all__ = ["FeedServer", "debian_records", "feed_server", "packed", "record", "told"]

TODAY = f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"
"""A feed whose newest record is older than some days is no base for a letter."""


def told(noticed: Noticed) -> tuple[list[Erratum], list[Unassessed], list[Evidence]]:
    """What was found, what could not be told, and the evidence."""
    return list(noticed.errata), list(noticed.unassessed), list(noticed.evidence)


def record(
    identifier: str,
    fixes: Iterable[tuple[str, str, str]] = (),
    *,
    cves: Iterable[str] = (),
    published: str | None = "2024-01-02T03:04:05Z",
    **more: Any,
) -> dict[str, Any]:
    """Make an OSV record; `fixes` are (ecosystem, source package, fixed version)."""
    made: dict[str, Any] = {
        "schema_version": "1.7.0",
        "id": identifier,
        "summary": f"{identifier} - security update",
        "modified": TODAY,
        "upstream": list(cves),
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": source},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": version}]}],
            }
            for ecosystem, source, version in fixes
        ],
        **more,
    }
    if published:
        made["published"] = published
    return made


def debian_records(table: Path, ecosystem: str = "Debian:12") -> list[dict[str, Any]]:
    """Turn a table of advisories (id, date, source, fixed, cves) into OSV records, rows of one id into one record."""
    rows = [line.split("\t") for line in table.read_text().splitlines()[1:]]
    grouped: dict[str, list[list[str]]] = {}
    for row in rows:
        grouped.setdefault(row[0], []).append(row)
    return [
        record(
            identifier,
            [(ecosystem, source, fixed) for _, _, source, fixed, _ in of_one],
            cves=[cve for row in of_one for cve in row[4].split(",") if cve],
            published=f"{of_one[0][1]}T00:00:00Z",
        )
        for identifier, of_one in grouped.items()
    ]


def packed(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Make an archive as OSV does: one `<id>.json` for each record."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in records:
            member = zipfile.ZipInfo(f"{one['id']}.json")  # dated 1980: the same records make the same bytes
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, json.dumps(one))
    return content.getvalue()


class FeedServer:
    """Serves `archives` (feed name → bytes) at `/<feed>/all.zip`, with ETag and 304.

    Attributes:
        requests: (path, If-None-Match, status) of each request, in order.
        delay_s: how long each piece of an answer is held back.
        failing: answer 503 to everything.
    """

    def __init__(self) -> None:
        self.archives: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, int]] = []
        self.delay_s = 0.0
        self.failing = False
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one GET."""
        asked = handler.headers.get("If-None-Match", "")
        content = self.archives.get(handler.path.removesuffix("/all.zip").strip("/"))
        etag = f'"{hashlib.md5(content).hexdigest()}"' if content is not None else ""
        status = 503 if self.failing else 404 if content is None else 304 if asked == etag else 200
        self.requests.append((handler.path, asked, status))
        handler.send_response(status)
        if status != 200 or content is None:
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        pieces = 10 if self.delay_s else 1
        size = len(content) // pieces + 1
        for start in range(0, len(content), size):
            time.sleep(self.delay_s)
            handler.wfile.write(content[start : start + size])
            handler.wfile.flush()


@contextmanager
def feed_server() -> Iterator[FeedServer]:
    """Run a FeedServer on a free port of 127.0.0.1."""
    place = FeedServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                place.answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    place.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield place
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
