"""The verdict: every rule's three answers, and how they add up."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata.erratum import Severity
from affineur.trust.grade import grade
from affineur.trust.lifecycle import Age
from affineur.trust.model import Decision, Grade, Lifecycle, Outcome, Rule, Support, Unapplied, Verdict
from affineur.trust.policy import Deviations, ForeignPackages, Health, Metadata, Policy, WhenUnknown, default_policy
from affineur.trust.verdict import Foreign, Observed, PolicyFacts, SuiteState, judge

AS_OF = datetime(2026, 6, 1, 9, tzinfo=UTC)
SUPPORTED = Lifecycle(Support.SUPPORTED, date(2027, 1, 1), Support.ENDED, "a table")
GOOD = SuiteState("bookworm-security", verified=True, fresh=True)


def missing(days: int | None, severity: Severity | None = Severity.IMPORTANT, at_least: int | None = None) -> Unapplied:
    return Unapplied(
        "DSA-1",
        severity,
        None if days is None else AS_OF - timedelta(days=days),
        None if at_least is None else AS_OF - timedelta(days=at_least),
    )


def graded(*errata: Unapplied, unknown: tuple[str, ...] = ()) -> Grade:
    return grade(errata, AS_OF, unknown=unknown)


def facts(
    letter: Grade | None = None, lifecycle: Lifecycle = SUPPORTED, suites: tuple[SuiteState, ...] = (GOOD,)
) -> PolicyFacts:
    return PolicyFacts(letter or graded(), lifecycle, suites)


def rule(verdict: Verdict, name: str) -> Rule:
    return next(rule for rule in verdict.rules if rule.rule == name)


def test_a_good_image_is_accepted_with_every_rule_passed() -> None:
    verdict = judge(facts(), default_policy())
    assert (verdict.decision, verdict.policy) == (Decision.ACCEPT, "default")
    assert [(rule.rule, rule.outcome) for rule in verdict.rules] == [
        ("health", Outcome.PASS),
        ("lifecycle", Outcome.PASS),
        ("metadata.verified", Outcome.PASS),
        ("metadata.fresh", Outcome.PASS),
    ]


@pytest.mark.parametrize(
    ("found", "outcome", "because"),
    [
        (graded(), Outcome.PASS, "the grade is A; B or better is asked"),
        (graded(missing(30)), Outcome.PASS, "the grade is B until 2026-06-01; B or better is asked"),
        (graded(missing(31)), Outcome.FAIL, "the grade is C; B or better is asked"),
        # out for at least 40 days: C or worse, whatever its date
        (graded(missing(None, at_least=40)), Outcome.FAIL, "the grade is at best C; "),
        (graded(missing(None, at_least=2)), Outcome.COULD_NOT_TELL, "the grade is at best B; "),
        (graded(missing(None)), Outcome.COULD_NOT_TELL, "the grade is at best B; "),
        # unrated for 40 days: C as Important, but perhaps it is Moderate, and the truth an A
        (graded(missing(40, None)), Outcome.COULD_NOT_TELL, "the grade is at best C; "),
        # unrated for 2 days: B even if it is Critical
        (graded(missing(2, None)), Outcome.PASS, "the grade is at worst B; "),
        (graded(unknown=("not read",)), Outcome.COULD_NOT_TELL, "the grade is unknown; B or better is asked: not read"),
        (graded(missing(2), unknown=("not read",)), Outcome.COULD_NOT_TELL, "the grade is at best B; "),
        (graded(missing(50), unknown=("not read",)), Outcome.FAIL, "the grade is at best C; "),
    ],
)
def test_health(found: Grade, outcome: Outcome, because: str) -> None:
    verdict = judge(facts(found), default_policy())
    assert rule(verdict, "health").outcome is outcome
    assert rule(verdict, "health").because.startswith(because)


def test_the_errata_that_set_the_letter_are_the_evidence() -> None:
    verdict = judge(facts(graded(missing(31), missing(3, Severity.MODERATE))), default_policy())
    assert rule(verdict, "health").evidence == ("DSA-1",)


@pytest.mark.parametrize(
    ("unknown", "decision"),
    [
        (WhenUnknown.UNDETERMINED, Decision.UNDETERMINED),
        (WhenUnknown.REJECT, Decision.REJECT),
        (WhenUnknown.ACCEPT, Decision.ACCEPT),
    ],
)
def test_what_to_make_of_unknown_is_the_policy_s_to_say(unknown: WhenUnknown, decision: Decision) -> None:
    policy = Policy(health=Health(at_least="B", unknown=unknown))
    verdict = judge(facts(graded(unknown=("not read",))), policy)
    assert verdict.decision is decision
    assert verdict.rules[0].warning == (unknown is WhenUnknown.ACCEPT)


@pytest.mark.parametrize(
    ("support", "outcome", "warning"),
    [
        (Support.SUPPORTED, Outcome.PASS, False),
        (Support.LONG_TERM, Outcome.PASS, True),
        (Support.PAID_ONLY, Outcome.FAIL, False),
        (Support.ENDED, Outcome.FAIL, False),
        (Support.UNKNOWN, Outcome.COULD_NOT_TELL, False),
    ],
)
def test_lifecycle(support: Support, outcome: Outcome, warning: bool) -> None:
    found = rule(judge(facts(lifecycle=Lifecycle(support, note="why")), default_policy()), "lifecycle")
    assert (found.outcome, found.warning) == (outcome, warning)
    assert "why" in found.because


@pytest.mark.parametrize(
    ("suites", "verified", "fresh"),
    [
        ((), Outcome.COULD_NOT_TELL, Outcome.COULD_NOT_TELL),
        ((GOOD, SuiteState("x", False, True, "unknown key")), Outcome.FAIL, Outcome.PASS),
        ((GOOD, SuiteState("x", True, False, "expired")), Outcome.PASS, Outcome.FAIL),
        ((GOOD, SuiteState("x", None, None, "no answer")), Outcome.COULD_NOT_TELL, Outcome.COULD_NOT_TELL),
        ((SuiteState("x", None, None), SuiteState("y", False, False)), Outcome.FAIL, Outcome.FAIL),
    ],
)
def test_metadata(suites: tuple[SuiteState, ...], verified: Outcome, fresh: Outcome) -> None:
    verdict = judge(facts(suites=suites), default_policy())
    assert rule(verdict, "metadata.verified").outcome is verified
    assert rule(verdict, "metadata.fresh").outcome is fresh


def test_only_what_metadata_asks_for_is_judged() -> None:
    verdict = judge(
        facts(suites=(SuiteState("x", True, False),)), Policy(metadata=Metadata(verified=True, fresh=False))
    )
    assert (verdict.decision, len(verdict.rules)) == (Decision.ACCEPT, 1)


@pytest.mark.parametrize(
    ("age", "outcome"),
    [(Age(90), Outcome.PASS), (Age(91), Outcome.FAIL), (Age(None, "reproducible"), Outcome.COULD_NOT_TELL)],
)
def test_build_age(age: Age, outcome: Outcome) -> None:
    verdict = judge(PolicyFacts(graded(), SUPPORTED, build_age=age), Policy(build_age_max_days=90))
    assert verdict.rules[0].outcome is outcome


def test_deviations_that_are_not_allowed_fail() -> None:
    found = (Observed("hold", "libc6 is held"), Observed("unknown-key", "a key nobody knows"))
    seen = PolicyFacts(graded(), SUPPORTED, deviations=found)
    verdict = judge(seen, Policy(deviations=Deviations(allow=("hold",))))
    assert verdict.rules[0].outcome is Outcome.FAIL
    assert verdict.rules[0].evidence == ("unknown-key: a key nobody knows",)
    assert judge(seen, Policy(deviations=Deviations(allow=("hold", "unknown-key")))).decision is Decision.ACCEPT


def test_nothing_asked_is_nothing_known() -> None:
    assert judge(facts(), Policy()).decision is Decision.UNDETERMINED


ages = st.none() | st.integers(0, 500)
errata = st.lists(st.builds(missing, ages, st.sampled_from([*Severity, None]), ages), max_size=4)
truths = st.sampled_from([True, False, None])


@given(errata, st.sampled_from(list(Support)), st.lists(st.builds(SuiteState, st.just("s"), truths, truths)))
def test_law_reject_before_undetermined_before_accept(
    lacking: list[Unapplied], support: Support, suites: list[SuiteState]
) -> None:
    verdict = judge(facts(graded(*lacking), Lifecycle(support), tuple(suites)), default_policy())
    outcomes = [rule.outcome for rule in verdict.rules]
    assert (verdict.decision is Decision.REJECT) == (Outcome.FAIL in outcomes)
    assert (verdict.decision is Decision.ACCEPT) == all(outcome is Outcome.PASS for outcome in outcomes)
    assert all(rule.because for rule in verdict.rules)


@given(errata, errata)
def test_law_one_more_erratum_never_makes_an_image_acceptable(lacking: list[Unapplied], more: list[Unapplied]) -> None:
    if judge(facts(graded(*lacking, *more)), default_policy()).decision is Decision.ACCEPT:
        assert judge(facts(graded(*lacking)), default_policy()).decision is Decision.ACCEPT


def test_foreign_packages_fail_unless_a_glob_allows_them() -> None:
    seen = PolicyFacts(graded(), SUPPORTED, foreign=Foreign(("google-chrome-stable", "nginx")))
    verdict = judge(seen, Policy(foreign_packages=ForeignPackages(allow=("google-chrome*",))))
    assert [(rule.outcome, rule.evidence) for rule in verdict.rules] == [(Outcome.FAIL, ("nginx",))]
    allowed = judge(seen, Policy(foreign_packages=ForeignPackages(allow=("google-*", "nginx"))))
    assert allowed.decision is Decision.ACCEPT


def test_packages_of_untold_origin_are_no_yes() -> None:
    seen = PolicyFacts(graded(), SUPPORTED, foreign=Foreign((), "bookworm could not be read"))
    assert judge(seen, Policy(foreign_packages=ForeignPackages())).decision is Decision.UNDETERMINED
    rejected = judge(seen, Policy(foreign_packages=ForeignPackages(unknown=WhenUnknown.REJECT)))
    assert rejected.decision is Decision.REJECT
    assert judge(PolicyFacts(graded(), SUPPORTED), Policy(foreign_packages=ForeignPackages())).decision is (
        Decision.UNDETERMINED
    ), "nobody looked"
