"""Policies: what is written is what is asked, and nothing slips through."""

from pathlib import Path

import pytest

from affineur.errors import InvalidPolicy
from affineur.trust.model import Support
from affineur.trust.policy import (
    Deviations,
    Health,
    LifecycleRule,
    Metadata,
    Policy,
    WhenUnknown,
    default_policy,
    meanings,
    parse_policy,
)


def test_the_default_policy_is_what_the_documentation_promises() -> None:
    assert default_policy() == Policy(
        name="default",
        health=Health(at_least="B", unknown=WhenUnknown.UNDETERMINED),
        lifecycle=LifecycleRule(reject=(Support.PAID_ONLY, Support.ENDED), warn=(Support.LONG_TERM,)),
        metadata=Metadata(verified=True, fresh=True),
    )


def test_every_key_can_be_written() -> None:
    policy = parse_policy(
        b"""
name: strict
health: {at-least: A, unknown: reject}
build-age-max-days: 90
deviations:
  allow: [phased, hold]
""",
        "strict.yaml",
    )
    assert policy == Policy(
        name="strict",
        health=Health(at_least="A", unknown=WhenUnknown.REJECT),
        build_age_max_days=90,
        deviations=Deviations(allow=("phased", "hold")),
    )
    assert [rule for rule, _ in meanings(policy)] == ["health", "build-age-max-days", "deviations"]


NESTED = "[" * 17 + "]" * 17


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("health: {at-least: B}\nhealht: {at-least: A}\n", "p.yaml:2: unknown key healht"),
        ("health:\n  at-least: B\n  unknwon: reject\n", "p.yaml:3: unknown key unknwon"),
        ("health: {at-least: B}\nhealth: {at-least: E}\n", "p.yaml:2: health is there twice (first in line 1)"),
        ("health:\n  at-least: B\n  at-least: E\n", "p.yaml:3: at-least is there twice (first in line 2)"),
        ("health:\n  unknown: reject\n", "p.yaml:1: health: missing key at-least"),
        ("name: x\nhealth:\n  at-least: G\n", "p.yaml:3: health.at-least: Invalid enum value 'G'"),
        ("name: x\nhealth:\n", "p.yaml:2: health has no value"),
        ("\nlifecycle:\n  reject:\n  - ended\n  - dead\n", "p.yaml:3: lifecycle.reject: Invalid enum value 'dead'"),
        ("lifecycle:\n  reject: [unknown]\n", "p.yaml:1: lifecycle: unknown has a key of its own"),
        ("lifecycle: {reject: [ended], warn: [ended]}\n", "p.yaml:1: lifecycle: ended cannot be both"),
        ("metadata: {verified: false, fresh: false}\n", "p.yaml:1: metadata: asks for nothing"),
        ("name: x\nmetadata: {verified: 1}\n", "p.yaml:2: metadata.verified: Expected bool, got int"),
        ("build-age-max-days: -1\n", "p.yaml:1: build-age-max-days: Expected int >= 0"),
        ("build-age-max-days: 2026-02-31\n", "p.yaml:1: "),
        ("name: x\n", "p.yaml:1: no rule at all"),
        ("", "p.yaml:1: Expected object, got null"),
        ("- health\n", "p.yaml:1: Expected object, got array"),
        ("health: &a {at-least: B}\n", "p.yaml:1: anchors and aliases are not allowed"),
        ("name: x\nhealth: *a\n", "p.yaml:2: anchors and aliases are not allowed"),
        ("name: !!python/object:os.system x\n", "p.yaml:1: the tag"),
        ("health: {<<: {at-least: B}}\n", "p.yaml:1: a key that is no text"),
        ("1: x\n", "p.yaml:1: a key that is no text"),
        ("name: x\n---\nname: y\n", "p.yaml:2: "),
        ("name: x\nhealth: {at-least: B\n", "p.yaml:3: "),
        (f"name: x\nhealth: {NESTED}\n", "p.yaml:2: more than 16 levels"),
        ("name: x\nhealth: \x07\n", "p.yaml:2: special characters"),
        ("#" * 300_000, "p.yaml:1: longer than"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(InvalidPolicy) as told:
        parse_policy(text.encode(), "p.yaml")
    assert str(told.value).startswith(complaint)


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match=r"p\.yaml:2: not UTF-8"):
        parse_policy(b"name: x\nhealth: \xff\n", "p.yaml")
