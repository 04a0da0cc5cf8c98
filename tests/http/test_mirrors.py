import pytest

from affineur.errors import InvalidSettings
from affineur.http.mirrors import MirrorMap

MAP = MirrorMap(
    [
        "http://archive.example/debian=http://127.0.0.1:8000/d",
        "http://archive.example/debian/dists=https://mirror.example/dists/",
        "https://registry.example=http://127.0.0.1:5000",
    ]
)


@pytest.mark.parametrize(
    ("url", "mapped"),
    [
        ("http://archive.example/debian/pool/x.deb", "http://127.0.0.1:8000/d/pool/x.deb"),
        ("http://archive.example/debian/dists/bookworm/InRelease", "https://mirror.example/dists/bookworm/InRelease"),
        ("http://archive.example/debian", "http://127.0.0.1:8000/d"),
        ("http://archive.example/debian-security/x", None),
        ("https://archive.example/debian/x", None),
        ("http://archive.example.evil.example/debian/x", None),
        ("https://registry.example/v2/", "http://127.0.0.1:5000/v2/"),
        ("https://registry.example:5000/v2/", None),
        ("https://registry.example?x=y", "http://127.0.0.1:5000?x=y"),
        ("HTTPS://Registry.Example/v2/", "http://127.0.0.1:5000/v2/"),
    ],
)
def test_the_longest_prefix_wins_at_a_path_boundary(url: str, mapped: str | None) -> None:
    assert MAP.apply(url) == mapped


@pytest.mark.parametrize("pair", ["", "x=y", "http://a", "http://a=", "=http://a", "http://a=ftp://b", "http://a=b"])
def test_a_pair_that_is_none_is_refused(pair: str) -> None:
    with pytest.raises(InvalidSettings):
        MirrorMap([pair])


def test_what_lies_at_a_mirror_is_not_mapped_again() -> None:
    mirrors = MirrorMap(
        [
            "http://127.0.0.1:5000=http://127.0.0.1:5000/m",
            "http://a.example=http://b.example",
            "http://b.example=http://c.example",
        ]
    )
    for url in ("http://127.0.0.1:5000/x", "http://a.example/x"):
        mapped = mirrors.apply(url)
        assert mapped is not None
        assert mirrors.apply(mapped) is None


def test_a_query_in_the_source_may_hold_an_equals_sign() -> None:
    assert (
        MirrorMap(["http://a.example/x?y=z=http://127.0.0.1/x"]).apply("http://a.example/x?y=z") == "http://127.0.0.1/x"
    )
