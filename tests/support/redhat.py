"""The two errata of the article, as a repository's notices, and the lines that yum printed of them."""

import json
import re
from pathlib import Path

from support.rpm_world import notice

__all__ = ["ARTICLE", "flaws_of_the_article", "notices_of_the_article"]

ARTICLE = """\
RHSA-2019:0679 Important/Sec. libssh2-1.4.3-12.el7_6.2.x86_64
RHSA-2019:0710 Important/Sec. python-2.7.5-77.el7_6.x86_64
RHSA-2019:0710 Important/Sec. python-libs-2.7.5-77.el7_6.x86_64
"""


def notices_of_the_article(corpus: Path) -> tuple[str, ...]:
    """The <update> of each."""
    return tuple(_of_oval(corpus / "errata" / f"RHSA-2019_{number}.oval.json") for number in ("0679", "0710"))


def flaws_of_the_article(corpus: Path) -> dict[str, tuple[str, float, str]]:
    """CVE → Red Hat's impact, the base score that it states, and the CVSS vector."""
    found = {}
    for number in ("0679", "0710"):
        document = json.loads((corpus / "errata" / f"RHSA-2019_{number}.oval.json").read_text())
        for each in document["Metadata"]["Advisory"]["Cves"]:
            score, _, vector = each["Cvss3"].partition("/")
            found[each["CveID"]] = (each["Impact"], float(score), vector)
    return found


def _of_oval(path: Path) -> str:
    """The notice that an OVAL definition of Red Hat's describes: its packages are those "earlier than" a version."""
    document = json.loads(path.read_text())
    about = document["Metadata"]
    packages = re.findall(r'"Comment": "(\S+) is earlier than 0:(\S+)"', path.read_text())
    return notice(
        about["References"][0]["RefID"],
        [(name, version, architecture, "") for name, version in packages for architecture in ("x86_64", "i686")],
        severity=about["Advisory"]["Severity"],
        issued=f"{about['Advisory']['Issued']['Date']} 00:00:00",
        cves=[each["RefID"] for each in about["References"] if each["Source"] == "CVE"],
    )
