"""The verdict: a policy applied to what was found out. Every rule says pass, fail or could not tell, and why."""

import fnmatch
from collections.abc import Callable, Iterator
from datetime import UTC
from typing import Final

import msgspec

from affineur.trust.grade import letter_on, until, worse
from affineur.trust.lifecycle import Age
from affineur.trust.model import Decision, Grade, Lifecycle, Outcome, Rule, Verdict
from affineur.trust.policy import ForeignPackages, Health, LifecycleRule, Policy, WhenUnknown

__all__ = ["Foreign", "Observed", "PolicyFacts", "SuiteState", "judge"]

_NAMED: Final = 5  # pieces of evidence named in a sentence; the rest are counted


class SuiteState(msgspec.Struct, frozen=True):
    """A suite that the answer rests on.

    Attributes:
        verified: known to be the distribution's own: yes, no, or None: could not be told.
        fresh: neither expired, nor stale, nor rolled back; likewise.
        because: why not, in a sentence; empty where both are True.
    """

    suite: str
    verified: bool | None
    fresh: bool | None
    because: str = ""


class Observed(msgspec.Struct, frozen=True):
    """A deviation of the image from what its distribution publishes."""

    kind: str
    what: str


class Foreign(msgspec.Struct, frozen=True):
    """Packages that the distribution has not published.

    Attributes:
        names: those that are known to be none of its.
        untold: why there may be others; empty where all were told.
    """

    names: tuple[str, ...]
    untold: str = ""


class PolicyFacts(msgspec.Struct, frozen=True):
    """All that a policy may ask about.

    Attributes:
        suites: those that the answer rests on; one that should have been read and was not belongs here too, with None.
    """

    grade: Grade
    lifecycle: Lifecycle
    suites: tuple[SuiteState, ...] = ()
    build_age: Age = Age(None, "nobody looked")
    deviations: tuple[Observed, ...] = ()
    foreign: Foreign = Foreign((), "nobody looked")


def judge(facts: PolicyFacts, policy: Policy) -> Verdict:
    """Apply every rule of a policy: reject if any fails; else undetermined if any could not be told; else accept.

    A policy without rules is undetermined: nothing was asked, so nothing is known.
    """
    rules = tuple(_rules(facts, policy))
    outcomes = {rule.outcome for rule in rules}
    if Outcome.FAIL in outcomes:
        decision = Decision.REJECT
    elif Outcome.COULD_NOT_TELL in outcomes or not rules:
        decision = Decision.UNDETERMINED
    else:
        decision = Decision.ACCEPT
    return Verdict(decision, policy.name, rules)


def _rules(facts: PolicyFacts, policy: Policy) -> Iterator[Rule]:
    if policy.health:
        yield _health(facts.grade, policy.health)
    if policy.lifecycle:
        yield _lifecycle(facts.lifecycle, policy.lifecycle)
    if policy.metadata and policy.metadata.verified:
        yield _suites("metadata.verified", facts.suites, lambda suite: suite.verified, "verified")
    if policy.metadata and policy.metadata.fresh:
        yield _suites("metadata.fresh", facts.suites, lambda suite: suite.fresh, "fresh")
    if policy.build_age_max_days is not None:
        yield _build_age(facts.build_age, policy.build_age_max_days)
    if policy.deviations:
        others = [found for found in facts.deviations if found.kind not in policy.deviations.allow]
        named = tuple(f"{found.kind}: {found.what}" for found in others)
        because = f"{_counted(len(others), 'deviation')} not allowed" if others else "no deviation that is not allowed"
        yield Rule("deviations", Outcome.FAIL if others else Outcome.PASS, because, named)
    if policy.foreign_packages:
        yield _foreign(facts.foreign, policy.foreign_packages)


def _health(grade: Grade, asked: Health) -> Rule:
    """Compare bounds as far as they decide: what is proven worse fails, what is no worse even at worst passes."""
    evidence = _moved_by(grade)
    wanted = f"{asked.at_least} is asked" if asked.at_least == "A" else f"{asked.at_least} or better is asked"
    if grade.letter is not None:
        outcome = Outcome.FAIL if worse(grade.letter, asked.at_least) else Outcome.PASS
        last = until(grade)
        holds = f" until {last}" if last and outcome is Outcome.PASS else ""
        return Rule("health", outcome, f"the grade is {grade.letter}{holds}; {wanted}", evidence)
    why = "; ".join(grade.reasons)
    if grade.proven is not None and worse(grade.proven, asked.at_least):
        return Rule("health", Outcome.FAIL, f"the grade is at best {grade.proven}; {wanted} ({why})", evidence)
    if grade.at_worst is not None and not worse(grade.at_worst, asked.at_least):
        return Rule("health", Outcome.PASS, f"the grade is at worst {grade.at_worst}; {wanted} ({why})", evidence)
    bound = f"at best {grade.at_best}" if grade.at_best else "unknown"
    return _untold("health", asked.unknown, f"the grade is {bound}; {wanted}: {why}", evidence)


