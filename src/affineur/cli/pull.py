"""`affineur pull`: judged first, then pulled by an engine, by exactly the digest that was judged."""

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from affineur.cli.options import entitlement_option, format_option, policy_option, reading, reference_argument
from affineur.cli.session import Session
from affineur.errors import InvalidReference, InvalidSettings, SourceError

if TYPE_CHECKING:
    from affineur.assessment.model import Assessment
    from affineur.engines.engine import Access, Engine, Wanted
    from affineur.image.image import Image
    from affineur.move.pull import Pulled
    from affineur.move.receipt import Receipt
    from affineur.oci.reference import Reference
    from affineur.source.source import Source

__all__ = ["pull"]

NO_ENGINE = "none"
_PLATFORM = re.compile(r"(?!unknown/)[A-Za-z0-9_-]{1,64}(?:/[A-Za-z0-9_-]{1,64}){1,2}")
"""What containerd's platforms package takes, which all four engines use; anything else is not handed on."""


@click.command(
    epilog="""\b
Examples:
  affineur pull registry.example/team/app:1
  affineur pull --policy strict.yaml --engine docker docker.io/library/debian
  affineur pull --engine none --to oci:build/app:1 registry.example/team/app:1

\b
Exit codes: 0 accepted and pulled; 1 rejected, and 3 undetermined: nothing was
pulled; 4 the registry or the engine did not answer, or there is no room; 5
what landed is not what was assessed."""
)
@reference_argument
@policy_option
@click.option(
    "--engine",
    "named",
    type=click.Choice(["podman", "docker", "nerdctl", "ctr", NO_ENGINE]),
    help="Who pulls.  [default: the first of these that answers]",
)
@click.option("--to", "target", metavar="PLACE", help="With --engine none: where to put it, as oci:FOLDER:NAME.")
@click.option("--no-space-check", is_flag=True, help="Pull even if the engine's storage seems to have no room for it.")
@click.option(
    "-o", "--receipt", type=click.Path(path_type=Path, dir_okay=False), help="Write what was decided and done, as JSON."
)
@format_option("text", "json")
@entitlement_option
@reading
@click.pass_context
def pull(
    ctx: click.Context,
    reference: str,
    policy: Path | None,
    named: str | None,
    target: str | None,
    no_space_check: bool,
    receipt: Path | None,
    entitlement_dir: Path | None,
    output: str,
    session: Session,
) -> None:
    """Judge the image REFERENCE, and have an engine pull it if it is accepted.

    The engine gets the digest of the manifest that was judged, never the tag, nor an index of which it would choose
    the platform itself. What landed is looked at; only if it is what was judged it gets the tag.
    """
    if (named == NO_ENGINE) != (target is not None):
        raise click.UsageError("--engine none and --to PLACE belong together")
    source = session.source(reference)
    if source.reference.registry is None:
        raise InvalidReference(
            f"{source.reference}: is on this machine already; what is pulled is in a registry (`affineur copy` moves)"
        )
    mover = _Mover(session, named, target, no_space_check)
    assessment = session.assess(source, None, policy, entitlement_dir)
    if output == "text":
        _show_verdict(assessment)
    pulled, copied = None, None
    command: tuple[str, ...] = ()
    if assessment.verdict.decision == "accept":
        pulled, copied = mover.moved(source, assessment)
    elif assessment.verdict.decision == "undetermined":
        command = mover.command(source, assessment)
    _report(assessment, pulled, copied, command, tuple(mover.remarks), output, receipt)
    ctx.exit({"accept": 0, "reject": 1, "undetermined": 3}[assessment.verdict.decision])


