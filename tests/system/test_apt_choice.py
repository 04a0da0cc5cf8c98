"""What we foretell, and what the real apt prints."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affineur.packages.versions.deb import compare
from affineur.repositories.apt.choose import usable
from affineur.repositories.apt.configuration import read_configuration
from affineur.repositories.apt.model import Suite
from support import trusty
from support.apt import AptRoot, needs_apt
from support.apt_cases import A1, A2, CASES, MAIN, Case
from support.apt_scenarios import Scenario, apt_line, ask_apt, ask_us, scenarios
from support.leaving_out import leave_out

pytestmark = pytest.mark.system


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_each_rule_is_apts_own(case: Case, tmp_path: Path) -> None:
    needs_apt()
    said = ask_apt(case.scenario, tmp_path)
    assert bool(said.errors) is case.refused, said
    assert [f"{line.name}/{line.suites} {line.available} {line.architecture}" for line in said.lines] == (
        case.lines or []
    )


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(scenarios())
def test_made_images_get_apts_own_answer(scenario: Scenario) -> None:
    needs_apt()
    with tempfile.TemporaryDirectory() as folder:
        said = ask_apt(scenario, Path(folder))
    foretold = ask_us(scenario)
    assert bool(said.errors) == bool(foretold.unanswerable)
    if not said.errors:
        assert [apt_line(update) for update in foretold.updates] == said.lines


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A GnuPG home with two fresh keys, `known` and `other`."""
    if not shutil.which("gpg"):
        leave_out("needs gpg")
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)
    for name in ("known", "other"):
        _gpg(home, "--passphrase", "", "--quick-generate-key", f"{name} <{name}@example.org>", "rsa2048", "sign")
    yield home
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=True)


def _gpg(home: Path, *arguments: str, text: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", *arguments]
    return subprocess.run(command, input=text, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("signature", "options", "listed"),
    [
        ("known", "", True),
        ("known", "trusted=no", True),
        ("other", "", False),
        ("other", "trusted=yes", True),
        ("other", "allow-insecure=yes", True),
        ("broken", "", False),
        ("broken", "trusted=yes", True),
        ("none", "", False),
        ("none", "trusted=no", False),
        ("none", "trusted=yes", True),
        ("none", "allow-insecure=yes", True),
    ],
)
def test_whom_apt_believes(signature: str, options: str, listed: bool, signers: Path, tmp_path: Path) -> None:
    """`usable` says of a suite what `apt-get update` and `apt list` make of it."""
    needs_apt()
    index = A2.offered().encode()
    path = "main/binary-amd64/Packages"
    release = trusty.release_file("bookworm", {path: index}, datetime.now(UTC) - timedelta(days=1))
    suite = tmp_path / "archive/dists/bookworm"
    (suite / path).parent.mkdir(parents=True)
    (suite / path).write_bytes(index)
    if signature == "none":
        (suite / "Release").write_bytes(release)
    else:
        signed = _gpg(signers, "--local-user", signature.replace("broken", "known"), "--clearsign", text=release)
        (suite / "InRelease").write_bytes(signed.replace(b"Ubuntu", b"Ubuntv") if signature == "broken" else signed)
    (tmp_path / "known.gpg").write_bytes(_gpg(signers, "--export", "known"))
    line = f"deb [signed-by={tmp_path}/known.gpg {options}] file:{tmp_path}/archive bookworm main\n"
    files = {"etc/apt/sources.list": line.encode(), "var/lib/dpkg/status": A1.installed().encode()}
    root = AptRoot(tmp_path / "root", files)
    root.updated()
    assert bool(root.upgradable().lines) is listed
    (entry,) = read_configuration(files, "amd64").sources
    good = ("F" * 40,) if signature == "known" else ()
    verified = bool(good) and entry.trusted is not False
    assert usable(Suite(entry, MAIN.release(), good, verified, entry.uri)) is listed


@pytest.mark.corpus
def test_the_articles_image_gets_its_transcript_from_apt_itself(corpus: Path, tmp_path: Path) -> None:
    """The made archive is true to the transcript: apt prints the 55 lines from it."""
    needs_apt()
    uri = "http://archive.example/ubuntu/"
    root = AptRoot(tmp_path, trusty.image_files(corpus, uri))
    for path, content in trusty.repository(corpus, datetime(2019, 4, 30, tzinfo=UTC)).items():
        _, suite, file = path.split("/", 2)
        if not path.endswith(".xz"):
            root.put_list(uri, suite, file, content)
    said = root.upgradable()
    assert not said.errors
    assert len(said.lines) == 55
    assert sorted(said.lines) == sorted(trusty.lines(corpus))  # Ubuntu 14.04's apt sorted them otherwise


_PARTS = st.text(alphabet="0012359aAzZ~+.-", max_size=8)
_VERSIONS = st.builds(
    lambda epoch, first, rest: epoch + first + rest.strip("-"),
    st.sampled_from(("", "", "", "0:", "1:", "01:", "10:")),
    st.sampled_from("0123456789"),
    _PARTS,
)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(st.lists(st.tuples(_VERSIONS, _VERSIONS), min_size=150, max_size=150))
def test_versions_are_ordered_as_dpkg_orders_them(pairs: list[tuple[str, str]]) -> None:
    if not shutil.which("dpkg"):
        leave_out("needs dpkg")
    script = "".join(
        f"if dpkg --compare-versions '{a}' lt '{b}'; then echo -1;"
        f" elif dpkg --compare-versions '{a}' eq '{b}'; then echo 0; else echo 1; fi\n"
        for a, b in pairs
    )
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)
    refused = set(re.findall(r"version '([^']*)' has bad syntax", done.stderr))
    answers = [int(line) for line in done.stdout.split()]
    judged = [(a, b, answer) for (a, b), answer in zip(pairs, answers, strict=True) if not {a, b} & refused]
    assert len(judged) > 100
    assert [(a, b, compare(a, b)) for a, b, _ in judged] == judged
