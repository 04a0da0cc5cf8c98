"""Links lead somewhere, and no document names a host that is not meant for readers."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.documents import DOCUMENTS, PROJECT, anchors, links

HOSTS = {
    "affineur.dev",
    "access.redhat.com",
    "cdn.redhat.com",
    "curl.se",
    "dl.fedoraproject.org",
    "docs.docker.com",
    "docs.oasis-open.org",
    "docs.openssl.org",
    "github.com",
    "google.github.io",
    "json-schema.org",
    "keepachangelog.com",
    "mirrors.fedoraproject.org",
    "repo.almalinux.org",
    "secdb.alpinelinux.org",
    "vault.centos.org",
    "osv-vulnerabilities.storage.googleapis.com",
    "security-tracker.debian.org",
    "semver.org",
    "specifications.freedesktop.org",
}
"""Real hosts that documents may name: specifications, the default places of feeds, distributions' own places that are
known as references; and the name of our own kind of attestation, which nobody fetches. Others end in `.example`."""
each_document = pytest.mark.parametrize(
    "document", [pytest.param(path, id=path.relative_to(PROJECT).as_posix()) for path in DOCUMENTS]
)


@each_document
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in links(document):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (document.parent / file).resolve() if file else document
        assert there.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(there), f"{target}: no such heading"


@each_document
def test_only_known_hosts_are_named(document: Path) -> None:
    for url in re.findall(r"https?://[^\s)>\"'`\]]+", document.read_text("utf-8")):
        host = urlsplit(url).hostname or ""
        assert host.endswith(".example") or host in HOSTS or host.startswith("127."), url


def test_every_document_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [PROJECT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in seen:
            continue
        seen.add(document)
        targets = [(document.parent / target.partition("#")[0]).resolve() for target in links(document)]
        waiting += [target for target in targets if target.suffix == ".md" and target.is_file()]
    assert {path.resolve() for path in DOCUMENTS} - seen == set()
