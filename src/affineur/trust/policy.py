"""The policy: what is asked of an image, read strictly from YAML.

Unknown and duplicate keys are errors, so that a slip of the pen never loosens a policy. docs/reference/policy.md
describes every key.
"""

import enum
import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal

import msgspec

from affineur.errors import InvalidPolicy
from affineur.trust.data import shipped
from affineur.trust.model import Support

__all__ = [
    "Deviations",
    "ForeignPackages",
    "Health",
    "LifecycleRule",
    "Metadata",
    "Policy",
    "WhenUnknown",
    "default_policy",
    "default_text",
    "meanings",
    "parse_policy",
]

_DEFAULT: Final = "policy.yaml"


class WhenUnknown(enum.StrEnum):
    """What to make of a rule that could not be told."""

    UNDETERMINED = "undetermined"
    REJECT = "reject"
    ACCEPT = "accept"


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The grade must be this letter or a better one."""

    at_least: Literal["A", "B", "C", "D", "E", "F"]
    unknown: WhenUnknown = WhenUnknown.UNDETERMINED


class LifecycleRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Which support statuses do not pass, and which pass with a warning."""

    reject: tuple[Support, ...]
    warn: tuple[Support, ...] = ()
    unknown: WhenUnknown = WhenUnknown.UNDETERMINED

    def __post_init__(self) -> None:
        if Support.UNKNOWN in (*self.reject, *self.warn):
            raise ValueError("unknown has a key of its own")
        if both := set(self.reject) & set(self.warn):
            raise ValueError(f"{', '.join(sorted(both))} cannot be both rejected and warned of")


class Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What is asked of every suite that the answer rests on."""

    verified: bool = True
    fresh: bool = True

    def __post_init__(self) -> None:
        if not (self.verified or self.fresh):
            raise ValueError("asks for nothing: leave metadata out")


class Deviations(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Kinds of deviation that are allowed; any other fails."""

    allow: tuple[str, ...] = ()


class ForeignPackages(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Packages that the distribution has not published, of which nobody's errata speak; globs of names allow some."""

    allow: tuple[str, ...] = ()
    unknown: WhenUnknown = WhenUnknown.UNDETERMINED


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", omit_defaults=True):
    """Rules; one that is left out asks for nothing.

    Attributes:
        build_age_max_days: whole UTC days since the image says that it was built.
    """

    name: str = "unnamed"
    health: Health | None = None
    lifecycle: LifecycleRule | None = None
    metadata: Metadata | None = None
    build_age_max_days: Annotated[int, msgspec.Meta(ge=0)] | None = None
    deviations: Deviations | None = None
    foreign_packages: ForeignPackages | None = None


def parse_policy(content: bytes, file: str) -> Policy:
    """Read a policy.

    Args:
        file: its name, for messages, which start with `file:line:`.

    Raises:
        InvalidPolicy: no strict YAML, unknown keys, wrong values, or a policy without any rule (it would accept all).
    """
    from affineur import strictyaml  # PyYAML takes longer to import than all of this room

    try:
        document = strictyaml.read(content)
    except strictyaml.NotStrict as problem:
        raise InvalidPolicy(f"{file}:{problem.line}: {problem.problem}") from problem
    try:
        policy = msgspec.convert(document.values, Policy)
    except msgspec.ValidationError as problem:
        message, path = _placed(str(problem))
        raise InvalidPolicy(f"{file}:{document.line(path)}: {message}") from problem
    if not list(meanings(policy)):
        raise InvalidPolicy(f"{file}:1: no rule at all: such a policy would accept everything")
    return policy


def default_text() -> str:
    """The default policy, as the file that ships with this program."""
    return shipped(_DEFAULT)


def default_policy() -> Policy:
    """The policy that holds where no other is given."""
    return parse_policy(default_text().encode(), _DEFAULT)


def meanings(policy: Policy) -> Iterator[tuple[str, str]]:
    """Each rule's key and, in a sentence, what it asks for; in the order in which a verdict lists them."""
    if policy.health:
        asked = policy.health.at_least
        better = "" if asked == "A" else " or better"
        yield "health", f"the grade must be {asked}{better}; {_otherwise(policy.health.unknown, 'letter')}"
    if policy.lifecycle:
        rejected = _listed(policy.lifecycle.reject)
        warned = f", {_listed(policy.lifecycle.warn)} passes with a warning" if policy.lifecycle.warn else ""
        unknown = _otherwise(policy.lifecycle.unknown, "status")
        yield "lifecycle", f"the release's support must not be {rejected}{warned}; {unknown}"
    if policy.metadata and policy.metadata.verified:
        yield "metadata.verified", "every suite that the answer rests on must be known to be the distribution's own"
    if policy.metadata and policy.metadata.fresh:
        yield "metadata.fresh", "every such suite must be neither expired, nor stale, nor older than one seen before"
    if policy.build_age_max_days is not None:
        yield "build-age-max-days", f"the image must say that it was built at most {policy.build_age_max_days} days ago"
    if policy.deviations:
        allowed = f" but {', '.join(policy.deviations.allow)}" if policy.deviations.allow else ""
        yield "deviations", f"the image must not differ from what its distribution publishes in anything{allowed}"
    if policy.foreign_packages:
        foreign = policy.foreign_packages
        allowed = f" but {', '.join(foreign.allow)}" if foreign.allow else ""
        otherwise = _otherwise(foreign.unknown, "origin")
        yield "foreign-packages", f"no package may be of another origin than the distribution{allowed}; {otherwise}"


def _otherwise(unknown: WhenUnknown, what: str) -> str:
    return {
        WhenUnknown.UNDETERMINED: f"an unknown {what} leaves the verdict undetermined",
        WhenUnknown.REJECT: f"an unknown {what} is rejected",
        WhenUnknown.ACCEPT: f"an unknown {what} is accepted",
    }[unknown]


def _listed(statuses: tuple[Support, ...]) -> str:
    return " or ".join(statuses) or "anything in particular"


def _placed(message: str) -> tuple[str, tuple[str, ...]]:
    """A message of msgspec without its path, and that path; for an unknown key, with the key."""
    text, _, path = message.partition(" - at `$")
    keys = tuple(re.findall(r"\.([^.\[\]`]+)", path))
    unknown = re.search(r"unknown field `([^`]*)`", text)
    if unknown:
        return f"unknown key {unknown[1]}", (*keys, unknown[1])
    text = text.replace("Object missing required field", "missing key").replace("`", "")
    return (f"{'.'.join(keys)}: {text}" if keys else text), keys
