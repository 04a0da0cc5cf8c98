"""An image's repository files. The second witness is dnf's own reader, run on the same files in another process."""

import json
import random
import subprocess
import textwrap
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease
from affineur.repositories.rpmmd.configuration import PATHS, read_configuration
from affineur.repositories.rpmmd.dnfconf import MalformedConfiguration, read_sections
from affineur.repositories.rpmmd.model import ModuleState, RpmConfiguration
from affineur.repositories.rpmmd.variables import expanded
from support.leaving_out import leave_out
from support.rpms import build, dnf, install_root

PYTHON = "/usr/bin/python3"  # dnf is the system's own, not this environment's
REPO = "etc/yum.repos.d/test.repo"
EL9 = OSRelease({"ID": "almalinux", "VERSION_ID": "9.4"})


def package(name: str, version: str, architecture: str = "x86_64") -> Package:
    return Package(name, version, architecture, name, version)


DNF = (package("dnf", "4.14.0-9.el9"), package("almalinux-release", "9.4-1.el9"))


def configured(
    files: Mapping[str, str],
    packages: tuple[Package, ...] = DNF,
    os_release: OSRelease = EL9,
    architecture: str = "amd64",
) -> RpmConfiguration:
    content = {path: textwrap.dedent(text).encode() for path, text in files.items()}
    return read_configuration(content, packages, architecture, os_release)


def test_a_repository() -> None:
    found = configured(
        {
            "etc/dnf/dnf.conf": "[main]\ngpgcheck=1\nexcludepkgs=kernel*, foo\nobsoletes=0\n",
            REPO: """\
                [baseos]
                name=Base $releasever for $basearch
                baseurl=https://user:secret@repo.example/$releasever/$basearch/os/
                    http://other.example/
                metalink=https://repo.example/?arch=$basearch
                gpgkey=file:///etc/pki/rpm-gpg/KEY-$releasever
                exclude=bar
                priority=10
                module_hotfixes=true
                sslclientcert=/etc/pki/entitlement/1.pem
                [off]
                name=off
                enabled=0
                baseurl=https://repo.example/off
                """,
        }
    )
    assert found.problems == ()
    assert (found.manager, found.basearch, found.releasever) == ("dnf", "x86_64", "9")
    assert (found.exclude, found.obsoletes) == (("kernel*", "foo"), False)
    base, off = found.repositories
    assert base.name == "Base 9 for x86_64"
    assert base.baseurl == ("https://repo.example/9/x86_64/os/", "http://other.example/")
    assert base.credentials
    assert base.metalink == "https://repo.example/?arch=x86_64"
    assert base.gpgkey == ("file:///etc/pki/rpm-gpg/KEY-9",)
    assert (base.gpgcheck, base.exclude, base.priority, base.module_hotfixes) == (True, ("bar",), 10, True)
    assert base.client_certificate == "/etc/pki/entitlement/1.pem"
    assert (base.path, base.line) == (REPO, 1)
    assert not off.enabled


