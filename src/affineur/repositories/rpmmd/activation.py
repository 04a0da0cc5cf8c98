"""Which module streams are active: those enabled in /etc/dnf/modules.d and the defaults, with what they require.

A module has one active stream at most. Builds of a stream (contexts) that require the same count together, those that
require something else apart. Enabled streams come first, then the defaults of modules that are not disabled, by name;
those that leave no choice before the others. What a stream requires becomes active with it, and a stream whose
requirements cannot be had does not.

Sources: dnf's documentation, "Modularity"; libmodulemd's yaml_specs on dependencies; where they are silent, what dnf
does (tests/system/test_dnf_choice.py). dnf solves this with libsolv; here it is a search of bounded length, which takes
the same way in all that was tried. Where enabled streams contradict each other, both are dropped.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from affineur.errors import LimitExceeded
from affineur.repositories.rpmmd.model import ModuleState
from affineur.repositories.rpmmd.modules import Modules, ModuleStream

__all__ = ["Activation", "activated", "defaults_of"]

MAX_STEPS = 20_000  # of the whole search; RHEL 8's 70 modules take some hundreds
MAX_DEPTH = 40  # requirements of requirements
PLATFORM = "platform"


class Activation(NamedTuple):
    """The documents whose artifacts count, and what could not be activated."""

    streams: tuple[ModuleStream, ...]
    problems: tuple[str, ...]


class _Group(NamedTuple):
    """Builds of one stream that require the same."""

    name: str
    stream: str
    requires: tuple[tuple[str, tuple[str, ...]], ...]
    builds: list[ModuleStream]


_Selected = dict[str, _Group]


def defaults_of(modules: Iterable[Modules]) -> dict[str, str]:
    """Module → its default stream: what was modified last; none where two of the same time differ."""
    best: dict[str, tuple[int, str | None]] = {}
    for each in modules:
        for name, default in each.defaults.items():
            held = best.get(name)
            if held is None or held[0] < default.modified or (held[0] == default.modified and held[1] == ""):
                best[name] = default.modified, default.stream
            elif held[0] == default.modified and default.stream not in ("", held[1]):
                best[name] = default.modified, None
    return {name: stream for name, (_, stream) in best.items() if stream}


def activated(modules: Sequence[Modules], states: Sequence[ModuleState], platform: str) -> Activation:
    """Find the active streams.

    Args:
        modules: of all enabled repositories.
        platform: os-release's PLATFORM_ID (`platform:el8`); empty where there is none, and then no stream that requires
            a platform is active.
    """
    enabled = {state.name: state.stream for state in states if state.state == "enabled" and state.stream}
    disabled = {state.name for state in states if state.state == "disabled"}
    groups = _grouped(modules, enabled, disabled)
    defaults = {name: stream for name, stream in defaults_of(modules).items() if name not in disabled}
    wanted = [*sorted(enabled.items()), *(item for item in sorted(defaults.items()) if item[0] not in enabled)]
    search = _Search(groups, {**defaults, **enabled}, platform.rpartition(":")[2])
    selected: _Selected = {}
    problems = []
    contradicted: set[str] = set()
    try:
        for name, stream in sorted(
            wanted, key=lambda each: (each[0] not in enabled, _choices(groups.get(each, ())) > 1)
        ):
            if name in selected and selected[name].stream == stream:
                continue
            found = search.best(groups.get((name, stream), ()), selected)
            if found is not None:
                selected = found
            elif name in enabled:
                problems.append(f"the enabled module stream {name}:{stream}, or what it requires, is not there")
                contradicted |= _contradicted(groups.get((name, stream), ()), enabled)
    except LimitExceeded as error:
        return Activation((), (str(error),))
    kept = [group for group in selected.values() if group.name not in contradicted]
    return Activation(tuple(build for group in kept for build in group.builds), tuple(problems))


def _grouped(
    modules: Iterable[Modules], enabled: Mapping[str, str], disabled: set[str]
) -> dict[tuple[str, str], list[_Group]]:
    groups: dict[tuple[str, str], dict[object, _Group]] = {}
    for each in modules:
        for build in each.streams:
            if build.name in disabled or enabled.get(build.name, build.stream) != build.stream:
                continue
            key = build.context if build.static_context else build.requires
            same = groups.setdefault((build.name, build.stream), {})
            same.setdefault(key, _Group(build.name, build.stream, build.requires, [])).builds.append(build)
    return {name: sorted(same.values(), key=_text) for name, same in groups.items()}


def _text(group: _Group) -> str:
    """By what dnf orders groups of one stream: more streams of a module stand before fewer."""
    return ";".join(f"{name}:[{','.join(streams)}]" for name, streams in group.requires)


def _contradicted(groups: Iterable[_Group], enabled: Mapping[str, str]) -> set[str]:
    """The enabled modules of which a group requires another stream: dnf takes neither."""
    return {
        name
        for group in groups
        for name, streams in group.requires
        if name in enabled and not _allows(streams, enabled[name])
    }


def _choices(groups: Iterable[_Group]) -> int:
    return len({build.context for group in groups for build in group.builds})


class _Search:
    def __init__(
        self, groups: dict[tuple[str, str], list[_Group]], preferred: Mapping[str, str], platform: str
    ) -> None:
        self._by_name: dict[str, list[_Group]] = {}
        for (name, stream), same in sorted(groups.items()):
            first = preferred.get(name) == stream
            held = self._by_name.setdefault(name, [])
            held[:] = [*same, *held] if first else [*held, *same]
        self._platform = platform
        self._steps = 0

    def best(self, groups: Iterable[_Group], selected: _Selected) -> _Selected | None:
        """Add the group that needs the fewest others, and what it needs."""
        best: _Selected | None = None
        for group in groups:
            found = self._with(group, selected, 0)
            if found is not None and (best is None or len(found) < len(best)):
                best = found
        return best

    def _with(self, group: _Group, selected: _Selected, depth: int) -> _Selected | None:
        self._steps += 1
        if self._steps > MAX_STEPS or depth > MAX_DEPTH:
            raise LimitExceeded("what module streams require of each other is too intricate: none is taken for active")
        held = selected.get(group.name)
        if held is not None:
            return selected if held is group else None
        return self._satisfied(group.requires, {**selected, group.name: group}, depth)

    def _satisfied(
        self, requires: Sequence[tuple[str, tuple[str, ...]]], selected: _Selected, depth: int
    ) -> _Selected | None:
        if not requires:
            return selected
        (name, streams), *others = requires
        if name == PLATFORM:
            return self._satisfied(others, selected, depth) if _allows(streams, self._platform) else None
        held = selected.get(name)
        candidates = [held] if held is not None else self._by_name.get(name, [])
        for candidate in candidates:
            if not _allows(streams, candidate.stream):
                continue
            found = self._with(candidate, selected, depth + 1)
            if found is not None and (whole := self._satisfied(others, found, depth)) is not None:
                return whole
        return None


def _allows(streams: Sequence[str], stream: str) -> bool:
    """Whether a list of streams means this one: any of those named, none of those with a minus, all of an empty one."""
    if not stream or f"-{stream}" in streams:
        return False
    named = [each for each in streams if not each.startswith("-")]
    return not named or stream in named
