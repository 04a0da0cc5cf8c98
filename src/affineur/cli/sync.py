"""`affineur sync`: what a file wants, brought; what has not changed costs one request for each tag."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from affineur.cli.options import moving
from affineur.cli.session import Session
from affineur.errors import InvalidSettings

if TYPE_CHECKING:
    from affineur.cli.syncing import ShownSync, SyncEvents
    from affineur.move.sync.file import SyncFile
    from affineur.move.sync.jobs import Outcome, State
    from affineur.move.sync.places import OpenedPlaces
    from affineur.move.sync.pruning import Pruner
    from affineur.move.sync.run import Plan
    from affineur.oci.digest import Digest
    from affineur.source.access import Access
    from affineur.source.source import Source
    from affineur.store.moves import MoveMemory

__all__ = ["sync"]

MAX_FILE_BYTES = 256 * 1024


@click.command(
    epilog="""\b
Our own form, of which everything but from and to may be left out:
  sync:
    - from: docker.io/library/debian
      to: registry.example/mirror/debian
      include: [bookworm, "semver:>=12 <14"]   # globs, regex:…, semver:…
      exclude: ["*-backports"]
      newest: 5              # also: one-per-minor, newer-than, variant, tags
      platforms: [linux/amd64]
      policy: strict.yaml    # what is new is judged before it is moved
  registries:
    docker.io: {requests-per-minute: 100, requests: 5000, at-once: 4}

\b
Examples:
  affineur sync --dry-run mirror.yaml
  affineur sync mirror.yaml
  affineur sync --to registry.example/mirror skopeo-sync.yaml
  affineur sync --prune --yes mirror.yaml