# Run by the system's Python: reads each root as dnf does and says what it found.
DNF_READS = """
import dnf, json, logging, sys
logging.disable(logging.CRITICAL)
answers = []
for root in json.load(sys.stdin):
    base = dnf.Base()
    conf = base.conf
    conf.installroot = root
    conf.reposdir = [root + "/etc/yum.repos.d"]
    conf.substitutions.update_from_etc(root, varsdir=["/etc/yum/vars", "/etc/dnf/vars"])
    conf.substitutions["arch"], conf.substitutions["basearch"] = "x86_64", "x86_64"
    conf.substitutions["releasever"] = "9"
    conf.read(root + "/etc/dnf/dnf.conf")
    conf.reposdir = [root + "/etc/yum.repos.d"]
    base.read_all_repos()
    answers.append({"exclude": list(conf.excludepkgs), "obsoletes": conf.obsoletes, "repositories": [
        {"id": repo.id, "name": repo.name, "baseurl": list(repo.baseurl), "metalink": repo.metalink or "",
         "mirrorlist": repo.mirrorlist or "", "enabled": repo.enabled, "gpgcheck": repo.gpgcheck,
         "repo_gpgcheck": repo.repo_gpgcheck, "gpgkey": list(repo.gpgkey), "exclude": list(repo.excludepkgs),
         "priority": repo.priority, "cost": repo.cost, "module_hotfixes": bool(repo.module_hotfixes),
         "skip_if_unavailable": repo.skip_if_unavailable, "sslverify": repo.sslverify,
         "client_certificate": repo.sslclientcert, "client_key": repo.sslclientkey, "ca_certificate": repo.sslcacert}
        for repo in base.repos.values()]})
json.dump(answers, sys.stdout)
"""
MAIN = "[main]\ngpgcheck=1\n"
CASES: dict[str, dict[str, str]] = {
    "plain": {REPO: "[a]\nname=A\nbaseurl=http://a.example/\n"},
    "options": {
        REPO: "[a]\nname=A\nbaseurl=http://a.example/,http://b.example/ http://c.example/\npriority=5\ncost=7\n"
        "gpgkey=file:///one file:///two\nexcludepkgs=x, y*\nexclude=z\nmodule_hotfixes=1\nskip_if_unavailable=yes\n"
        "repo_gpgcheck=true\nsslverify=0\nsslcacert=/ca\nsslclientcert=/cert\nsslclientkey=/key\nenabled=off\n"
    },
    "lines that go on": {REPO: "[a]\nname=A\nbaseurl=http://a.example/\n   http://b.example/\n\thttp://c.example/\n"},
    "defaults of main": {
        "etc/dnf/dnf.conf": "[main]\ngpgcheck=1\nrepo_gpgcheck=1\nsslverify=false\nskip_if_unavailable=True\n"
        "exclude=a b\nobsoletes=0\n[inmain]\nname=M\nbaseurl=http://m.example/\n",
        REPO: "[a]\nname=A\nbaseurl=http://a.example/\ngpgcheck=0\n[b]\nname=B\nbaseurl=http://b.example/\nsslverify=1\n",
    },
    "variables": {
        "etc/dnf/vars/stream": "9-stream\nsecond line\n",
        "etc/yum/vars/contentdir": "centos",
        "etc/yum/vars/stream": "old",
        REPO: "[a-$stream]\nname=$stream ${contentdir} $unknown $$basearch\n"
        "mirrorlist=http://m.example/?release=$stream&arch=$basearch&repo=$releasever$rltype&infra=$infra\n",
    },
    "a variable of nothing": {
        "etc/yum/vars/ociregion": "",
        "etc/yum/vars/ocidomain": "oracle.example\n",
        REPO: "[a]\nname=A\nbaseurl=https://yum$ociregion.$ocidomain/repo/$basearch/\n",
    },
    "main speaks for the repositories": {
        "etc/dnf/dnf.conf": "[main]\nsslcacert=/ca\nsslclientcert=/c\nsslclientkey=/k\npriority=7\ncost=8\nenabled=0\n"
        "module_hotfixes=1\n",
        REPO: "[a]\nname=A\nbaseurl=https://a.example/\n",
    },
    "values that are none": {REPO: "[a]\nname=A\nbaseurl=http://a.example/\nenabled=maybe\npriority=high\ncost=1.5\n"},
    "ids that are none": {
        REPO: "[a b]\nname=A\nbaseurl=http://a.example/\n[c/d]\nname=A\nbaseurl=http://a.example/\n"
        "[e:f_g.h-i]\nname=A\nbaseurl=http://a.example/\n"
    },
    "a file that is broken": {
        REPO: "[a]\nname=A\nbaseurl http://a.example/\n",
        "etc/yum.repos.d/z.repo": "[z]\nname=Z\nbaseurl=http://z.example/\n",
    },
    "twice": {
        "etc/yum.repos.d/b.repo": "[a]\nname=second\nbaseurl=http://b.example/\n",
        "etc/yum.repos.d/a.repo": "[a]\nname=first\nbaseurl=http://a.example/\n[x]\nbaseurl=http://x.example\n[x]\nname=X\n",
        "etc/yum.repos.d/a-b.repo": "[b]\nname=B\nbaseurl=http://b.example/\n",
    },
    "quotes and comments": {
        REPO: "# c\n[a] # c\n;c\nname='A b'\nbaseurl=\"http://a.example/\"\nmetalink = http://m.example/?a=b=c # no\n"
    },
}


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Case → what dnf reads."""
    roots = {}
    for number, (name, files) in enumerate(CASES.items()):
        root = tmp_path_factory.mktemp(f"case{number}")
        for path, text in ({"etc/dnf/dnf.conf": MAIN} | files).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        roots[name] = str(root)
    return dict(zip(roots, _asked(DNF_READS, list(roots.values())), strict=True))


def _asked(script: str, question: object) -> Any:
    try:
        done = subprocess.run(
            [PYTHON, "-c", script], input=json.dumps(question), capture_output=True, text=True, check=False, timeout=60
        )
    except OSError as error:
        leave_out(f"needs the system's Python: {error}")
    if "No module named" in done.stderr:
        leave_out("needs python3-dnf")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.system
@pytest.mark.parametrize("case", CASES)
def test_dnf_reads_the_same(case: str, witness: Mapping[str, Any]) -> None:
    found = configured({"etc/dnf/dnf.conf": MAIN} | CASES[case])
    expected = witness[case]
    assert list(found.exclude) == expected["exclude"]
    assert found.obsoletes == expected["obsoletes"]
    for ours, theirs in zip(found.repositories, expected["repositories"], strict=True):
        for name, value in theirs.items():
            own = getattr(ours, name)
            if name == "exclude":
                own, value = sorted(own), sorted(value)
            assert (list(own) if isinstance(own, tuple) else own) == value, f"{ours.id}: {name}"


LIBDNF_READS = """
import json, libdnf, sys
answers = []
for text in json.load(sys.stdin):
    parser = libdnf.conf.ConfigParser()
    try:
        parser.readString(text)
        answers.append({str(s): {str(k): str(parser.getValue(s, k)).strip() for k in parser.options(s)}
                        for s in parser.getData()})
    except RuntimeError:
        answers.append(None)
