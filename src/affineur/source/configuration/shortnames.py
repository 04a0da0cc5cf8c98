"""Names without a registry: which one is meant is looked up, never guessed, and always said.

containers-registries.conf(5) § Short-Name Aliasing; containers/image, pkg/shortnames. Unlike there, nobody is prompted,
and registries are never tried one after the other: whoever may put an image into the first one would be trusted.
"""

import msgspec

from affineur.errors import InvalidReference
from affineur.oci.reference import Reference, parse_reference
from affineur.source.configuration.located import Said
from affineur.source.configuration.registries import Registries
from affineur.source.configuration.registriesconf import is_short

__all__ = ["Resolved", "resolve"]

_SKOPEO = "docker://"


class Resolved(msgspec.Struct, frozen=True):
    """What a text means.

    Attributes:
        reference: with its registry.
        why: one sentence for the user on which registry was meant, and what decided; "" where the name says it.
        said: the file and line that decided, if one did.
    """

    reference: Reference
    why: str = ""
    said: Said | None = None

    @property
    def text(self) -> str:
        """The name in full."""
        return str(self.reference)


def resolve(text: str, registries: Registries) -> Resolved:
    """`debian:12`, `team/app@sha256:…` or a full name as the configuration has it; tag and digest stay.

    Raises:
        InvalidReference: it is no name; or it names no registry, and none or several could be meant; says what to
            write.
        InvalidSettings: the file of chosen aliases cannot be read.
    """
    named = parse_reference(text)
    skopeo = text.startswith(_SKOPEO)
    rest = text.removeprefix(_SKOPEO)
    if not is_short(rest):
        return Resolved(named)
    if skopeo:
        return Resolved(named, f"{rest} means {named}: docker:// without a registry is Docker Hub, as for skopeo")
    short = _without_version(rest)
    alias = registries.alias(short)
    if alias is not None:
        meant = _at(alias.value, named)
        return Resolved(meant, f"{text} means {meant}: {short} is an alias in {alias.said}", alias.said)
    if not registries.files:
        return Resolved(named, f"{text} means {named}: Docker Hub, as for docker, since there is no registries.conf")
    said = registries.search_said
    candidates = [_at(f"{registry}/{short}", named) for registry in registries.search]
    if len(candidates) == 1:
        (meant,) = candidates
        return Resolved(meant, f"{text} means {meant}: the only one of unqualified-search-registries in {said}", said)
    if candidates:
        shown = ", ".join(str(each) for each in candidates)
        raise InvalidReference(
            f"{text!r} names no registry, and several could serve it ({said}); write one of: {shown}"
        )
    where = str(said) if said is not None else ", ".join(str(file) for file in registries.files)
    raise InvalidReference(
        f"{text!r} names no registry, is no alias, and no unqualified-search-registries are set ({where});"
        f" write {named} if Docker Hub is meant"
    )


def _without_version(rest: str) -> str:
    return rest.partition("@")[0].partition(":")[0]


def _at(name: str, named: Reference) -> Reference:
    registry, repository = parse_reference(name).registry, parse_reference(name).repository
    return Reference(registry, repository, named.tag, named.digest)