\b
Exit codes: 0 all is there; else the first of these that occurs: 5 something
is not what was promised; 4 a tag could not be read or written; 1 a policy
rejected; 3 undetermined, left for the next run (a request budget is spent),
not deleted, or something about it could not be told. All other tags are
brought in any case. 2 the file is wrong: nothing was done."""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--to", metavar="REGISTRY[/PATH]", default="", help="Where a file of skopeo's form is brought.")
@click.option("--scoped", is_flag=True, help="Likewise: keep the whole name of each source below that.")
@click.option("--dry-run", is_flag=True, help="Only list what would be moved, and deleted.")
@click.option("--check-target", is_flag=True, help="Ask the target, too, whether it still has what is unchanged.")
@click.option("--again", is_flag=True, help="Move what is unchanged, too: new signatures of it come along.")
@click.option("--no-referrers", is_flag=True, help="Leave behind what speaks of the images: signatures, SBOMs …")
@click.option("--prune", is_flag=True, help="List the tags that this file brought, and wants no more.")
@click.option("--yes", is_flag=True, help="With --prune: list and delete them.")
@click.option("--json", "as_json", is_flag=True, help="Events, a line of JSON each.")
@moving
@click.pass_context
def sync(
    ctx: click.Context,
    file: Path,
    to: str,
    scoped: bool,
    dry_run: bool,
    check_target: bool,
    again: bool,
    no_referrers: bool,
    prune: bool,
    yes: bool,
    as_json: bool,
    session: Session,
) -> None:
    """Bring the tags that FILE wants from one repository to another.

    FILE is YAML: skopeo's own, as `skopeo sync --src yaml` has it, or of the form below. Each repository is listed
    once. A tag that was brought before and has not changed costs one request; one that is bad does not keep the others
    back, and is told at the end. Each is moved as `affineur copy` does: with all platforms and whatever speaks of it,
    verified at the target, the tag last. A schedule is cron's business.
    """
    if yes and not prune:
        raise click.UsageError("--yes belongs to --prune")
    from affineur.cli.syncing import ShownSync, SyncEvents
    from affineur.http.pacing import Pacing
    from affineur.move.sync.estimate import Estimator
    from affineur.move.sync.file import parse_sync_file
    from affineur.move.sync.jobs import exit_code
    from affineur.move.sync.registries import FileLogins, FileTls, limits_of
    from affineur.move.sync.run import Options, Run
    from affineur.store.moves import MoveMemory

    parsed = parse_sync_file(_content(file), str(file), to=to, scoped=scoped)
    _check_policies(parsed, file.parent, session)
    pacing = Pacing(limits_of(parsed.registries), waiting=session.say_waiting)
    session.amend(
        pacing,
        lambda otherwise: FileTls(otherwise, parsed.registries, file.parent),
        lambda otherwise: FileLogins(otherwise, parsed.registries, str(file)),
    )
    hidden = session.client.hidden
    shown: ShownSync | SyncEvents = SyncEvents(hidden) if as_json else ShownSync(hidden)
    memory = MoveMemory(session.cache)
    # brought elsewhere by the same file of skopeo's is another matter
    identity = f"{file.resolve()}" + (f" --to {to.rstrip('/')}" if to else "")
    options = Options(
        file=identity,
        now=datetime.now(UTC),
        dry_run=dry_run,
        check_target=check_target,
        again=again,
        referrers=not no_referrers,
    )
    run = Run(parsed, _places(session, file.parent), memory, options, shown)
    try:
        plan = run.plan()
        shown.watch(Estimator(plan, pacing))
        outcomes = run.carry_out(plan)
        left = _pruned(plan, outcomes, session, memory, identity, shown, delete=yes and not dry_run) if prune else False
    finally:
        pacing.stop()
        shown.close()
        memory.close()
    others: list[State] = [each.state for each in plan.problems]
    code = exit_code(outcomes, [*others, "left"] if left else others)
    shown.end(plan, outcomes, code, listed_only=prune and not (yes and not dry_run))
    ctx.exit(code)


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_FILE_BYTES + 1)
    except OSError as problem:
        raise InvalidSettings(f"{file}: cannot be read: {problem.strerror or problem}") from problem


def _check_policies(parsed: "SyncFile", folder: Path, session: Session) -> None:
    """A policy that is wrong is told before anything is asked. Raises InvalidPolicy."""
    for policy in dict.fromkeys(each.policy for each in parsed.entries if each.policy):
        session.policy(folder / policy)


def _places(session: Session, folder: Path) -> "OpenedPlaces":
    from affineur.move.sync.places import OpenedPlaces
    from affineur.oci.digest import Digest

    def judge(source: "Source", policy: str) -> "tuple[str, str, Digest]":
        assessment = session.assess(source, None, folder / policy)
        verdict = assessment.verdict
        because = [f"{each.rule}: {each.because}" for each in verdict.rules if each.outcome != "pass"]
        return verdict.decision, "; ".join(because), Digest(assessment.image.manifest_digest)

    return OpenedPlaces(session.source, session.target, session.lookasides, judge)


def _pruned(
    plan: "Plan",
    outcomes: "list[Outcome]",
    session: Session,
    memory: "MoveMemory",
    identity: str,
    shown: "ShownSync | SyncEvents",
    *,
    delete: bool,
) -> bool:
    """List what is wanted no more, then delete it; whether anything is left that should have been deleted."""
    from affineur.move.sync.pruning import doomed

    listed = doomed(memory.brought(identity), plan, outcomes)
    shown.prunes(listed)
    left = False
    if delete:
        for done in _pruner(session, memory, identity).delete([each.brought for each in listed if not each.spared]):
            shown.pruned(done)
            left = left or done.state == "left"
    return left


def _pruner(session: Session, memory: "MoveMemory", identity: str) -> "Pruner":
    from affineur.move.sync.pruning import Pruner
    from affineur.target.registry import RegistryTarget

    def digest(text: str) -> "Digest | None":
        return session.target(text).digest()

    allowed: dict[str, Access] = {}

    def access(text: str) -> "Access":
        target = session.target(text)
        assert isinstance(target, RegistryTarget)  # noqa: S101 - for the type checker: the text says docker://
        return allowed.setdefault(target.access.url, target.access.allowing("pull,delete"))

    return Pruner(digest, access, session.source, memory, identity)
