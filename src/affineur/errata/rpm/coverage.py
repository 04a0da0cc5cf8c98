"""Whether a repository's notices may serve: that it has some, and that they keep up with its packages. Pure.

A repository without notices, with an empty list of them (UBI 7's has 92 bytes), or with one that nobody has added to
for a long time says nothing about what its newer builds fix. A notice comes with its builds or after them: vendors
build first. So builds that are younger than the newest notice by more than `SLACK` have none yet, and may never have.

Nothing rests on a list that may not serve, but for what others say: of Fedora and openSUSE, the repository of the
release itself is frozen and has no notices, and those of the updates speak of everything that is newer than it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from affineur.errata.erratum import Erratum
from affineur.packages.versions.rpm import key
from affineur.repositories.update import Update

__all__ = ["SLACK", "Coverage", "Held", "gaps", "newest_of", "state", "uncovered"]

SLACK = timedelta(days=7)
"""As long as a copy of notices may be old (feeds.GOOD_FOR), and the shortest time that the grade tells apart."""


class Coverage(msgspec.Struct, frozen=True):
    """What is to be thought of a repository's notices.

    Attributes:
        state: `ok`; `none`: it has no updateinfo; `empty`: nothing is in it; `behind`: its newest builds are younger
            than all of it, or that could not be told.
        why: a sentence for people, about the repository ("has no notices"); empty where ok.
    """

    state: str
    why: str = ""

    @property
    def serves(self) -> bool:
        """Whether what it does not list can be taken for not published."""
        return self.state == "ok"


class Held(msgspec.Struct, frozen=True):
    """One repository's notices, and what they are held against.

    Attributes:
        name: of the repository, for people.
        count: how many notices it has, final ones; None where it has no updateinfo.
        newest_notice: see `newest_of`; `newest_build`: of all its packages.
        uncovered: how many updates of the image it offers that no notice of any repository names; see `uncovered`.
    """

    name: str
    count: int | None
    newest_notice: datetime | None = None
    newest_build: datetime | None = None
    uncovered: int = 0


def newest_of(errata: Iterable[Erratum], now: datetime) -> datetime | None:
    """When a final notice was issued or changed last; a date after `now` is none.

    Args:
        errata: all notices of a repository, whatever they are about.
        now: UTC.
    """
    dates = (date for erratum in errata if not erratum.status for date in (erratum.issued, erratum.updated))
    return max((date for date in dates if date is not None and date <= now), default=None)


def state(count: int | None, newest_notice: datetime | None, newest_build: datetime | None) -> Coverage:
    """Judge one repository by itself.

    Args:
        count: how many final notices it has; None where it has no updateinfo.
        newest_build: when the newest of all its packages was built; None where that is not known.
    """
    if count is None:
        return Coverage("none", "has no notices")
    if count == 0:
        return Coverage("empty", "has a list of notices with nothing in it")
    if newest_notice is None:
        return Coverage("behind", f"has {count} notices without a date, so whether they keep up could not be told")
    if newest_build is None:
        return Coverage("behind", f"has {count} notices, but no date of its builds to hold them against")
    if newest_build - newest_notice > SLACK:
        days = (newest_build - newest_notice).days
        return Coverage(
            "behind",
            f"has builds of {newest_build:%Y-%m-%d}, but no notice after {newest_notice:%Y-%m-%d} ({days} days)",
        )
    return Coverage("ok")


def gaps(held: Sequence[Held]) -> list[str]:
    """Say why a fix that is out may be in no notice; empty where the notices of all repositories together may serve.

    At least one repository must have notices that keep up. Another, whose notices do not, is no gap as long as each
    update that it offers is named by a notice of some repository.
    """
    if not held:
        return ["no repository was read that could have notices"]
    judged = [(each, state(each.count, each.newest_notice, each.newest_build)) for each in held]
    some = any(coverage.serves for _, coverage in judged)
    return [
        f"{each.name} {coverage.why}" + (f"; {_updates(each.uncovered)}" if each.uncovered else "")
        for each, coverage in judged
        if not coverage.serves and (each.uncovered or not some)
    ]


def uncovered(updates: Iterable[Update], errata: Iterable[Erratum]) -> list[Update]:
    """Pick the updates whose available version no final notice names, also where notices name one in between."""
    named = {(build.name, key(build.version)) for erratum in errata if not erratum.status for build in erratum.builds}
    return [update for update in updates if (update.name, key(update.available)) not in named]


def _updates(count: int) -> str:
    return f"no notice speaks of {count} of its updates" if count > 1 else "no notice speaks of one of its updates"