class _Mover:
    """Who fetches the image, found before anything is judged."""

    def __init__(self, session: Session, named: str | None, target: str | None, no_space_check: bool) -> None:
        """Raises EngineFailed: no engine answers."""
        self._session = session
        self._target = target
        self._no_space_check = no_space_check
        self._engine: Engine | None = None
        self.remarks: list[str] = []
        if target is not None:
            session.target(target)  # that it can be written is known before the image is judged
            return
        from affineur.engines.detect import find_engine

        self._engine, passed_over = find_engine(named, os.environ)
        for each in passed_over:
            self._remark(f"passed over: {each}")

    def command(self, source: "Source", assessment: "Assessment") -> tuple[str, ...]:
        """What fetches exactly this image without a verdict."""
        wanted = _wanted(_of_registry(source), assessment)
        if self._engine is None:
            return ("affineur", "copy", wanted.exact, str(self._target))
        try:
            return self._engine.pull_words(wanted, self._access(_of_registry(source), wanted))
        except SourceError:  # registries.conf has nobody to be asked for a digest: there is no such command
            return ()

    def moved(self, source: "Source", assessment: "Assessment") -> "tuple[Pulled | None, Receipt | None]":
        """Have it fetched."""
        if self._engine is None:
            return None, self._copied(source, assessment)
        import msgspec

        from affineur.image.image import open_image
        from affineur.move.pull import pull as pull_by

        reference, engine = _of_registry(source), self._engine
        wanted = _wanted(reference, assessment)
        image = open_image(source, None, source.manifest(wanted.digest))
        if image.config_bytes:
            wanted = msgspec.structs.replace(wanted, diff_ids=tuple(str(each) for each in image.diff_ids))
        access = self._access(reference, wanted)
        for each in engine.cannot(access):
            self._remark(f"{engine.name} has no option for {each}")
        self._check_room(engine, image)
        with self._session.progress.stage(f"{engine.name} pull"):
            return pull_by(engine, wanted, access, lambda line: _say(f"{engine.name}: {line}")), None

    def _copied(self, source: "Source", assessment: "Assessment") -> "Receipt":
        from affineur.cli.moving import ShownMove
        from affineur.move.copy import Wish, copy
        from affineur.oci.digest import Digest

        shown = ShownMove()
        try:
            wish = Wish(which=Digest(assessment.image.manifest_digest))
            return copy(source, self._session.target(str(self._target)), wish, shown, self._session.lookasides())
        finally:
            shown.close()

    def _check_room(self, engine: "Engine", image: "Image") -> None:
        """Raises SourceError: there is no room; where that cannot be told, it is said."""
        from affineur.engines.space import needed, room

        storage = engine.storage()
        there = engine.layers_there([*image.diff_ids], [layer.digest for layer in image.layers])
        found = room(storage, needed(image.layers, there, storage))
        if found.enough is None:
            self._remark(f"whether {engine.name} has room for it could not be told: {found.because}")
        elif not found.enough and self._no_space_check:
            self._remark(f"{found.because}; going on (--no-space-check)")
        elif not found.enough:
            raise SourceError(
                f"{engine.name} has no room for it, and nothing was pulled: {found.because};"
                " make room, or try all the same with --no-space-check"
            )

    def _access(self, reference: "Reference", wanted: "Wanted") -> "Access":
        """How the registry is reached, for an engine that asks it by a digest."""
        from affineur.engines.engine import Access
        from affineur.oci.reference import DEFAULT_REGISTRY
        from affineur.source.access import DOCKER_HUB_HOST

        tls_verify, cert_dir, authfile = self._session.connecting
        asked = self._session.registries.endpoints(reference.at(wanted.digest))
        hosts = (reference.registry, *((DOCKER_HUB_HOST,) if reference.registry == DEFAULT_REGISTRY else ()))
        urls = [f"{scheme}://{host}" for scheme in ("https", "http") for host in hosts]
        mapped = any(self._session.mirror_map.targets(url) for url in urls)
        configured = [each.reference.name for each in asked] != [reference.name]
        insecure = not configured and asked[-1].insecure
        plain = False
        if not (mapped or configured or reference.registry == DEFAULT_REGISTRY):
            plain = self._session.client.base_url(reference.registry, insecure=insecure).startswith("http://")
        return Access(
            tls_verify=tls_verify and not insecure,
            plain=plain,
            cert_dir=cert_dir,
            authfile=authfile,
            mapped=mapped,
            configured=configured,
        )

    def _remark(self, text: str) -> None:
        self.remarks.append(text)
        _say(f"affineur: {text}")


def _of_registry(source: "Source") -> "Reference":
    from affineur.oci.reference import Reference

    assert isinstance(source.reference, Reference)  # noqa: S101 - for the type checker: `pull` has looked
    return source.reference


def _wanted(reference: "Reference", assessment: "Assessment") -> "Wanted":
    from affineur.engines.engine import Wanted
    from affineur.oci.digest import Digest

    platform = assessment.image.platform.partition(" ")[0]  # without Windows' version
    return Wanted(
        name=reference.name,
        digest=Digest(assessment.image.manifest_digest),
        platform=platform if _PLATFORM.fullmatch(platform) else "",
        diff_ids=None,
        # a tag beside a digest is only a remark: nobody has looked at where it points
        tag="" if reference.digest is not None else reference.tag or "",
    )


def _say(text: str) -> None:
    from affineur.report.escape import visible

    line = visible(text)
    try:
        click.echo(f"\r{line:79}" if sys.stderr.isatty() else line, err=True)  # over the line of progress
    except OSError:  # whoever read it has seen enough: no reason to leave a pull half done
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _show_verdict(assessment: "Assessment") -> None:
    """At once: whoever waits for the pull has something to read, and if it fails, the verdict is known all the same."""
    from affineur.cli.output import page, write
    from affineur.report.text import render_verdict

    write(render_verdict(assessment, **page()) + "\n")
    with contextlib.suppress(BrokenPipeError, ValueError):
        sys.stdout.flush()


def _report(
    assessment: "Assessment",
    pulled: "Pulled | None",
    copied: "Receipt | None",
    command: tuple[str, ...],
    remarks: tuple[str, ...],
    output: str,
    receipt: Path | None,
) -> None:
    from affineur.cli.output import page, write
    from affineur.report.pull import document, render

    if output == "text":
        write(render(assessment, pulled, copied, command, **page()))
    else:
        write(document(assessment, pulled, copied, command, remarks))
    if receipt is not None:
        try:
            write(document(assessment, pulled, copied, command, remarks), receipt)
        except InvalidSettings as problem:
            done = "was pulled" if pulled is not None or copied is not None else "was judged"
            raise InvalidSettings(f"the image {done}, but {problem}") from problem
