"""affineur config explain: what decided, by file and line; nobody is asked, and no secret is shown."""

import json
from base64 import b64encode
from pathlib import Path
from typing import NamedTuple

import pytest

from support.command import Done, started


class User(NamedTuple):
    """A user whose own registries.conf hides the system's."""

    home: Path

    def write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def explain(self, *words: str, **variables: str) -> Done:
        return started(self.home, ["config", "explain", *words], **variables)


@pytest.fixture
def user(tmp_path: Path) -> User:
    made = User(tmp_path)
    made.write(".config/containers/registries.conf", CONF)
    return made


CONF = """\
unqualified-search-registries = ["registry.example:5000"]
colour = 1

[[registry]]
location = "registry.example:5000"

[[registry.mirror]]
location = "127.0.0.1:5000/cache"
insecure = true

[[registry.mirror]]
location = "far.example"
pull-from-mirror = "digest-only"

[[registry]]
location = "bad.example"
blocked = true
"""


def test_everything_that_decides_is_named(user: User) -> None:
    conf = user.home / ".config/containers/registries.conf"
    secret = b64encode(b"bot:hunter2").decode()
    auths = user.write(".docker/config.json", json.dumps({"auths": {"registry.example:5000/team": {"auth": secret}}}))
    crt = user.write(".config/containers/certs.d/registry.example:5000/ca.crt", "read only when it is used")
    done = user.explain("team/app:1", "--json", HTTPS_PROXY="http://me:hunter3@proxy.example:3128")
    assert (done.code, done.err) == (0, "")
    assert not any(word in done.out for word in (secret, "hunter"))
    found = done.document
    assert found["schema"] == "affineur.explanation/1"
    assert (found["reference"], found["meant"]) == ("team/app:1", "registry.example:5000/team/app:1")
    assert found["said"] == {"file": str(conf), "line": 1}
    assert found["files"] == [str(conf)]
    assert found["warnings"] == [f"{conf}:2: colour means nothing here"]
    assert found["left_out"] == [
        {
            "reference": "far.example/team/app:1",
            "why": f"only for digests ({conf}:11)",
            "said": {"file": str(conf), "line": 11},
        }
    ]
    mirror, own = found["asked"]
    assert mirror["reference"] == "127.0.0.1:5000/cache/team/app:1"
    assert (mirror["mirror"], mirror["said"], mirror["proxy"]) == (True, {"file": str(conf), "line": 7}, None)
    assert mirror["tls"]["verify"] is False
    assert mirror["tls"]["why"] == f"insecure = true ({conf}:9)"
    assert own["said"] == {"file": str(conf), "line": 4}
    assert own["tls"]["verify"] is True
    assert own["tls"]["authorities"] == [str(crt)]
    assert own["proxy"] == {"url": "http://proxy.example:3128", "variable": "HTTPS_PROXY"}
    assert own["login"] == {"username": "bot", "where": f"{auths}, key registry.example:5000/team"}
    assert (mirror["login"], mirror["problems"], own["problems"]) == (None, [], [])


def test_the_page_has_all_of_it_in_80_columns(user: User) -> None:
    done = user.explain("team/app:1", NO_PROXY="*")
    assert done.code == 0
    page = " ".join(done.out.split())
    for part in ("means registry.example:5000/team/app:1", "registries.conf:1", "1. 127.0.0.1:5000/cache/team/app:1"):
        assert part in page
    for part in ("registries.conf:7, a mirror", "not verified", "2. registry.example:5000", "only for digests"):
        assert part in page
    # paths stay whole, so that they can be copied
    assert [line for line in done.out.splitlines() if len(line) > 80 and len(line[11:].split()) > 1] == []


def test_blocked_is_told_as_such(user: User) -> None:
    done = user.explain("bad.example/app")
    assert done.code == 0
    assert "Nobody is asked." in done.out
    page = " ".join(done.out.split())
    assert f"bad.example is blocked ({user.home}/.config/containers/registries.conf:17)" in page


