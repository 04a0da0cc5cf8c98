"""What the tutorial's small world has to be moved: `team/tools`, of two platforms, and a registry that can be written.

`team/tools` has the versions that people sync: 1.0.0, 1.0.1, 1.1.0 (which is `latest`, and has an SBOM and a signature
of cosign's older kind), and 2.0.0-rc.1. `prod.example` is empty, and on loopback by registries.conf.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path

from support.registry import OCI_MANIFEST, Registry, tar_of

__all__ = ["PROD", "push_tools", "registries_conf"]

PROD = "prod.example"
TOOLS = "team/tools"
EMPTY = "application/vnd.oci.empty.v1+json"
SPDX = "application/spdx+json"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"


def push_tools(registry: Registry, today: datetime) -> None:
    """Keep the versions of `team/tools`; dates count from today."""
    for tag, days in (("1.0.0", 90), ("1.0.1", 60), ("1.1.0", 20), ("2.0.0-rc.1", 5)):
        created = (today - timedelta(days=days)).strftime("%Y-%m-%dT06:30:00Z")
        children = [
            {
                "digest": registry.push(
                    TOOLS,
                    None,
                    layers=[tar_of({"usr/bin/tool": f"{tag} {architecture}\n".encode() * 4096})],
                    config={"created": created},
                    architecture=architecture,
                ),
                "platform": {"os": "linux", "architecture": architecture},
            }
            for architecture in ("amd64", "arm64")
        ]
        index = registry.push_index(TOOLS, tag, children)
        if tag == "1.1.0":
            registry.held(TOOLS).tags["latest"] = index
            _speak(registry, index)


def registries_conf(folder: Path, registry: Registry) -> Path:
    """A registries.conf by which `prod.example` is a registry on loopback."""
    file = folder / "registries.conf"
    file.write_text(f'[[registry]]\nprefix = "{PROD}"\nlocation = "{registry.host}"\n')
    return file


def _speak(registry: Registry, index: str) -> None:
    """An SBOM that is listed at the referrers tag, and a signature at cosign's."""
    content, media_type = registry.held(TOOLS).manifests[index]
    subject = {"mediaType": media_type, "digest": index, "size": len(content)}
    sbom = registry.add_manifest(
        TOOLS, None, _artifact(registry, SPDX, b'{"spdxVersion": "SPDX-2.3"}', subject), OCI_MANIFEST
    )
    registry.push_index(TOOLS, index.replace(":", "-"), [{"digest": sbom, "artifactType": SPDX}])
    signature = _artifact(registry, SIMPLE, b'{"critical": {}}', None)
    registry.add_manifest(TOOLS, f"{index.replace(':', '-')}.sig", signature, OCI_MANIFEST)


def _artifact(registry: Registry, kind: str, content: bytes, subject: dict[str, object] | None) -> bytes:
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": EMPTY, "digest": registry.add_blob(TOOLS, b"{}"), "size": 2},
        "layers": [{"mediaType": kind, "digest": registry.add_blob(TOOLS, content), "size": len(content)}],
        **({"artifactType": kind, "subject": subject} if subject else {}),
    }
    return json.dumps(manifest).encode()
