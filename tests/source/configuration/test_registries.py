"""registries.conf by the facts of containers-registries.conf(5), containers-registries.conf.d(5) and containers/image.

What skopeo and podman make of the same files: tests/system/test_registries_conf.py.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import ForbiddenAddress, InvalidSettings
from affineur.oci.reference import parse_reference
from affineur.source.configuration.registries import Plan, Registries
from affineur.source.configuration.registriesconf import parse_registries_conf

DIGEST = "sha256:" + "0" * 64
SYSTEM, USER, VENDOR = "etc/containers", "home/.config/containers", "usr/share/containers"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(root: Path, **environment: str) -> Registries:
    return Registries.read({"HOME": str(root / "home"), **environment}, root, user=1000)


def plan(root: Path, text: str, reference: str) -> Plan:
    write(root, f"{SYSTEM}/registries.conf", text)
    return read(root).plan(parse_reference(reference))


def shown(plan: Plan) -> list[str]:
    return [str(each.reference) for each in plan.asked]


# containers-registries.conf(5) § EXAMPLE, with the location spelt as in its result
MANUAL = """\
unqualified-search-registries = ["example.com"]

[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal-registry-for-example.net/bar"

[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"

[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true

[[registry]]
location = "registry.com"

[[registry.mirror]]
location = "mirror.registry.com"
"""


REGISTRY, MIRROR = '[[registry]]\nlocation = "r.example"\n', '[[registry.mirror]]\nlocation = "m.example"\n'


class TestOneFile:
    def test_the_manuals_example(self, root: Path) -> None:
        found = plan(root, MANUAL, "example.com/foo/image:latest")
        assert shown(found) == [
            "example-mirror-0.local/mirror-for-foo/image:latest",
            "example-mirror-1.local/mirrors/foo/image:latest",
            "internal-registry-for-example.net/bar/image:latest",
        ]
        file = root / SYSTEM / "registries.conf"
        assert [each.where for each in found.asked] == [f"{file}:9", f"{file}:12", f"{file}:3"]
        assert [str(each.insecure_said) for each in found.asked if each.insecure] == [f"{file}:14"]
        assert [each.mirror for each in found.asked] == [True, True, False]
        assert shown(plan(root, MANUAL, "registry.com/image:latest")) == [
            "mirror.registry.com/image:latest",
            "registry.com/image:latest",
        ]

    @pytest.mark.parametrize(
        ("prefix", "name", "covered"),
        [  # containers/image, TestRefMatchingPrefix and TestRefMatchingSubdomainPrefix
            ("example.com:5000", "example.com:50000/a", False),
            ("example.com", "example.com:5000/a", True),
            ("docker.io/library", "docker.io/libraryy/a", False),
            ("docker.io/library", "docker.io/library/busybox", True),
            ("docker.io/library/busybox", "docker.io/library/busybox2", False),
            ("docker.io/busybox", "docker.io/busybox", False),  # § Normalization of docker.io references
            ("*.io", "docker.io/foo", True),
            ("*.co", "example.com/foo", False),
            ("*.example.com", "example.com/foo", False),
            ("*.example.com", "yet.another.example.com/foo", True),
            ("*.example.com", "sub.example.com:5000/foo", True),
            ("*.com", "example.net/namespace-ends-in.com/foo", False),
            ("*.namespace.com", "another.example.com/namespace.com/foo", False),
            ("*", "example.com/foo", False),
        ],
    )
    def test_what_a_prefix_covers(self, root: Path, prefix: str, name: str, covered: bool) -> None:
        found = plan(root, f'[[registry]]\nprefix = "{prefix}"\nlocation = "there.example"\n', f"{name}:1")
        assert (found.entry is not None) is covered

    def test_a_wildcard_without_location_leaves_the_name(self, root: Path) -> None:
        text = '[[registry]]\nprefix = "*.example.com"\ninsecure = true\n'
        found = plan(root, text, "blah.example.com/foo/myimage:latest")
        assert [(str(each.reference), each.insecure) for each in found.asked] == [
            ("blah.example.com/foo/myimage:latest", True)
        ]

    def test_without_an_entry_the_name_itself_says_it(self, root: Path) -> None:
        (only,) = plan(root, MANUAL, "other.example/app:1").asked
        assert (str(only.reference), only.where, only.insecure, only.mirror) == (
            "other.example/app:1",
            "the name itself",
            False,
            False,
        )

    def test_a_tag_beside_a_digest_stays_a_remark(self, root: Path) -> None:
        found = plan(root, MANUAL, f"registry.com/image:1@{DIGEST}")
        assert shown(found)[0] == f"mirror.registry.com/image:1@{DIGEST}"

    @pytest.mark.parametrize(
        ("registry", "mirror", "by_tag", "by_digest"),
        [  # § Remapping and mirroring registries, pull-from-mirror and mirror-by-digest-only
            ("", "", True, True),
            ("", 'pull-from-mirror = "all"', True, True),
            ("", 'pull-from-mirror = "digest-only"', False, True),
            ("", 'pull-from-mirror = "tag-only"', True, False),
            ("mirror-by-digest-only = true", "", False, True),
        ],
    )
    def test_mirrors_for_tags_or_digests(
        self, root: Path, registry: str, mirror: str, by_tag: bool, by_digest: bool
    ) -> None:
        text = (
            f'[[registry]]\nlocation = "r.example"\n{registry}\n[[registry.mirror]]\nlocation = "m.example"\n{mirror}\n'
        )
        for which, used in ((":1", by_tag), (f"@{DIGEST}", by_digest), (f":1@{DIGEST}", by_digest)):
            found = plan(root, text, f"r.example/app{which}")
            assert [each.reference.registry for each in found.asked] == ["m.example"] * used + ["r.example"]
            wanted = [] if used else ["only for digests" if which == ":1" else "only for tags"]
            assert [each.left_out.partition(" (")[0] for each in found.left_out] == wanted

    def test_what_is_blocked_is_refused_by_file_and_line(self, root: Path) -> None:
        text = '[[registry]]\nlocation = "r.example/bad"\n# why\nblocked = true\n'
        file = write(root, f"{SYSTEM}/registries.conf", text)
        with pytest.raises(ForbiddenAddress) as refused:
            read(root).endpoints(parse_reference("r.example/bad/app:1"))
        assert f"r.example/bad is blocked ({file}:4)" in str(refused.value)
        assert read(root).endpoints(parse_reference("r.example/badly/app:1"))

    def test_blocked_and_elsewhere_is_blocked_all_the_same(self, root: Path) -> None:
        text = '[[registry]]\nprefix = "a.example"\nlocation = "b.example"\nblocked = true\n'
        assert plan(root, text, "a.example/app").asked == ()
        text += '[[registry.mirror]]\nlocation = "m.example"\n'
        assert shown(plan(root, text, "a.example/app")) == ["m.example/app:latest"]

    @pytest.mark.parametrize("location", ["docker.io", "no-host", "r.example/UPPER", "a b"])
    def test_a_location_that_makes_no_name_of_it(self, root: Path, location: str) -> None:
        text = f'\n[[registry]]\nprefix = "a.example"\nlocation = "{location}"\n'
        with pytest.raises(InvalidSettings, match=r"registries\.conf:2: makes "):
            plan(root, text, "a.example/app:1")

    @pytest.mark.parametrize(
        ("text", "line", "problem"),
        [
            ('[[registry]]\nlocation = "https://r.example"', 2, "https://"),
            ('[[registry]]\nprefix = "r.example"', 2, "needs a location"),
            ("[[registry]]\nblocked = true", 1, "neither prefix nor location"),
            ('[[registry]]\nprefix = "*.r.example/a"\nlocation = "b.example"', 2, "only a host"),
            ('[[registry]]\nprefix = "*.r.example:5000"', 2, "only a host"),
            ('[[registry]]\nlocation = "r.example"\npull-from-mirror = "all"', 3, "registry.mirror"),
            ('[[registry]]\nlocation = "r.example"\n[[registry.mirror]]\ninsecure = true', 3, "no location"),
            (REGISTRY + MIRROR + 'pull-from-mirror = "x"', 5, "'x'"),
            (REGISTRY + "mirror-by-digest-only = true\n" + MIRROR + 'pull-from-mirror = "all"', 6, "exclude"),
            (REGISTRY + REGISTRY + 'prefix = "p.example"\ninsecure = true', 3, "'insecure'"),
            ('[[registry]]\nlocation = "r.example"\nblocked = "yes"', 3, "true or false"),
            ("[[registry]]\nlocation = 1", 2, "text in quotes"),
            ("[registry]\nlocation = 'r.example'", 1, "[[registry]]"),
            ('\nshort-name-mode = "loud"', 2, "'loud'"),
            ('unqualified-search-registries = ["r.example/team"]', 1, "no host"),
            ('unqualified-search-registries = "r.example"', 1, "list"),
            ('[aliases]\n\n"a:1" = "r.example/a"', 3, "short name"),
            ('[aliases]\n"r.example/a" = "r.example/a"', 2, "short name"),
            ('[aliases]\n"localhost/a" = "r.example/a"', 2, "short name"),
            ('[aliases]\n"a" = "team/a"', 2, "registry/repository"),
            ('[aliases]\n"a" = "r.example/a:1"', 2, "without tag"),
            (f'[aliases]\n"a" = "r.example/a@{DIGEST}"', 2, "without tag"),
            ("[registries.search]\nregistries = []\n[[registry]]\nlocation = 'r.example'", 1, "mixed"),
        ],
    )  # fmt: skip
    def test_what_the_engines_refuse_is_refused_by_line(self, root: Path, text: str, line: int, problem: str) -> None:
        file = write(root, f"{SYSTEM}/registries.conf", text)
        with pytest.raises(InvalidSettings) as refused:
            read(root)
        assert str(refused.value).startswith(f"{file}:{line}: ")
        assert problem in str(refused.value)

    def test_what_nobody_knows_is_ignored_and_listed(self, root: Path) -> None:
        text = (
            'colour = 1\n[[registry]]\nlocation = "r.example"\nproxy = "x"\n'
            '[[registry.mirror]]\nLocation = "m.example"\nx = 1\n'
        )
        file = write(root, f"{SYSTEM}/registries.conf", text)
        assert [(said.line, name) for said, name in read(root).ignored] == [
            (1, "colour"),
            (4, "registry.proxy"),
            (7, "registry.mirror.x"),
        ]
        assert read(root).ignored[0][0].file == file

    def test_version_1(self, root: Path) -> None:
        """§ VERSION 1 FORMAT, its own example."""
        file = write(
            root,
            f"{SYSTEM}/registries.conf",
            "[registries.search]\nregistries = ['registry1.com', 'registry2.com']\n"
            "[registries.insecure]\nregistries = ['registry3.com']\n"
            "[registries.block]\nregistries = ['registry.untrusted.com', 'registry.unsafe.com']\n",
        )
        found = read(root)
        assert found.search == ("registry1.com", "registry2.com")
        assert str(found.search_said) == f"{file}:1"
        (insecure,) = found.endpoints(parse_reference("registry3.com/a"))
        assert (insecure.insecure, str(insecure.insecure_said)) == (True, f"{file}:4")
        assert f"{file}:6" in found.plan(parse_reference("registry.unsafe.com/a")).left_out[0].left_out
        write(root, f"{SYSTEM}/registries.conf.d/1.conf", "[registries.search]\nregistries = []\n")
        with pytest.raises(InvalidSettings, match=r"1\.conf:1: a drop-in must be in version 2"):
            read(root)


def entry(location: str) -> str:
    return f'[[registry]]\nprefix = "p.example"\nlocation = "{location}.example"\n'


class TestOrder:
    def location(self, root: Path, **environment: str) -> str:
        found = read(root, **environment).entry("p.example/a")
        return found.location.removesuffix(".example") if found else ""

    def test_drop_ins_replace_by_name_the_users_last(self, root: Path) -> None:
        order = [
            f"{SYSTEM}/registries.conf",
            f"{VENDOR}/registries.conf.d/9.conf",
            f"{SYSTEM}/registries.conf.d/10.conf",
            f"{SYSTEM}/registries.conf.d/9.conf",
            f"{USER}/registries.conf.d/1.conf",
        ]
        for number, name in enumerate(order):
            write(root, name, entry(f"l{number}"))
            write(root, f"{SYSTEM}/registries.conf.d/99.other", "not read")
            assert self.location(root) == f"l{number}"
        named = {"CONTAINERS_REGISTRIES_CONF_OVERRIDE": str(write(root, "override", entry("override")))}
        assert self.location(root, **named) == "override"

    def test_a_users_main_file_hides_all_of_the_systems(self, root: Path) -> None:
        write(root, f"{SYSTEM}/registries.conf", 'short-name-mode = "enforcing"\n')
        write(root, f"{SYSTEM}/registries.conf.d/1.conf", entry("system"))
        write(root, f"{USER}/registries.conf", "")
        assert (self.location(root), read(root).short_name_mode) == ("", "permissive")
        write(root, f"{USER}/registries.conf.d/1.conf", entry("user"))
        assert self.location(root, XDG_CONFIG_HOME=str(root / "elsewhere")) == "user"

    def test_a_named_main_file_hides_the_main_files_only(self, root: Path) -> None:
        write(root, f"{SYSTEM}/registries.conf", "not read")
        write(root, f"{USER}/registries.conf", "not read")
        write(root, f"{SYSTEM}/registries.conf.d/1.conf", "[[registry]]\nlocation = 'drop.example'\n")
        named = str(write(root, "named", entry("named")))
        for variable in ("CONTAINERS_REGISTRIES_CONF", "REGISTRIES_CONFIG_PATH"):
            assert self.location(root, **{variable: named}) == "named"
            assert read(root, **{variable: named}).entry("drop.example/a")
            with pytest.raises(InvalidSettings, match=rf"\(\${variable}\): no such file"):
                read(root, **{variable: str(root / "none")})

    def test_the_vendors_is_the_last_resort(self, root: Path) -> None:
        write(root, f"{VENDOR}/registries.conf", entry("vendor"))
        assert self.location(root) == "vendor"
        write(root, f"{SYSTEM}/registries.conf", "")
        assert self.location(root) == ""

    def test_lists_replace_and_an_empty_one_too(self, root: Path) -> None:
        write(
            root,
            f"{SYSTEM}/registries.conf",
            'unqualified-search-registries = ["a.example"]\ncredential-helpers = ["x"]\n',
        )
        write(root, f"{SYSTEM}/registries.conf.d/1.conf", "")
        assert (read(root).search, read(root).credential_helpers) == (("a.example",), ("x",))
        write(
            root, f"{SYSTEM}/registries.conf.d/2.conf", "unqualified-search-registries = []\ncredential-helpers = []\n"
        )
        assert (read(root).search, read(root).credential_helpers) == ((), ("containers-auth.json",))

    def test_no_file_at_all(self, root: Path) -> None:
        found = Registries.read({}, root, user=1000)
        assert (found.files, found.search, found.credential_helpers) == ([], (), ("containers-auth.json",))
        assert found.alias("debian") is None

    def test_what_cannot_be_read_is_not_passed_over(self, root: Path) -> None:
        (root / SYSTEM / "registries.conf").mkdir(parents=True)
        with pytest.raises(InvalidSettings, match="cannot be read"):
            read(root)
        (root / SYSTEM / "registries.conf").rmdir()
        write(root, f"{SYSTEM}/registries.conf", "#" * (1024 * 1024 + 1))
        with pytest.raises(InvalidSettings, match="larger than"):
            read(root)


VALUES = st.recursive(
    st.sampled_from(["true", "1", '"r.example"', '"*.example"', '"a"', '""', "'/'", '"localhost"', "[]"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
    max_leaves=4,
)
KNOWN = [
    "prefix",
    "location",
    "insecure",
    "blocked",
    "mirror",
    "pull-from-mirror",
    "mirror-by-digest-only",
    "registries",
    "registry",
    "aliases",
    "unqualified-search-registries",
    "short-name-mode",
    "credential-helpers",
    '"a/b"',
]
HEADS = ["[[registry]]", "[[registry.mirror]]", "[aliases]", "[registries.search]", "[registries]"]
LINES = st.one_of(st.sampled_from(HEADS), st.tuples(st.sampled_from(KNOWN), VALUES).map(" = ".join))


@given(st.one_of(st.binary(max_size=80), st.lists(LINES, max_size=8).map(lambda lines: "\n".join(lines).encode())))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    try:
        parse_registries_conf(content, Path("any"))
    except InvalidSettings as problem:
        refused = str(problem)
    else:
        return
    assert refused.startswith("any:")