def _lifecycle(found: Lifecycle, asked: LifecycleRule) -> Rule:
    evidence = (found.source,) if found.source else ()
    note = f" ({found.note})" if found.note else ""
    if found.support == "unknown":
        return _untold("lifecycle", asked.unknown, f"the support of the release is unknown{note}", evidence)
    ahead = f" until {found.until}" if found.until else ""
    ahead += f", then {found.then}" if found.until and found.then else ""
    because = f"the support of the release is {found.support}{ahead}{note}"
    outcome = Outcome.FAIL if found.support in asked.reject else Outcome.PASS
    return Rule("lifecycle", outcome, because, evidence, warning=found.support in asked.warn)


def _suites(rule: str, suites: tuple[SuiteState, ...], answer: Callable[[SuiteState], bool | None], word: str) -> Rule:
    failed = [suite for suite in suites if answer(suite) is False]
    untold = [suite for suite in suites if answer(suite) is None]
    if failed:
        return Rule(rule, Outcome.FAIL, f"not {word}: {_named(failed)}", _sentences(failed))
    if untold or not suites:
        named = _named(untold) or "no suite was read at all"
        return Rule(rule, Outcome.COULD_NOT_TELL, f"could not be told whether {word}: {named}", _sentences(untold))
    return Rule(rule, Outcome.PASS, f"{word}: {_named(suites)}", tuple(suite.suite for suite in suites))


def _build_age(age: Age, most: int) -> Rule:
    if age.days is None:
        return Rule("build-age-max-days", Outcome.COULD_NOT_TELL, f"the build age is unknown: {age.why}")
    outcome = Outcome.FAIL if age.days > most else Outcome.PASS
    because = f"built {_counted(age.days, 'day')} ago, as the image itself says; at most {most} are allowed"
    return Rule("build-age-max-days", outcome, because)


def _foreign(found: Foreign, asked: ForeignPackages) -> Rule:
    others = tuple(
        name for name in found.names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in asked.allow)
    )
    if others:
        because = f"{_counted(len(others), 'package')} of another origin than the distribution"
        return Rule("foreign-packages", Outcome.FAIL, because, others)
    if found.untold:
        because = f"whose all packages are could not be told: {found.untold}"
        return _untold("foreign-packages", asked.unknown, because, ())
    allowed = f" but {_counted(len(found.names), 'package')} that the policy allows" if found.names else ""
    return Rule("foreign-packages", Outcome.PASS, f"all packages are the distribution's{allowed}", found.names)


def _untold(rule: str, unknown: WhenUnknown, because: str, evidence: tuple[str, ...]) -> Rule:
    outcome = {
        WhenUnknown.UNDETERMINED: Outcome.COULD_NOT_TELL,
        WhenUnknown.REJECT: Outcome.FAIL,
        WhenUnknown.ACCEPT: Outcome.PASS,
    }[unknown]
    policy = "" if unknown is WhenUnknown.UNDETERMINED else f" (the policy says: {unknown})"
    return Rule(rule, outcome, because + policy, evidence, warning=unknown is WhenUnknown.ACCEPT)


def _moved_by(grade: Grade) -> tuple[str, ...]:
    """The errata that brought the letter where it is."""
    today = (grade.as_of if grade.as_of.tzinfo is None else grade.as_of.astimezone(UTC)).date()
    if letter_on(grade, today) == "A":
        return ()
    passed = [drop for drop in grade.schedule if drop.day <= today]
    return passed[-1].because if passed else grade.counted


def _sentences(suites: list[SuiteState]) -> tuple[str, ...]:
    return tuple(f"{suite.suite}: {suite.because}" if suite.because else suite.suite for suite in suites)


def _named(suites: tuple[SuiteState, ...] | list[SuiteState]) -> str:
    more = f" and {len(suites) - _NAMED} more" if len(suites) > _NAMED else ""
    return ", ".join(suite.suite for suite in suites[:_NAMED]) + more


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
