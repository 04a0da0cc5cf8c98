"""`affineur tags`: every tag of a repository."""

import click

from affineur.cli.options import format_option, reading, reference_argument
from affineur.cli.session import Session

__all__ = ["tags"]


@click.command(
    epilog="""\b
Examples:
  affineur tags registry.example/team/app
  affineur tags --json docker.io/library/debian"""
)
@reference_argument
@format_option("text", "json")
@reading
def tags(reference: str, output: str, session: Session) -> None:
    """List every tag of the repository that REFERENCE names, page by page, in the registry's order.

    With --json, the keys of `skopeo list-tags`: Repository and Tags. A tag or digest in REFERENCE is ignored.
    """
    import msgspec

    from affineur.cli.output import write
    from affineur.report.escape import json_text, visible

    source = session.source(reference)
    if output == "text":
        with session.progress.stage("registry"):
            for tag in source.tags():
                click.echo(visible(tag))
        return
    with session.progress.stage("registry"):
        document = {"Repository": source.reference.name, "Tags": list(source.tags())}
    write(json_text(msgspec.json.format(msgspec.json.encode(document), indent=4).decode()))