json.dump(answers, sys.stdout)
"""


@pytest.mark.system
def test_libdnf_takes_and_refuses_the_same_files() -> None:
    chance = random.Random(1)
    pieces = ["[a]", "[b", "]", "=", "x", "y", " ", "\t", "\n", "\n", "#", ";", '"', "'", "1", "\r", ",", ":", "[a]\n"]
    pieces += ["x=1\n", " 2\n", "\n\n", "rem "]
    documents = [
        "[a]\n" * (number % 3 > 0) + "".join(chance.choice(pieces) for _ in range(chance.randint(1, 14)))
        for number in range(4000)
    ]
    answers = _asked(LIBDNF_READS, documents)
    for text, expected in zip(documents, answers, strict=True):
        try:
            sections = read_sections(text)
            found = {name: {key: o.value for key, o in each.options.items()} for name, each in sections.items()}
        except MalformedConfiguration:
            assert expected is None, repr(text)
        else:
            assert found == expected, repr(text)
    assert sum(answer is not None for answer in answers) > 200


EXPAND = """
import json, libdnf, sys
variables, texts = json.load(sys.stdin)
json.dump([libdnf.conf.ConfigParser.substitute(text, variables) for text in texts], sys.stdout)
"""


@pytest.mark.system
def test_libdnf_expands_the_same_variables() -> None:
    variables = {"a": "1", "ab_c": "2", "A": "3", "releasever": "9.4"}
    chance = random.Random(2)
    pieces = ["$a", "${a}", "$ab_c", "$", "{", "}", "a", "_", "$A", "-", ".", "${ab_c}", "$releasever", "x"]
    texts = ["".join(chance.choice(pieces) for _ in range(chance.randint(1, 8))) for _ in range(3000)]
    assert [expanded(text, variables) for text in texts] == _asked(EXPAND, [variables, texts])


def test_defaults_in_variables_are_those_of_newer_dnf() -> None:
    # dnf.conf(5) of dnf 5 § Variables
    variables = {"set": "1", "empty": ""}
    assert expanded("${set:-x} ${unset:-x} ${empty:-x}", variables) == "1 x x"
    assert expanded("${set:+x}|${unset:+x}|${empty:+x}", variables) == "x||"


def test_variables_of_yum_3_and_tdnf() -> None:
    assert (
        expanded("$Releasever ${releasever} $releasever_x", {"releasever": "7"}, "yum")
        == "7 ${releasever} $releasever_x"
    )
    variables = {"releasever": "5.0", "basearch": "x86_64"}
    assert expanded("photon_$releasever_$basearch", variables, "tdnf") == "photon_5.0_x86_64"


def test_variables_that_multiply_end() -> None:
    tracemalloc.start()
    assert len(expanded("$v" * 100_000, {"v": "x" * 16_000}, "dnf")) <= 200_000
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()
    found = configured({f"etc/dnf/vars/v{n}": "x" * 10_000 for n in range(9)} | {REPO: f"[a]\nname={'$v1' * 5000}\n"})
    assert len(found.repositories[0].name) <= 16_384


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        # name-version as listed; the releasever is what system-release(releasever) says in those packages' provides
        ("centos-release 10:5-11.el5.centos", "5"),
        ("centos-release 7-6.1810.2.el7.centos", "7"),
        ("centos-release 8.2-2.2004.0.1.el8", "8"),
        ("mariner-release 2.0-4.cm2", "2.0"),
        ("redhat-release-server 7.9-8.el7_9", "7Server"),
        ("fedora-release-common 39-36", "39"),
        ("system-release 2023.2.20231113-1.amzn2023", "2023.2.20231113"),
        ("photon-release 5.0-1.ph5", "5.0"),
    ],
)
def test_releasever_by_the_installed_package(installed: str, expected: str) -> None:
    name, version = installed.split()
    found = configured({REPO: "[a]\nbaseurl=http://a.example/$releasever\n"}, (DNF[0], package(name, version)))
    assert found.releasever == expected
    assert found.repositories[0].baseurl == (f"http://a.example/{expected}",)


@pytest.mark.system
def test_releasever_is_what_dnf_works_out(tmp_path: Path) -> None:
    release = build(tmp_path, "rocky-release", "9.3", "1.2.el9", provides=["system-release(releasever) = 9"])
    root = install_root(tmp_path / "root", [release])
    script = "import dnf.rpm, json, sys; json.dump(dnf.rpm.detect_releasever(json.load(sys.stdin)), sys.stdout)"
    assert _asked(script, str(root)) == "9"
    assert configured({}, (DNF[0], package("rocky-release", "9.3-1.2.el9"))).releasever == "9"


def test_releasever_by_os_release_is_said() -> None:
    found = configured({REPO: "[a]\nbaseurl=http://a.example/$releasever\n"}, DNF[:1])
    assert found.releasever == "9"
    assert "by os-release" in found.problems[0]


def test_releasever_that_the_image_sets() -> None:
    assert configured({"etc/dnf/vars/releasever": "9.2\n"}).releasever == "9.2"
    amazon = (package("yum", "3.4.3-150.amzn1"), package("system-release", "2018.03-1"))
    assert configured({"etc/yum.conf": "[main]\nreleasever=latest\n"}, amazon).releasever == "latest"
    assert configured({"etc/dnf/vars/releasever": "9.2\n"}).variables["releasever_minor"] == "2"


@pytest.mark.parametrize(
    ("packages", "files", "distribution", "expected"),
    [
        (("dnf 4.14.0-1",), (), "fedora", "dnf"),
        (("dnf5 5.2.0-1",), (), "fedora", "dnf"),
        (("microdnf 3.9-1", "libdnf 0.69-1"), (), "rhel", "dnf"),
        (("yum 4.2.17-7.el8_2", "dnf 4.2.17-7"), (), "centos", "dnf"),
        (("yum 3.4.3-161.el7",), (), "centos", "yum"),
        (("yum 3.2.22-40.el5",), (), "centos", "yum"),
        (("zypper 1.14-1", "libzypp 17-1"), ("etc/zypp/zypp.conf",), "opensuse-leap", "zypper"),
        (("zypper 1.14-1", "dnf 4.14-1"), ("etc/zypp/zypp.conf",), "fedora", "dnf"),
        ((), ("etc/zypp/repos.d/SLE_BCI.repo",), "sles", "zypper"),
        (("tdnf 2.1.0-8.cm2",), ("etc/tdnf/tdnf.conf",), "mariner", "dnf"),
        ((), (), "rhel", "dnf"),
    ],
)
def test_whose_rules_hold(packages: tuple[str, ...], files: tuple[str, ...], distribution: str, expected: str) -> None:
    installed = tuple(package(*each.split()) for each in packages)
    os_release = OSRelease({"ID": distribution, "VERSION_ID": "9"})
    assert configured(dict.fromkeys(files, ""), installed, os_release).manager == expected


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("amd64", "x86_64"),
        ("arm64", "aarch64"),
        ("386", "i386"),
        ("arm", "armhfp"),
        ("ppc64le", "ppc64le"),
        ("s390x", "s390x"),
    ],
)
def test_basearch(architecture: str, expected: str) -> None:
    assert configured({}, architecture=architecture).basearch == expected


def test_what_is_read_elsewhere_cannot_be_answered() -> None:
    assert configured({"etc/dnf/dnf.conf": "[main]\nreposdir=/opt/repos\n"}).unanswerable
    assert configured({"etc/dnf/dnf.conf": "[main]\nreposdir=/etc/yum.repos.d\n"}).unanswerable == ()
    yum = (package("yum", "3.4.3-1"), package("centos-release", "7-1"))
    assert configured({"etc/yum.conf": "[main]\ninclude=http://x.example/\n"}, yum).unanswerable
    assert configured({"etc/dnf/dnf.conf": "main]\n"}).unanswerable


def test_yum_3_takes_what_dnf_refuses() -> None:
    yum = (package("yum", "3.4.3-1"), package("centos-release", "7-1"))
    text = "[a]\nname: A\nbaseurl=http://a.example/\n# more\n  http://b.example/\n"
    assert configured({REPO: text}, yum).repositories[0].baseurl == ("http://a.example/", "http://b.example/")
    assert configured({REPO: text}).repositories == ()


def test_yum_3_heeds_priorities_by_a_plugin_alone() -> None:
    yum = (package("yum", "3.4.3-1"), package("centos-release", "7-1"))
    files = {REPO: "[a]\nname=A\nbaseurl=http://a.example/\npriority=1\n"}
    assert configured(files, yum).repositories[0].priority == 99
    assert configured(files, (*yum, package("yum-plugin-priorities", "1.1-1"))).repositories[0].priority == 1


def test_a_variable_that_nobody_defines_is_said() -> None:
    found = configured({REPO: "[a]\nbaseurl=http://a.example/$infra\n[b]\nenabled=0\nbaseurl=http://b.example/$x\n"})
    assert [problem for problem in found.problems if "$infra" in problem]
    assert not [problem for problem in found.problems if "$x" in problem]


def test_modules() -> None:
    found = configured(
        {
            "etc/dnf/modules.d/nodejs.module": "[nodejs]\nname=nodejs\nstream=18\nprofiles=\nstate=enabled\n",
            "etc/dnf/modules.d/perl.module": "[perl]\nname=perl\nstream=\nprofiles=\nstate=\n",
            "etc/dnf/modules.d/php.module": "[php]\nstate=disabled\n",
        }
    )
    assert found.modules == (
        ModuleState("nodejs", "18", "enabled"),
        ModuleState("perl", "", ""),
        ModuleState("php", "", "disabled"),
    )


def test_overrides_of_dnf_5() -> None:
    files = {REPO: "[a]\nbaseurl=http://a.example/\n[b]\nbaseurl=http://b.example/\n"}
    files["etc/dnf/repos.override.d/99.repo"] = "[a*]\nenabled=0\n"
    assert [each.enabled for each in configured(files).repositories] == [False, True]


def test_locks() -> None:
    locked = (*DNF, package("python3-dnf-plugin-versionlock", "4.0-1"))
    files = {"etc/dnf/plugins/versionlock.list": "# c\nbash-0:5.1-1.*\n!zsh-0:5-1.*\n"}
    assert configured(files, locked).locks == ("bash-0:5.1-1.*", "!zsh-0:5-1.*")
    assert configured(files).locks == ()


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00[", b"[" * 100_000, b"\n" * 200_000, b"[a]\nbaseurl=" + b"h " * 500_000]
)
def test_no_file_breaks_the_reader(content: bytes) -> None:
    for path in PATHS:
        read_configuration({path.replace("*", "x"): content}, DNF, "amd64", EL9)


@pytest.mark.system
def test_dnf_lists_the_repositories_that_are_enabled(tmp_path: Path) -> None:
    root = install_root(tmp_path / "root", [])
    text = "[a]\nname=A\nbaseurl=file:///a\n[b]\nname=B\nbaseurl=file:///b\nenabled=0\n[c]\nname=C\nbaseurl=file:///c\n"
    (root / "etc/yum.repos.d").mkdir(parents=True)
    (root / REPO).write_text(text)
    listed = [line.split()[0] for line in dnf(root, "-C", "repolist", "--enabled").stdout.splitlines()[1:]]
    assert [each.id for each in configured({REPO: text}).repositories if each.enabled] == listed
