import pytest

from affineur.errors import InputError
from affineur.oci.platform import Platform, default_platform, parse_platform, preference


def best(wanted: str, offered: list[str]) -> str | None:
    ranked = [
        (rank, index)
        for index, name in enumerate(offered)
        if (rank := preference(parse_platform(wanted), parse_platform(name))) is not None
    ]
    return offered[min(ranked)[1]] if ranked else None


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("linux/amd64", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("Windows/AMD64", "windows/amd64"),
    ],
)
def test_reads_what_people_write(text: str, full: str) -> None:
    assert str(parse_platform(text)) == full


@pytest.mark.parametrize("text", ["", "/", "linux/", "linux/amd64/v1/x", "linux amd64", "linux/\x1b"])
def test_refuses_what_is_no_platform(text: str) -> None:
    with pytest.raises(InputError):
        parse_platform(text)


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"),
        ("linux/amd64", ["windows/amd64"], None),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"),
        ("linux/arm/v6", ["linux/arm/v7", "linux/arm/v5"], "linux/arm/v5"),
        ("linux/arm/v5", ["linux/arm/v7"], None),
        ("linux/arm64", ["linux/arm64/v8"], "linux/arm64/v8"),
        ("linux/arm64/v8", ["linux/arm64"], "linux/arm64"),
        ("linux/amd64", ["linux/amd64/v3"], None),  # a plain amd64 machine does not run x86-64-v3
        ("linux/amd64", ["linux/amd64/v3", "linux/amd64/v1"], "linux/amd64/v1"),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2"], "linux/amd64/v2"),
        ("linux/386", ["linux/amd64"], None),
    ],
)
def test_a_machine_runs_its_variants_predecessors_only(wanted: str, offered: list[str], chosen: str | None) -> None:
    assert best(wanted, offered) == chosen


def test_the_first_of_equals_is_chosen() -> None:
    assert preference(parse_platform("linux/amd64"), Platform(os="linux", architecture="amd64")) == 0


def test_the_default_is_linux() -> None:
    assert default_platform().os == "linux"
