"""`affineur assess`: the main job."""

import importlib
from datetime import datetime
from pathlib import Path

import click

from affineur.cli.options import (
    as_of_option,
    entitlement_option,
    format_option,
    policy_option,
    reading,
    reference_argument,
)
from affineur.cli.output import page, write
from affineur.cli.session import Session

__all__ = ["assess"]

FORMATS = ("text", "json", "markdown", "sarif", "html")


@click.command(
    epilog="""\b
Examples:
  affineur assess registry.example/team/app:1
  affineur assess --policy strict.yaml --json docker.io/library/debian:12
  affineur assess --format html -o report.html registry.example/team/app:1
  affineur assess --as-of 2026-01-01 registry.example/team/app:1

\b
Exit codes: 0 accepted; 1 rejected; 3 undetermined; 4 the image could not be
read; 5 it is not what was promised."""
)
@reference_argument
@as_of_option
@policy_option
@format_option(*FORMATS)
@click.option("-o", "--output-file", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file.")
@entitlement_option
@reading
@click.pass_context
def assess(
    ctx: click.Context,
    reference: str,
    as_of: datetime | None,
    policy: Path | None,
    entitlement_dir: Path | None,
    output: str,
    output_file: Path | None,
    session: Session,
) -> None:
    """Judge the image REFERENCE before it is pulled: one letter, since when and until when, why, and a verdict.

    The letter counts unapplied errata that fix Critical or Important flaws, by how long they have been out. It is
    given only if every suite that the distribution publishes for the image's release was read, verified by a pinned
    key, and is fresh; otherwise it is unknown, and the report names what is missing.
    """
    assessment = session.assess(reference, as_of, policy, entitlement_dir)
    report = importlib.import_module(f"affineur.report.{output}")
    text = report.render(assessment, **page(output_file)) if output == "text" else report.render(assessment)
    write(text, output_file)
    ctx.exit({"accept": 0, "reject": 1, "undetermined": 3}[assessment.verdict.decision])
