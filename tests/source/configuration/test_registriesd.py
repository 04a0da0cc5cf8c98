"""registries.d by the facts and examples of containers-registries.d(5), and what containers/image makes of them.

What skopeo makes of the same files: tests/system/test_lookaside.py.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import InvalidSettings
from affineur.oci.reference import parse_reference
from affineur.source.configuration.registriesd import RegistriesD, folder_of, scopes

DIGEST = "sha256:" + "0" * 64
SYSTEM, USER = "etc/containers/registries.d", "home/.config/containers/registries.d"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(root: Path, user: int = 1000) -> RegistriesD:
    return RegistriesD.read({"HOME": str(root / "home")}, root, user)


def places(found: RegistriesD, name: str) -> tuple[str, str]:
    reference = parse_reference(name)
    reading, writing = found.reading(reference), found.writing(reference)
    return reading.url if reading else "", writing.url if writing else ""


# containers-registries.d(5) § Developing and Signing Containers, Staging Signatures
MANUAL = """\
docker:
    registry.example.com:
        lookaside: https://registry-lookaside.example.com
    registry.example.com/mydepartment:
        lookaside: https://lookaside.mydepartment.example.com
        lookaside-staging: file:///mnt/mydepartment/lookaside-staging
    registry.example.com/mydepartment/myproject:mybranch:
        lookaside: http://localhost:4242/lookaside
        lookaside-staging: file:///home/useraccount/webroot/lookaside
"""


@pytest.mark.parametrize(
    ("name", "reading", "writing"),
    [
        (
            "registry.example.com/mydepartment/myproject:mybranch",
            "http://localhost:4242/lookaside",
            "file:///home/useraccount/webroot/lookaside",
        ),
        (
            "registry.example.com/mydepartment/myproject:other",
            "https://lookaside.mydepartment.example.com",
            "file:///mnt/mydepartment/lookaside-staging",
        ),
        (
            "registry.example.com/mydepartmental/x",
            "https://registry-lookaside.example.com",
            "https://registry-lookaside.example.com",
        ),
        ("registry.example.com:5000/mydepartment/x", "DEFAULT", ""),
        ("other.example/x", "DEFAULT", ""),
    ],
)
def test_the_manuals_example(root: Path, name: str, reading: str, writing: str) -> None:
    write(root, f"{SYSTEM}/example.yaml", MANUAL)
    default = (root / "home/.local/share/containers/sigstore").as_uri()
    assert places(read(root), name) == (reading.replace("DEFAULT", default), writing)


def test_roots_default_is_another_folder(root: Path) -> None:
    assert places(read(root, user=0), "a.example/x") == ((root / "var/lib/containers/sigstore").as_uri(), "")
    assert RegistriesD.read({}, root, 1000).reading(parse_reference("a.example/x")) is None


def test_scopes_in_their_order() -> None:
    """containers/image, docker/policyconfiguration: a port belongs to the host, and not to the domains."""
    assert list(scopes(parse_reference("r.eu.example:5000/a/b:1"))) == [
        "r.eu.example:5000/a/b:1",
        "r.eu.example:5000/a/b",
        "r.eu.example:5000/a",
        "r.eu.example:5000",
        "*.eu.example",
        "*.example",
    ]
    assert next(scopes(parse_reference(f"debian:12@{DIGEST}"))) == f"docker.io/library/debian@{DIGEST}"


def test_names_new_and_old(root: Path) -> None:
    write(
        root,
        f"{SYSTEM}/a.yaml",
        """\
docker:
  old.example: {sigstore: "https://old.example/read", sigstore-staging: "file:///old"}
  both.example: {sigstore: "https://both.example/old", lookaside: "https://both.example/new", sigstore-staging: ""}
  attached.example: {use-sigstore-attachments: true}
default-docker:
  lookaside: "https://default.example"
