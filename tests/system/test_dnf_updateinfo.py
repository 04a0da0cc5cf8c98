"""What we list of notices, and what the real dnf prints for the same root and repositories."""

import json
import lzma
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import pytest

from affineur.errata.erratum import Erratum
from affineur.errata.notices import Notice, list_lines, summary_lines
from affineur.errata.osv import read_record
from affineur.errata.rating import as_erratum
from affineur.errata.rpm.builds import active_contexts, listed, match_builds
from affineur.errata.rpm.updateinfo import read_updateinfo
from affineur.packages.rpm.database import RPM
from affineur.repositories.rpmmd.modules import read_modules
from support import rpms
from support.redhat import ARTICLE, notices_of_the_article
from support.rpm_roots import Rpm, record
from support.rpm_world import notice, updateinfo

pytestmark = pytest.mark.system

X, I686, N = "x86_64", "i686", "noarch"


@dataclass(frozen=True)
class Case:
    """Installed packages, and the notices of each repository.

    Attributes:
        streams: of modules.yaml: (name, stream, context); `enabled`: name → stream, in modules.d.
    """

    rule: str
    installed: tuple[Rpm, ...]
    repositories: tuple[tuple[str, ...], ...]
    streams: tuple[tuple[str, str, str], ...] = ()
    enabled: tuple[tuple[str, str], ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()


WORDS = ["Critical", "Important", "Moderate", "Low", "None", "low", "Urgent", ""]
A = (Rpm("a", "1-1", X),)
A2 = [("a", "2-1", X, "")]


def bare(text: str) -> str:
    """A notice whose severity was given as empty, without the element."""
    return text.replace("<severity></severity>", "")


CASES = [
    Case("a newer version", A, ((notice("N-1", A2),),)),
    Case("the same version, and an older one", A, ((notice("N-1", [("a", "1-1", X, "")]),), (notice("N-2", []),))),
    Case(
        "several notices for one package, by date",
        A,
        (
            (
                notice("N-1", A2, issued="2026-03-01 00:00:00"),
                notice("N-2", A2, issued="2026-01-01 00:00:00"),
                notice("N-3", [("a", "10-1", X, "")], issued="2025-01-01 00:00:00"),
                notice("N-4", [("a", "9-1", X, "")], issued="1764000000"),
                notice("N-5", A2, issued="2026-02-01 00:00:00 UTC"),
            ),
        ),
    ),
    Case(
        "several architectures, the newest of each",
        (Rpm("a", "1-1", X), Rpm("a", "2-1", I686), Rpm("a", "3-1", I686), Rpm("b", "1-1", N)),
        (
            (
                notice("N-1", [("a", "2-2", X, ""), ("a", "2-2", I686, ""), ("a", "2-2", "aarch64", "")]),
                notice("N-2", [("a", "3-2", X, ""), ("a", "3-2", I686, "")]),
                notice("N-4", [("a", "9-1", N, ""), ("a", "9-1", "src", "")]),
                notice("N-3", [("b", "2-1", X, ""), ("b", "1.5-1", N, "")]),
            ),
        ),
    ),
    Case(
        "kernels, of which several are installed",
        tuple(Rpm("kernel", v, X, provides=("installonlypkg(kernel)",)) for v in ("5-1", "5-3", "6-1")),
        ((notice("N-1", [("kernel", "5-2", X, ""), ("kernel", "6-2", X, ""), ("kernel", "7-1", X, "")]),),),
    ),
    Case(
        "epochs",
        (Rpm("a", "2:1-1", X), Rpm("b", "1-1", X), Rpm("c", "0:1-1", X)),
        ((notice("N-1", [(n, v, X, "") for n in "abc" for v in ("2-1", "1:1-1", "2:1-2", "3:0-1")]),),),
    ),
    Case(
        "every severity",
        A,
        (
            (
                *(notice(f"N-{n}", A2, severity=word) for n, word in enumerate(WORDS)),
                bare(notice("N-9", A2, severity="")),
                notice("N-10", [("a", "3-1", X, "")], severity="Low"),
            ),
        ),
    ),
    Case(
        "every kind",
        A,
        (
            tuple(
                notice(f"N-{kind}{n}", [("a", f"{n}-1", X, "")], kind=kind)
                for n, kind in enumerate(["security", "bugfix", "enhancement", "newpackage", "optional", "", "x"], 2)
            ),
        ),
    ),
    Case("no kind of security", A, ((notice("N-1", A2, kind="bugfix", severity="None"),),)),
    Case("a package twice in a notice", A, ((notice("N-1", [*A2, *A2]),),)),
    Case("a notice in two repositories", A, ((notice("N-1", A2),), (notice("N-1", A2), notice("N-2", A2)))),
    Case(
        "a notice split over two repositories",
        (*A, Rpm("b", "1-1", N)),
        ((notice("N-1", A2),), (notice("N-1", [("b", "2-1", N, "")]),)),
    ),
    Case(
        "not final",
        A,
        (
            (
                notice("N-1", A2).replace('"final"', '"testing"'),
                notice("N-2", [("a", "3-1", X, "")]).replace('"final"', '"retracted"'),
            ),
        ),
    ),
    Case(
        "many of one, so that the counts are aligned",
        A,
        (
            (
                *(notice(f"N-{n:03}", [("a", f"{n}-1", X, "")], severity="Low") for n in range(2, 110)),
                notice("N-1", A2, kind="bugfix"),
                notice("N-1000", A2),
            ),
        ),
    ),
    Case("a repository without notices", A, ((), (notice("N-1", A2),))),
    Case("no notices at all", A, ((),)),
    Case("nothing installed that a notice is about", A, ((notice("N-1", [("b", "2-1", X, "")]),),)),
    Case("odd names and versions", (Rpm("a", "1.0~rc1-1", X), Rpm("b", "1.0^git1-1", X), Rpm("g++", "1_1-1.a", X)), (
        (
            notice("N-1", [("a", "1.0-1", X, ""), ("a", "1.0~beta-1", X, ""), ("b", "1.0-2", X, "")]),
            notice("N-2", [("b", "1.0^git2-1", X, ""), ("g++", "1.1-1.b", X, "")]),
        ),
    )),
]  # fmt: skip

MODULAR = (Rpm("m", "1-1", X, module="mm:s1:1:c1"), Rpm("p", "1-1", X))
MODULE_NOTICES = (
    notice("M-1", [("m", "1-2", X, "")], module="mm:s1:2:c1"),
    notice("M-2", [("m", "1-3", X, "")], module="mm:s1:2:c9"),
    notice("M-3", [("m", "1-4", X, "")], module="mm:s2:2:c1"),
    notice("M-4", [("m", "1-5", X, "")]),
    notice("M-5", [("m", "1-6", X, ""), ("p", "1-6", X, "")], module="nn:s1:9:c1"),
    notice("M-6", [("p", "1-7", X, "")], module="zz:s1:9:c1"),
    notice("M-7", [("p", "1-8", X, "")]).replace(
        "</pkglist>",
        '<collection><module name="mm" stream="s2" version="1" context="c1" arch="x86_64"/>'
        '<package name="m" epoch="0" version="1" release="8" arch="x86_64"/></collection></pkglist>',
    ),
)
STREAMS = (("mm", "s1", "c1"), ("mm", "s2", "c1"), ("nn", "s1", "c1"), ("nn", "s2", "c1"))
CASES += [
    Case("modules without modules.yaml", MODULAR, (MODULE_NOTICES,)),
    Case("modules, none enabled", MODULAR, (MODULE_NOTICES,), STREAMS),
    Case("a stream enabled", MODULAR, (MODULE_NOTICES,), STREAMS, enabled=(("mm", "s1"),)),
    Case("the other stream enabled", MODULAR, (MODULE_NOTICES,), STREAMS, enabled=(("mm", "s2"), ("nn", "s2"))),
    Case("a default stream", MODULAR, (MODULE_NOTICES,), STREAMS, enabled=(("mm", "s1"),), defaults=(("nn", "s1"),)),
    Case("enabled but unknown", MODULAR, (MODULE_NOTICES,), STREAMS, enabled=(("zz", "s1"),)),
]


def modules_yaml(case: Case) -> str | None:
    texts = [
        f"---\ndocument: modulemd\nversion: 2\ndata:\n  name: {name}\n  stream: {stream}\n  version: 1\n"
        f"  context: {context}\n  arch: x86_64\n  summary: x\n  description: x\n  license:\n    module: [MIT]\n"
        f"  artifacts:\n    rpms:\n    - none-0:{number}-1.x86_64\n...\n"
        for number, (name, stream, context) in enumerate(case.streams)
    ] + [
        f"---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: {name}\n  stream: {stream}\n...\n"
        for name, stream in case.defaults
    ]
    return "".join(texts) or None


def ours(case: Case) -> list[Notice]:
    errata: list[Erratum] = []
    for number, notices in enumerate(case.repositories):
        errata += read_updateinfo([updateinfo(*notices).encode()], "almalinux", f"r{number}")
    modules = read_modules((modules_yaml(case) or "").encode())
    active = active_contexts(modules.streams, dict(case.defaults) | dict(case.enabled))
    return listed([rpm.package() for rpm in case.installed], errata, active)


class Dnf:
    """The real one, on a root made for a case."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.root = record(folder / "root", case.installed)
        states = self.root / "etc/dnf/modules.d"
        states.mkdir(parents=True)
        for name, stream in case.enabled:
            text = f"[{name}]\nname={name}\nstream={stream}\nprofiles=\nstate=enabled\n"
            (states / f"{name}.module").write_text(text)
        self.repositories: dict[str, Path | str] = {
            f"r{number}": rpms.repository(
                folder / f"r{number}", [], updateinfo(*notices), modules_yaml(case) if number == 0 else None
            )
            for number, notices in enumerate(case.repositories)
        }

    def says(self, *arguments: str) -> list[str]:
        done = rpms.dnf(self.root, "--quiet", *arguments, repos=self.repositories)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


def dated(lines: Sequence[str], found: Iterable[Notice]) -> list[list[str]]:
    """Lines in groups of the same package and date, within which dnf has no order."""
    dates = {f"{line.erratum} {line.nevra}": str(line.updated) for line in found}

    def place(line: str) -> tuple[str, str]:
        identifier, _, package = line.split()
        return package, dates.get(f"{identifier} {package}", "")

    return [sorted(group) for _, group in groupby(lines, key=place)]


def together(cases: Sequence[Case]) -> Case:
    """One system of many, with names and ids of their own."""
    installed: list[Rpm] = []
    repositories: list[list[str]] = []
    for number, case in enumerate(cases):
        prefix = f"c{number:02}"
        installed += [replace(rpm, name=prefix + rpm.name) for rpm in case.installed]
        for place, notices in enumerate(case.repositories):
            if place == len(repositories):
                repositories.append([])
            repositories[place] += [
                text.replace("<id>", f"<id>{prefix}").replace('<package name="', f'<package name="{prefix}')
                for text in notices
            ]
    return Case("together", tuple(installed), tuple(map(tuple, repositories)))


def same(case: Case, folder: Path) -> None:
    rpms.needed("dnf", "createrepo_c", "modifyrepo_c", "rpm")
    dnf = Dnf(case, folder)
    found = ours(case)
    assert dated(list_lines(found), found) == dated(dnf.says("updateinfo", "list"), found)
    assert summary_lines(found) == dnf.says("updateinfo", "summary")


def test_all_rules_together_make_dnfs_own_list_and_summary(tmp_path: Path) -> None:
    case = together([case for case in CASES if not case.streams])
    assert len(ours(case)) > 150
    same(case, tmp_path)


ALONE = ("every severity", "every kind", "no kind of security", "no notices at all", "epochs")


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.streams or case.rule in ALONE], ids=lambda case: case.rule
)
def test_each_rule_is_dnfs_own(case: Case, tmp_path: Path) -> None:
    same(case, tmp_path)


def made(seed: int) -> Case:
    """A system and notices by chance, with many near misses."""
    dice = Random(seed)

    def version() -> str:
        minor = dice.choice(["0", "1", "10", "1~rc", "1^g"])
        return f"{dice.choice(['', '', '1:'])}{dice.choice('123')}.{minor}-{dice.choice('12')}"

    names = [f"{letter}{number}" for letter in "ab-" for number in range(20)]
    names = [f"p{name}" for name in names]
    architectures = (X, X, I686, N)
    installed = tuple({Rpm(dice.choice(names), version(), dice.choice(architectures)) for _ in range(90)})
    notices = [
        notice(
            f"{dice.choice(['RHSA', 'B'])}-{number}",
            [(dice.choice(names), version(), dice.choice(architectures), "") for _ in range(dice.randrange(12))],
            kind=dice.choice(["security", "security", "bugfix", "enhancement", "newpackage"]),
            severity=dice.choice(WORDS),
            issued=f"202{dice.randrange(7)}-01-0{dice.randrange(1, 9)} 00:00:00",
        )
        for number in range(150)
    ]
    return Case("made", installed, (tuple(notices[:90]), tuple(notices[80:])))


@pytest.mark.parametrize("seed", range(3))
def test_made_systems_get_dnfs_own_answer(seed: int, tmp_path: Path) -> None:
    same(made(seed), tmp_path)


def test_excludes_of_the_main_section_are_forgotten_and_those_of_a_repository_are_not(tmp_path: Path) -> None:
    rpms.needed("dnf", "createrepo_c", "modifyrepo_c", "rpm")
    case = Case("excludes", (*A, Rpm("b", "1-1", X)), ((notice("N-1", A2), notice("N-2", [("b", "2-1", X, "")])),))
    dnf = Dnf(case, tmp_path)
    assert dnf.says("updateinfo", "list", "--setopt=r0.excludepkgs=a") == list_lines(ours(case))
    assert dnf.says("updateinfo", "list", "--setopt=excludepkgs=a") == list_lines(
        ours(replace(case, installed=case.installed[1:]))
    )


def rows(corpus: Path, name: str) -> tuple[Rpm, ...]:
    """What rpm said of a real database."""
    found = []
    for line in (corpus / "rpmdb" / name / "packages.tsv").read_text().splitlines():
        name, epoch, version, release, architecture, source, module, *_ = line.split("\t")
        if architecture != "(none)":  # keys
            number = "" if epoch == "(none)" else f"{epoch}:"
            label = "" if module == "(none)" else module
            source = re.sub(r"-[^-]+-[^-]+\.src\.rpm\Z", "", source)
            found.append(Rpm(name, f"{number}{version}-{release}", architecture, source, module=label))
    return tuple(found)


@pytest.mark.corpus
def test_the_articles_red_hat_enterprise_linux(corpus: Path, tmp_path: Path) -> None:
    notices = notices_of_the_article(corpus)
    case = Case("RHEL", rows(corpus, "centos7-httpd24"), (notices,))
    assert list_lines(ours(case)) == ARTICLE.splitlines()
    same(case, tmp_path)
    errata = list(read_updateinfo([updateinfo(*notices).encode()], "rhel", "x"))
    database = lzma.decompress((corpus / "rpmdb/centos7-httpd24/Packages.xz").read_bytes())
    installed = list(RPM.read({"var/lib/rpm/Packages": database}))
    assert list_lines(listed(installed, errata)) == ARTICLE.splitlines()
    found = match_builds(installed, errata)
    assert [(finding.erratum.id, finding.source, finding.packages) for finding in found] == [
        ("RHSA-2019:0679", "libssh2", ("libssh2",)),
        ("RHSA-2019:0710", "python", ("python", "python-libs")),
    ]
    assert [len(finding.erratum.cves) for finding in found] == [4, 1]


ARTICLE_FEDORA = """\
Updates Information Summary: available
    5 Security notice(s)
        1 Moderate Security notice(s)
        2 Low Security notice(s)
    3 Bugfix notice(s)
    2 Enhancement notice(s)
"""


def test_the_articles_fedora_two_of_whose_five_are_in_no_part(tmp_path: Path) -> None:
    kinds = [("security", word) for word in ("Moderate", "Low", "Low", "None", "None")]
    kinds += [("bugfix", "None")] * 3 + [("enhancement", "None")] * 2
    notices = tuple(
        notice(f"FEDORA-2020-{n}", [(f"p{n}", "2-1.fc31", X, "")], kind=kind, severity=word)
        for n, (kind, word) in enumerate(kinds)
    )
    case = Case("Fedora", tuple(Rpm(f"p{n}", "1-1.fc31", X) for n in range(12)), ((), notices))
    assert summary_lines(ours(case)) == ARTICLE_FEDORA.splitlines()
    same(case, tmp_path)


def test_the_articles_centos_of_which_dnf_says_nothing(tmp_path: Path) -> None:
    rpms.needed("dnf", "createrepo_c", "rpm")
    root = record(tmp_path / "root", A)
    done = rpms.dnf(root, "--quiet", "updateinfo", repos={"base": rpms.repository(tmp_path / "base", [])})
    assert (done.returncode, done.stdout) == (0, "")
    assert summary_lines([]) == []


@pytest.mark.corpus
@pytest.mark.parametrize("release", ["8", "9"])
def test_almalinuxs_records_are_listed_as_dnf_lists_an_updateinfo_of_them(
    corpus: Path, tmp_path: Path, release: str
) -> None:
    """Real notices, on the packages of CentOS 8 and on others in versions that some notice brings."""
    dice = Random(8)
    ecosystem = f"AlmaLinux:{release}"
    errata: list[Erratum] = []
    texts: list[str] = []
    streams: set[tuple[str, str, str]] = set()
    versions: dict[str, list[str]] = {}
    count = 0
    records = list(alma(corpus))
    for content in records:
        found = read_record(content, ("ALSA-", "ALBA-", "ALEA-"))
        assert isinstance(found, dict)
        count += 1
        if ecosystem in found:
            errata.append(as_erratum(found[ecosystem], {}, ecosystem, "records"))
            texts.append(of_record(json.loads(content), ecosystem, streams, versions))
    assert count == 5680
    names = dice.sample(sorted(versions), 900)
    made = [Rpm(name, dice.choice(versions[name]), dice.choice((X, X, N))) for name in names]
    real = [rpm for rpm in rows(corpus, "centos8-modularitylabel") if rpm.name not in names] if release == "8" else []
    enabled = {name: stream for name, stream, _ in sorted(streams) if dice.random() < 0.7}
    case = Case("AlmaLinux", (*made, *real), (tuple(texts),), tuple(sorted(streams)), tuple(enabled.items()))
    modules = read_modules((modules_yaml(case) or "").encode())
    dnf = Dnf(case, tmp_path)
    database = rpms.database(dnf.root) / "rpmdb.sqlite"
    installed = list(RPM.read({"var/lib/rpm/rpmdb.sqlite": database.read_bytes()}))
    assert len(installed) == len(case.installed)
    lines = list_lines(listed(installed, errata, active_contexts(modules.streams, enabled)))
    theirs = dnf.says("updateinfo", "list")
    assert len(theirs) > 1000
    assert sorted(map(str.split, lines)) == sorted(map(str.split, theirs))


def alma(corpus: Path) -> Iterator[bytes]:
    with tarfile.open(corpus / "errata" / "almalinux-osv.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".json") else None
            if file is not None:
                yield file.read()


def of_record(record: Any, ecosystem: str, streams: set[tuple[str, str, str]], versions: dict[str, list[str]]) -> str:
    """A record as one <update>, of all architectures that the test installs."""
    summary = record["summary"]
    word = summary.split(":")[0] if record["id"].startswith("ALSA") else "None"
    kind = {"ALSA": "security", "ALBA": "bugfix", "ALEA": "enhancement"}[record["id"][:4]]
    builds = [
        (each["package"]["name"], each["ranges"][0]["events"][1]["fixed"])
        for each in record["affected"]
        if each["package"]["ecosystem"] == ecosystem
    ]
    for name, version in builds:
        versions.setdefault(name, []).append(version)
    modular = [build for build in builds if ".module" in build[1]]
    named = [word.partition(":")[::2] for word in summary.split() if re.fullmatch(r"[\w.+-]+:[\w.+-]+", word)]
    collections = [("", builds)] if not (modular and named) else [(":".join(each), modular) for each in named]
    if modular and named:
        assert len(modular) == len(builds)
        streams.update((name, stream, "c1") for name, stream in named)
    shown = ""
    for module, own in collections:
        text = notice(
            record["id"],
            [(name, version, architecture, "") for name, version in own for architecture in (X, N)],
            kind=kind,
            severity=word,
            module=f"{module}:1:c1" if module else "",
        )
        shown += text[text.index("<collection") : text.index("</pkglist>")]
    plain = notice(record["id"], [], kind=kind, severity=word)
    return re.sub("<collection.*</collection>", lambda _: shown, plain)
