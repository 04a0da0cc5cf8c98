"""Where an image is asked for: the engines' registries.conf files as one, and what they make of a name.

containers-registries.conf(5); matching, rewriting and order are containers/image's (pkg/sysregistriesv2,
docker/docker_image_src.go), which podman, skopeo and buildah share. Asks nobody.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from affineur.errors import ForbiddenAddress, InvalidReference, InvalidSettings
from affineur.oci.reference import Reference, parse_reference
from affineur.source.configuration.located import Said
from affineur.source.configuration.places import alias_file, content_of, registries_files
from affineur.source.configuration.registriesconf import Alias, Entry, Mirror, RegistriesConf, parse_registries_conf

__all__ = ["Endpoint", "Plan", "Registries"]

_AUTH_FILES = "containers-auth.json"


class Endpoint(msgspec.Struct, frozen=True):
    """A place that may be asked for an image.

    Attributes:
        reference: the image as it is to be asked for there; credentials are looked for by this name too.
        insecure: certificates are not verified, and plain HTTP is tried where there is no TLS.
        mirror: not the image's own place.
        said: what put it here; None: the name itself.
        insecure_said: where `insecure` is set, if it is.
        left_out: why it is not asked; "" if it is.
    """

    reference: Reference
    insecure: bool = False
    mirror: bool = False
    said: Said | None = None
    insecure_said: Said | None = None
    left_out: str = ""

    @property
    def where(self) -> str:
        """`said` for people."""
        return str(self.said) if self.said is not None else "the name itself"


class Plan(msgspec.Struct, frozen=True):
    """What is asked for one image, in this order, the image's own place last; and what is not, and why.

    Attributes:
        entry: the `[[registry]]` that was chosen, or None.
    """

    asked: tuple[Endpoint, ...]
    left_out: tuple[Endpoint, ...]
    entry: Entry | None


class Registries:
    """The configuration of one user, merged."""

    def __init__(self, environment: Mapping[str, str], root: Path, user: int | None) -> None:
        """See `read`."""
        self._environment, self._root, self._user = environment, root, user
        self._by_prefix: dict[str, Entry] = {}
        self._named: dict[str, Alias] = {}
        self.files: list[Path] = []
        self.search: tuple[str, ...] = ()
        self.search_said: Said | None = None
        self.credential_helpers: tuple[str, ...] = (_AUTH_FILES,)
        self.short_name_mode = "permissive"
        self.ignored: list[tuple[Said, str]] = []

    @classmethod
    def read(cls, environment: Mapping[str, str], root: Path = Path("/"), user: int | None = None) -> "Registries":
        """Read all the files; those that do not exist say nothing.

        Args:
            environment: HOME, and variables that name files.
            root: where the system's own files lie.
            user: the effective user's id; None: this process's.

        Raises InvalidSettings: a named file is missing, or any is unreadable or against the rules.
        """
        made = cls(environment, root, user)
        for file in registries_files(environment, root):
            content = content_of(file.path)
            if content is None:
                if file.named_by:
                    raise InvalidSettings(f"{file.path} (${file.named_by}): no such file")
                continue
            made._merge(parse_registries_conf(content, file.path, drop_in=file.drop_in), file.path)
        made._by_prefix = dict(sorted(made._by_prefix.items()))
        return made

    def _merge(self, conf: RegistriesConf, path: Path) -> None:
        """Later files replace: whole entries by prefix, aliases by name, lists as a whole."""
        self.files.append(path)
        self._by_prefix |= conf.entries
        self._named |= conf.aliases
        self.ignored += conf.ignored
        if conf.search is not None:
            self.search, self.search_said = conf.search, conf.search_said
        if conf.helpers is not None:
            self.credential_helpers = conf.helpers or (_AUTH_FILES,)
        self.short_name_mode = conf.mode or self.short_name_mode

    @cached_property
    def chosen_aliases(self) -> dict[str, Alias]:
        """The short names that a person has chosen when an engine asked. Raises InvalidSettings."""
        path = alias_file(self._environment, self._root, self._user)
        content = content_of(path) if path is not None else None
        if path is None or content is None:
            return {}
        return parse_registries_conf(content, path, drop_in=True).aliases

    def alias(self, name: str) -> Alias | None:
        """What a short name without tag and digest stands for. Raises InvalidSettings.

        A chosen one goes before those of all other files; an empty one is as none.
        """
        found = self.chosen_aliases.get(name) or self._named.get(name)
        return found if found is not None and found.value else None

    def entry(self, name: str) -> Entry | None:
        """The `[[registry]]` for registry/repository: the longest prefix that it starts with."""
        chosen: Entry | None = None
        for entry in self._by_prefix.values():
            if _matched(name, entry.prefix) >= 0 and (chosen is None or len(entry.prefix) > len(chosen.prefix)):
                chosen = entry
        return chosen

    def endpoints(self, reference: Reference) -> tuple[Endpoint, ...]:
        """Whom to ask, in order: mirrors, then the image's own place. Raises as `plan`, and

        ForbiddenAddress: everybody who could be asked is blocked, or left out; with file and line. The user's own
        configuration refuses, as `[network] allow` does.
        """
        plan = self.plan(reference)
        if not plan.asked:
            reasons = "; ".join(f"{each.reference.name}: {each.left_out}" for each in plan.left_out)
            raise ForbiddenAddress(f"{reference}: not asked for: {reasons}; name another image, or change that file")
        return plan.asked

    def plan(self, reference: Reference) -> Plan:
        """What the files make of a name. Raises InvalidSettings: a location makes no name of it."""
        entry = self.entry(reference.name)
        if entry is None:
            return Plan((Endpoint(reference),), (), None)
        all_ = [self._mirror(reference, entry, mirror) for mirror in entry.mirrors]
        own = Endpoint(
            _rewritten(reference, entry.prefix, entry.location, entry.said),
            entry.insecure,
            said=entry.said,
            insecure_said=entry.insecure_said,
        )
        # containers/image looks at the place that is asked, not at the name: what is blocked and has a location
        # elsewhere it asks there. Its manual forbids that (`blocked`), and so do we.
        all_.append(self._unless_blocked(own, entry))
        return Plan(
            tuple(each for each in all_ if not each.left_out), tuple(each for each in all_ if each.left_out), entry
        )

    def _mirror(self, reference: Reference, entry: Entry, mirror: Mirror) -> Endpoint:
        place = _rewritten(reference, entry.prefix, mirror.location, mirror.said)
        made = Endpoint(place, mirror.insecure, True, mirror.said, mirror.insecure_said)
        if reference.digest is None and (entry.digest_only or mirror.pull == "digest-only"):
            return msgspec.structs.replace(made, left_out=f"only for digests ({made.where})")
        if reference.digest is not None and mirror.pull == "tag-only":
            return msgspec.structs.replace(made, left_out=f"only for tags ({made.where})")
        return self._unless_blocked(made)

    def _unless_blocked(self, endpoint: Endpoint, own: Entry | None = None) -> Endpoint:
        for entry in (own, self.entry(endpoint.reference.name)):
            if entry is not None and entry.blocked:
                reason = f"{entry.prefix} is blocked ({entry.blocked_said})"
                return msgspec.structs.replace(endpoint, left_out=reason)
        return endpoint


def _matched(name: str, prefix: str) -> int:
    """How many characters of a name a prefix covers; -1 if it is none.

    As containers/image has it: `registry.example` covers `registry.example:5000` too, and of `*.registry.example` only
    the first place that fits is looked at.
    """
    if prefix.startswith("*."):
        start = name.find(prefix[1:])
        if start < 0 or "/" in name[:start]:
            return -1
        end = start + len(prefix) - 1
    else:
        if not name.startswith(prefix):
            return -1
        end = len(prefix)
    return end if name[end : end + 1] in ("", ":", "/", "@") else -1


def _rewritten(reference: Reference, prefix: str, location: str, said: Said) -> Reference:
    if not location:
        return reference
    # a tag beside a digest is only a remark; the engines drop it
    which = f"@{reference.digest}" if reference.digest else f":{reference.tag}"
    text = location + (reference.name + which)[_matched(reference.name, prefix) :]
    try:
        made = parse_reference(text)
    except InvalidReference as problem:
        raise InvalidSettings(f"{said}: makes {text!r} of {reference}, which is no name of an image") from problem
    if str(made) != text:  # containers/image wants it in full, docker.io with its library/
        raise InvalidSettings(f"{said}: makes {text!r} of {reference}, which would mean {made}; write that location")
    return msgspec.structs.replace(made, tag=reference.tag)