""",
    )
    found = read(root)
    assert places(found, "old.example/x") == ("https://old.example/read", "file:///old")
    assert places(found, "both.example/x") == ("https://both.example/new", "https://both.example/new")
    assert places(found, "attached.example/x") == ("https://default.example", "https://default.example")
    assert found.attachments(parse_reference("attached.example/x"))
    assert not found.attachments(parse_reference("old.example/x"))


def test_a_section_without_a_place_is_passed_over(root: Path) -> None:
    """As containers/image has it (signatureTopLevel), and not its manual: the next more general one is asked."""
    write(root, f"{SYSTEM}/a.yaml", "docker:\n  r.example: {lookaside: 'https://a.example'}\n  r.example/x:\n")
    assert places(read(root), "r.example/x")[0] == "https://a.example"


def test_the_users_folder_hides_the_systems(root: Path) -> None:
    write(root, f"{SYSTEM}/a.yaml", "default-docker: {lookaside: 'https://system.example'}")
    own = write(root, f"{USER}/note.txt", "no: [yaml").parent
    found = read(root)
    assert (found.folder, found.files) == (own, [])
    assert places(found, "a.example/x")[0].startswith("file:")


def test_a_folder_can_be_named(root: Path) -> None:
    write(root, f"{USER}/a.yaml", "default-docker: {lookaside: 'https://user.example'}")
    other = write(root, "other/a.yaml", "default-docker: {lookaside: 'https://other.example'}").parent
    found = RegistriesD.read({"HOME": str(root / "home")}, root, 1000, other)
    assert places(found, "a.example/x")[0] == "https://other.example"
    with pytest.raises(InvalidSettings, match="missing: no such folder"):
        RegistriesD.read({}, root, 1000, root / "missing")


def test_what_decided_is_known_by_file_and_line(root: Path) -> None:
    path = write(root, f"{SYSTEM}/a.yaml", MANUAL)
    found = read(root).reading(parse_reference("registry.example.com/x"))
    assert found is not None
    assert str(found.said) == f"{path}:3"


def test_advice_never_makes_a_second_section(root: Path) -> None:
    path = write(root, f"{SYSTEM}/a.yaml", MANUAL)
    found = read(root)
    assert f"to the section at {path}:2" in found.advice(parse_reference("registry.example.com/x"))
    new = found.advice(parse_reference("r.example:5000/team/x"))
    assert '`docker: {"r.example:5000/team/x": {lookaside-staging: file:///FOLDER}}`' in new
    assert f"{root / SYSTEM}/r.example-5000.yaml" in new
    text = new.partition("`")[2].partition("`")[0].replace("FOLDER", "srv/signatures")
    write(root, f"{SYSTEM}/new.yaml", text)
    assert places(read(root), "r.example:5000/team/x")[1] == "file:///srv/signatures"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("docker: [", "bad.yaml:1"),
        ("- a", "bad.yaml:1: the document must be a mapping"),
        ("docker: 1", "bad.yaml:1: docker must be a mapping"),
        ("docker:\n  a.example: https://b.example", "bad.yaml:2: a.example must be a mapping"),
        ("docker:\n  a.example:\n    lookaside: [x]", "bad.yaml:3: lookaside must be a URL"),
        ("docker:\n  a.example: {lookaside: 'ftp://b.example'}", "must be a URL of http:, https: or file:"),
        ("docker:\n  a.example: {lookaside: 'file://srv/x'}", "three slashes"),
        ("docker:\n  a.example: {lookaside: 'file:x'}", "three slashes"),
        ("docker:\n  a.example: {lookaside: 'http://[::1'}", "is no URL"),
        ("docker:\n  a.example: {lookaside: 'https://'}", "no http or https URL"),
        ("docker:\n  a.example: {use-sigstore-attachments: 'yes, please'}", "must be true or false"),
        ("docker: {}\ndocker: {}", "bad.yaml:2: docker is there twice"),
        ("docker:\n  a.example: {}\n  a.example: {}", "bad.yaml:3: a.example is there twice"),
        ("docker:\n  1: {}", "bad.yaml:2"),
        ("docker: &x {}", "anchors and aliases"),
        (b"docker: \xff", "not UTF-8"),
        ("docker:\n  taken.example: {}", "bad.yaml:2: taken.example is also in "),
        ("default-docker: {}", "bad.yaml:1: default-docker is also in "),
        ("docker: " + "[" * 40, "levels"),
    ],
)
def test_mistakes_name_file_and_line(root: Path, text: str | bytes, said: str) -> None:
    write(root, f"{SYSTEM}/a.yaml", "docker:\n  taken.example:\ndefault-docker: {}")
    path = write(root, f"{SYSTEM}/bad.yaml", "")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidSettings) as caught:
        read(root)
    assert said in str(caught.value)


def test_a_login_in_a_url_is_refused_and_not_shown(root: Path) -> None:
    write(root, f"{SYSTEM}/a.yaml", "default-docker: {lookaside: 'https://me:hunter2@a.example'}")
    with pytest.raises(InvalidSettings, match=r"a URL of a\.example carries a login") as caught:
        read(root)
    assert "hunter2" not in str(caught.value)


def test_what_means_nothing_is_named_and_passed_over(root: Path) -> None:
    """A key of tomorrow is no mistake: the engines pass over it, too."""
    path = write(root, f"{SYSTEM}/a.yaml", "colour: 1\ndocker:\n  a.example:\n    lookasides: x\n")
    assert [f"{said} {key}" for said, key in read(root).ignored] == [
        f"{path}:1 colour",
        f"{path}:4 docker.a.example.lookasides",
    ]


def test_files_that_cannot_be_read(root: Path) -> None:
    (root / SYSTEM / "folder.yaml").mkdir(parents=True)
    with pytest.raises(InvalidSettings, match="cannot be read"):
        read(root)
    write(root, "etc/containers2", "")
    with pytest.raises(InvalidSettings, match="no such folder"):
        RegistriesD.read({}, root, 1000, root / "etc/containers2")


def test_urls_of_folders() -> None:
    assert folder_of("file:///srv/a%20b") == Path("/srv/a b")
    assert folder_of("https://a.example/x") is None


KEYS = st.sampled_from(
    ["docker", "default-docker", "lookaside", "lookaside-staging", "sigstore", "use-sigstore-attachments", "r.example"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["https://a.example", "file:///a", "file:a", "", "x:y"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_in_a_file_is_read_or_refused_by_its_name(content: bytes) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a.yaml").write_bytes(content)
        reference = parse_reference("r.example/team/app:1")
        try:
            found = RegistriesD.read({}, folder, 0, folder)
        except InvalidSettings as problem:
            assert str(problem).startswith(f"{folder}/a.yaml:")  # noqa: PT017
            return
        assert found.reading(reference) is not None
        assert found.attachments(reference) in (True, False)
        assert found.advice(reference)
