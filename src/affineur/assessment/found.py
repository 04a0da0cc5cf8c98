"""What the first half of the way found, handed to the second, which judges it."""

from functools import cached_property

from affineur.assessment.contents import Contents
from affineur.assessment.deviations import foreign
from affineur.assessment.errata import Errata
from affineur.repositories.apt.choose import Choice
from affineur.repositories.apt.model import AptConfiguration, OfferedSuite
from affineur.repositories.published import Published
from affineur.repositories.reference import NoReference, ReferenceSuite

__all__ = ["Found"]


class Found:
    """Everything that was read.

    Attributes:
        configuration: of the image's apt.
        offered: the suites that the image's own sources name; `choice` is what apt would take of them.
        references: what ought to have been read of the distribution's suites; `published` is what came of it.
    """

    def __init__(
        self,
        contents: Contents,
        configuration: AptConfiguration,
        offered: tuple[OfferedSuite, ...],
        choice: Choice,
        references: tuple[ReferenceSuite, ...] | NoReference,
        published: tuple[Published, ...],
        errata: Errata,
    ) -> None:
        self.contents = contents
        self.configuration = configuration
        self.offered = offered
        self.choice = choice
        self.references = references
        self.published = published
        self.errata = errata

    @cached_property
    def others(self) -> tuple[str, ...]:
        """Installed packages that no reference suite has published."""
        return foreign(self.contents, [OfferedSuite(each.suite, each.offers) for each in self.published if each.suite])

    @property
    def pinned(self) -> frozenset[str]:
        """Fingerprints that may sign the reference suites."""
        if isinstance(self.references, NoReference):
            return frozenset()
        return frozenset(key for reference in self.references for key in reference.keys)