def test_options_decide_too(user: User) -> None:
    folder = user.write("certs/own.crt", "read only when it is used").parent
    settings = user.write("settings.toml", '[network]\nallow = ["registry.example"]\n')
    words = ["--json", "--settings", str(settings), "--cert-dir", str(folder), "docker.io/library/debian"]
    (asked,) = user.explain(*words).document["asked"]
    assert asked["url"] == "https://registry-1.docker.io"
    assert asked["tls"]["authorities"] == [str(folder / "own.crt")]
    assert asked["problems"] == ["registry-1.docker.io is not among the allowed hosts, so its name was not looked up"]
    (asked,) = user.explain("--json", "--tls-verify=false", "docker.io/library/debian").document["asked"]
    assert (asked["tls"]["verify"], asked["tls"]["why"]) == (False, "--tls-verify=false")
    mirror = "https://docker.io=http://127.0.0.1:5001/hub"
    (asked,) = user.explain("--json", "--mirror", mirror, "docker.io/library/debian").document["asked"]
    assert (asked["url"], asked["tls"]) == ("http://127.0.0.1:5001/hub", None)


def test_what_cannot_be_used_is_told_with_the_place_that_it_concerns(user: User) -> None:
    user.write(".config/containers/certs.d/registry.example:5000/half.cert", "")
    auths = user.write("auth.json", "{")
    done = user.explain("--json", "--authfile", str(auths), "team/app", HTTPS_PROXY="socks5://proxy.example")
    assert done.code == 0
    _, own = done.document["asked"]
    assert own["tls"] is own["proxy"] is own["login"] is None
    assert [word for word in ("SOCKS", "auth.json", "half.key") if word in " ".join(own["problems"])] == [
        "SOCKS",
        "auth.json",
        "half.key",
    ]


def test_a_look_alike_is_warned_of(user: User) -> None:
    page = " ".join(user.explain("dockr.io/debian").out.split())
    assert "warning dockr.io is not docker.io" in page


def test_where_signatures_lie_is_told(user: User) -> None:
    path = user.write(
        ".config/containers/registries.d/team.yaml",
        """\
docker:
  registry.example:5000/team:
    lookaside: https://signatures.example/team?sig=hunter2
    lookaside-staging: file:///srv/signatures
    colour: blue
""",
    )
    found = user.explain("team/app:1", "--json").document
    assert found["lookaside"] == {
        "url": "https://signatures.example/team?…",
        "said": {"file": str(path), "line": 3},
    }
    assert found["lookaside_staging"] == {"url": "file:///srv/signatures", "said": {"file": str(path), "line": 4}}
    assert f"{path}:5: docker.registry.example:5000/team.colour means nothing here" in found["warnings"]
    found = user.explain("other.example/app:1", "--json").document
    assert (found["lookaside"]["said"], found["lookaside_staging"]) == (None, None)
    assert "no lookaside-staging is named in registries.d" in " ".join(user.explain("other.example/app:1").out.split())
    path.write_text("docker: [")
    done = user.explain("team/app:1")
    assert (done.code, done.out) == (2, "")
    assert f"{path}:1" in done.err


@pytest.mark.parametrize(
    ("conf", "name", "said"),
    [
        ('unqualified-search-registries = ["a.example", "b.example"]', "x", "a.example/x:latest, b.example/x:latest"),
        ("", "x", "write docker.io/library/x:latest if Docker Hub is meant"),
        ("[[registry]]\nblocked = true", "r.example/x", "registries.conf:1: [[registry]] has neither"),
        ("", "oci:folder", "is on this machine"),
        ("", "UPPER", "upper-case"),
    ],
)
def test_what_cannot_be_told_is_a_mistake_to_correct(user: User, conf: str, name: str, said: str) -> None:
    user.write(".config/containers/registries.conf", conf)
    done = user.explain(name)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
