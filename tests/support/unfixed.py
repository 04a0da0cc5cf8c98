"""What vendors publish of flaws without a fix, made small: Debian's tracker, Ubuntu's OpenVEX, Red Hat's CSAF VEX."""

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["TRACKER", "red_hat_document", "tarred", "ubuntu_document"]

TRACKER: dict[str, Any] = {
    "openssl": {
        "CVE-2024-4741": {
            "description": "Use After Free with SSL_free_buffers",
            "scope": "remote",
            "releases": {
                "bookworm": {
                    "status": "resolved",
                    "repositories": {"bookworm": "3.0.15-1~deb12u1", "bookworm-security": "3.0.14-1~deb12u2"},
                    "fixed_version": "3.0.14-1~deb12u1",
                    "urgency": "not yet assigned",
                },
                "bullseye": {
                    "status": "open",
                    "repositories": {"bullseye": "1.1.1w-0+deb11u1"},
                    "urgency": "not yet assigned",
                    "nodsa": "Minor issue",
                    "nodsa_reason": "",
                },
            },
        },
        "CVE-2024-13176": {
            "debianbug": 1094027,
            "releases": {
                "bookworm": {
                    "status": "open",
                    "repositories": {"bookworm": "3.0.15-1~deb12u1", "bookworm-security": "3.0.14-1~deb12u2"},
                    "urgency": "not yet assigned",
                    "nodsa": "Minor issue; can be fixed in next update",
                    "nodsa_reason": "postponed",
                }
            },
        },
        "TEMP-0000000-1AB2C3": {"releases": {"bookworm": {"status": "open", "urgency": "low"}}},
    },
    "tar": {
        "CVE-2005-2541": {
            "releases": {
                "bookworm": {"status": "open", "repositories": {"bookworm": "1.34+dfsg-1.2"}, "urgency": "unimportant"}
            }
        }
    },
    "binutils": {
        "CVE-2018-20673": {
            "releases": {"bookworm": {"status": "open", "urgency": "low", "nodsa": "", "nodsa_reason": "ignored"}}
        }
    },
    "libxml2": {
        "CVE-2026-1000": {"releases": {"bookworm": {"status": "open", "urgency": "high"}}},
        "CVE-2026-1001": {"releases": {"bookworm": {"status": "undetermined", "urgency": "not yet assigned"}}},
    },
    "chromium": {"CVE-2024-5830": {"releases": {"bullseye": {"status": "open", "urgency": "end-of-life"}}}},
}
"""In the shape of https://security-tracker.debian.org/tracker/data/json."""

_STATED = [
    ("jammy", "ubuntu", "1.9.4-3ubuntu3", "affected", "The package is vulnerable and needs fixing."),
    (
        "focal",
        "ubuntu",
        "1.8.5-5ubuntu1.1",
        "affected",
        "This package is vulnerable to the CVE, the problem is understood, but the Ubuntu Security Team decided to not"
        " fix it.",
    ),
    (
        "noble",
        "ubuntu",
        "1.10.3-2build1",
        "under_investigation",
        "The vulnerability of this package (for the given release) is not known and needs to be evaluated.",
    ),
    (
        "xenial",
        "esm-infra",
        "1.6.5-2ubuntu0.6+esm1",
        "under_investigation",
        "The vulnerability is known but remediation is deferred.",
    ),
    ("bionic", "ubuntu", "1.8.1-4ubuntu1.3", "not_affected", ""),
    ("trusty", "ubuntu", "1.5.3-2ubuntu4.6", "fixed", "An update has been uploaded and published."),
]


