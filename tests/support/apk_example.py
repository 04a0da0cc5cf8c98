"""An image of Alpine for the tutorial's small world, with its indexes, security databases and OSV's record.

`team/alpine:1` lacks two fixes of openssl. One flaw became known after a package with its fix was built: that fix is
dated. Of the other it is only known by when it was out: a bound. The world's own key is pinned in place of Alpine's.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path

from support.apk import Key, packed_index, record, signed_index
from support.feeds import record as osv_record
from support.registry import Registry, tar_of

__all__ = ["MIRRORS", "alpine_files", "alpine_flaws", "push_alpine", "references"]

RELEASE = "3.22"
HOST = "https://dl-cdn.alpinelinux.org/alpine"
MIRRORS = {HOST: "apk/alpine", "https://secdb.alpinelinux.org": "apk/secdb"}
"""Host → the folder of the archive that it is mapped to."""
HIGH = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}]  # 7.5
INSTALLED = [("alpine-base", "3.22.1-r0", ""), ("musl", "1.2.5-r10", ""), ("libssl3", "3.5.0-r0", "openssl")]
DATED, BOUND = "CVE-2026-1004", "CVE-2026-1005"


def push_alpine(registry: Registry, today: datetime) -> None:
    """Push the image."""
    database = "\n".join(
        f"C:Q1=\nP:{name}\nV:{version}\nA:x86_64\nS:1\nI:2\no:{origin or name}\nF:usr\nR:{name}\nZ:Q1=\n"
        for name, version, origin in INSTALLED
    )
    members = {
        "etc/os-release": f'ID=alpine\nVERSION_ID={RELEASE}.1\nPRETTY_NAME="Alpine Linux v{RELEASE}"\n'.encode(),
        "etc/apk/arch": b"x86_64\n",
        "etc/apk/repositories": f"{HOST}/v{RELEASE}/main\n{HOST}/v{RELEASE}/community\n".encode(),
        "etc/apk/world": b"alpine-base\nlibssl3\n",
        f"etc/apk/keys/{Key().name}": Key().pem,
        "lib/apk/db/installed": database.encode(),
    }
    created = (today - timedelta(days=100)).strftime("%Y-%m-%dT06:30:00Z")
    registry.push("team/alpine", "1", layers=[tar_of(members)], config={"created": created})


def alpine_files(today: datetime) -> dict[str, bytes]:
    """Path below the archive → content, of the indexes and the security databases."""

    def built(name: str, version: str, days: int, origin: str = "") -> str:
        return record(name, version, int((today - timedelta(days=days)).timestamp()), origin=origin)

    offered = {
        "main": [
            *(built(name, version, 100, origin) for name, version, origin in INSTALLED),
            built("apk-tools", "2.14.9-r2", 100),
            built("libssl3", "3.5.1-r0", 60, "openssl"),
            built("libssl3", "3.5.2-r0", 20, "openssl"),
        ],
        "community": [built("tree", "2.2.1-r0", 1)],
    }
    offered["main"].append(built("fresh", "1-r0", 1))
    fixes = {"3.5.1-r0": [DATED], "3.5.2-r0": [BOUND]}
    databases = {"main": [{"pkg": {"name": "openssl", "secfixes": fixes}}], "community": []}
    files: dict[str, bytes] = {}
    for name, records in offered.items():
        content = packed_index(records, f"v{RELEASE}.1-13-g4d933a1fa3")
        files[f"apk/alpine/v{RELEASE}/{name}/x86_64/APKINDEX.tar.gz"] = signed_index(content, Key())
        files[f"apk/secdb/v{RELEASE}/{name}.json"] = json.dumps({"packages": databases[name]}).encode()
    return files


def alpine_flaws(today: datetime) -> list[dict[str, object]]:
    """OSV's records: the first flaw is younger than its fix, the second older."""
    return [
        osv_record(
            f"ALPINE-{cve}",
            cves=[cve],
            published=(today - timedelta(days=days)).strftime("%Y-%m-%dT12:00:00Z"),
            severity=HIGH,
        )
        for cve, days in ((DATED, 40), (BOUND, 300))
    ]


def references(folder: Path) -> str:
    """Lines of the configuration file that pin this world's key in the place of Alpine's."""
    keyring = folder / "alpine.pem"
    keyring.write_bytes(Key().pem)
    return "".join(
        f'[[reference]]\ndistribution = "alpine"\nrelease = "{RELEASE}"\nsuite = "{name}"\n'
        f'keys = ["{Key().fingerprint}"]\nkeyring = "{keyring}"\nuri = "{HOST}/v{RELEASE}/{name}"\nmax-age-days = 7\n'
        for name in ("main", "community")
    )
