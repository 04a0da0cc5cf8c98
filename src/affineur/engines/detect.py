"""Which engine takes the image: the one that was named, or the first that is there and answers.

A command on the PATH is no engine yet: docker's client is often there without a daemon. What was tried and why it was
passed over is said where none answers.
"""

from collections.abc import Callable, Mapping

from affineur.engines.engine import Engine, EngineFailed
from affineur.engines.running import Program, on_the_path

__all__ = ["ENGINES", "find_engine"]

ENGINES = ("podman", "docker", "nerdctl", "ctr")
"""In the order in which they are tried."""


def find_engine(named: str | None, environment: Mapping[str, str]) -> tuple[Engine, tuple[str, ...]]:
    """The engine, and those that are there, do not answer, and were passed over: why, a sentence each.

    Args:
        named: one of ENGINES; None for the first that answers.
        environment: where programs are looked for; they get all of it.

    Raises EngineFailed: the named one is not there, or does not answer; or none does.
    """
    tried: list[str] = []
    passed_over: list[str] = []
    for name in (named,) if named is not None else ENGINES:
        path = on_the_path(name, environment)
        if path is None:
            tried.append(f"{name}: not on the PATH")
            continue
        try:
            return _opened(name)(Program(path, environment), environment), tuple(passed_over)
        except EngineFailed as problem:
            passed_over.append(str(problem))  # which names the program
            tried.append(str(problem))
    none = "" if named is not None else "no container engine answers: "
    raise EngineFailed(f"{none}{'; '.join(tried)} (`--engine none --to oci:FOLDER` needs none)")


def _opened(name: str) -> Callable[[Program, Mapping[str, str]], Engine]:
    """Only its own code is loaded."""
    if name == "podman":
        from affineur.engines.podman import Podman

        return lambda program, _: Podman(program)
    if name == "docker":
        from affineur.engines.docker import Docker

        return lambda program, _: Docker(program)
    if name == "nerdctl":
        from affineur.engines.nerdctl import Nerdctl

        return lambda program, _: Nerdctl(program)
    from affineur.engines.containerd import Containerd

    return Containerd