def ubuntu_document(form: str = "new") -> bytes:
    """CVE-2024-2236 of libgcrypt20 with one statement of each status, in the form of old documents or of new ones."""
    statements = []
    for codename, archive, version, status, text in _STATED:
        release = f"?arch=source&distro={codename}" if form == "new" else f"?arch=src?distro={archive}/{codename}"
        products = [
            f"pkg:deb/ubuntu/libgcrypt20@{version}{release}",
            f"pkg:deb/ubuntu/libgcrypt20@{version}?arch=amd64",
        ]
        statements.append(
            {
                "vulnerability": {"name": "CVE-2024-2236", "@id": "https://nvd.nist.gov/vuln/detail/CVE-2024-2236"},
                "timestamp": "2024-03-06 22:15:00 UTC",
                "products": [{"@id": product} for product in products],
                "status": status,
                ("action_statement" if status == "affected" else "status_notes"): text,
            }
        )
    about = {"@context": "https://openvex.dev/ns/v0.2.0", "author": "Canonical Ltd.", "version": 2}
    whole = {**about, "statements": statements} if form == "new" else {"metadata": about, "statements": statements}
    return json.dumps(whole).encode()


def red_hat_document(
    cve: str,
    *,
    affected: Mapping[str, str] = {},
    asked: Iterable[str] = (),
    not_affected: Iterable[str] = (),
    impact: str = "",
    vectors: Iterable[str] = (),
    cpe: str = "cpe:/o:redhat:enterprise_linux:{}",
) -> bytes:
    """A VEX document as Red Hat makes them.

    Args:
        affected: "<major version>:<component>" → details of the remediation; `asked` and `not_affected` likewise.
        impact: the document's aggregate severity; `vectors` are CVSS 3, each in a score of its own.
        cpe: of the platform, `{}` for the major version.
    """
    products = [*affected, *asked, *not_affected]
    pairs = [product.split(":", 1) for product in products]
    platforms = [
        {
            "category": "product_name",
            "name": f"Red Hat Enterprise Linux {major}",
            "product": {
                "name": f"Red Hat Enterprise Linux {major}",
                "product_id": f"red_hat_enterprise_linux_{major}",
                "product_identification_helper": {"cpe": cpe.format(major)},
            },
        }
        for major in sorted({major for major, _ in pairs})
    ]
    components = [
        {"category": "product_version", "name": name, "product": {"name": name, "product_id": name}}
        for name in sorted({name for _, name in pairs})
    ]

    def product(short: str) -> str:
        return f"red_hat_enterprise_linux_{short}"

    planned = {"Will not fix", "Out of support scope"}
    return json.dumps(
        {
            "document": {"category": "csaf_vex", "csaf_version": "2.0"}
            | (
                {"aggregate_severity": {"namespace": "https://access.redhat.com/security/", "text": impact}}
                if impact
                else {}
            ),
            "product_tree": {
                "branches": [{"branches": [*platforms, *components], "category": "vendor", "name": "Red Hat"}],
                "relationships": [
                    {
                        "category": "default_component_of",
                        "full_product_name": {"name": short, "product_id": product(short)},
                        "product_reference": name,
                        "relates_to_product_reference": f"red_hat_enterprise_linux_{major}",
                    }
                    for short, (major, name) in zip(products, pairs, strict=True)
                ],
            },
            "vulnerabilities": [
                {
                    "cve": cve,
                    "scores": [{"cvss_v3": {"vectorString": vector}, "products": []} for vector in vectors],
                    "product_status": {
                        "known_affected": [product(short) for short in affected],
                        "under_investigation": [product(short) for short in asked],
                        "known_not_affected": [product(short) for short in not_affected],
                    },
                    "remediations": [
                        {"category": "workaround", "details": "Do not.", "product_ids": [product(p) for p in affected]},
                        *(
                            {
                                "category": "no_fix_planned" if details in planned else "none_available",
                                "details": details,
                                "product_ids": [product(short)],
                            }
                            for short, details in affected.items()
                        ),
                    ],
                    "threats": [
                        {"category": "impact", "details": "Low", "product_ids": [product(short) for short in affected]}
                    ],
                }
            ],
        }
    ).encode()


def tarred(documents: Mapping[str, bytes], compression: str = "gz") -> bytes:
    """An archive of documents, in a folder for each year as both vendors have them."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, document in documents.items():
            member = tarfile.TarInfo(f"2023/{name}")
            member.size = len(document)
            archive.addfile(member, io.BytesIO(document))
    return content.getvalue()
