"""`affineur inspect`: what an image is, before anything is pulled."""

import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from affineur.cli.options import format_option, reading, reference_argument
from affineur.cli.session import Session

if TYPE_CHECKING:
    from affineur.image.image import Image
    from affineur.image.inspection import Inspection
    from affineur.oci.document import Document
    from affineur.oci.platform import Platform
    from affineur.source.source import Source

__all__ = ["inspect"]


@click.command(
    epilog="""\b
Examples:
  affineur inspect registry.example/team/app:1
  affineur inspect --json --no-tags docker.io/library/debian:12
  affineur inspect --raw registry.example/team/app:1 | sha256sum

\b
Exit codes: 0 done; 3 something could not be told (it is named); 4 the image
could not be read; 5 it is no image, or not what was promised."""
)
@reference_argument
@click.option("--raw", is_flag=True, help="Print the manifest or index, byte for byte.")
@click.option("--config", "config", is_flag=True, help="Print the image's configuration, byte for byte.")
@click.option("-n", "--no-tags", is_flag=True, help="Do not list the repository's tags.")
@click.option("--no-referrers", is_flag=True, help="Do not look for what refers to the image.")
@format_option("text", "json")
@reading
@click.pass_context
def inspect(
    ctx: click.Context,
    reference: str,
    raw: bool,
    config: bool,
    no_tags: bool,
    no_referrers: bool,
    output: str,
    session: Session,
) -> None:
    """Look at the image REFERENCE in its registry; no layer is read.

    With --json, every key that `skopeo inspect` prints, with the same value, and under `affineur` what it cannot say:
    every platform of the index with its own digest, size and age, attestations, signatures and whatever else refers to
    the image (listed, not verified), the base image, the registry's warnings.
    """
    source = session.source(reference)
    with session.progress.stage("registry"):
        if raw or config:
            sys.stdout.buffer.write(_config(source, session.platform) if config else source.manifest().content)
            return
        found = _inspected(source, session.platform, no_tags, no_referrers)
    _show(found, output)
    ctx.exit(3 if found.affineur.unassessed else 0)


def _image(source: "Source", platform: "Platform | None", document: "Document | None" = None) -> "Image":
    from affineur.image.image import open_image

    return open_image(source, platform, document)


def _config(source: "Source", platform: "Platform | None") -> bytes:
    from affineur.errors import UnsupportedContent

    content = _image(source, platform).config_bytes
    if not content:
        raise UnsupportedContent(f"{source.reference} is described by Docker's schema 1, which has no configuration")
    return content


def _inspected(source: "Source", platform: "Platform | None", no_tags: bool, no_referrers: bool) -> "Inspection":
    """Everything at once that does not need to wait for something else."""
    from affineur.errors import SourceError
    from affineur.evidence import Unassessed
    from affineur.image.inspection import inspection, read_platforms
    from affineur.image.referring import referring
    from affineur.source.beside import beside

    # skopeo's RepoTags are a registry's; the names in a folder or archive are told by `tags`
    tags = beside(lambda: () if no_tags or source.reference.registry is None else tuple(source.tags()))
    document = source.manifest()
    looked_for = {} if no_referrers else {document.digest: beside(partial(source.referrers, document.digest))}
    image = _image(source, platform, document)
    own = image.manifest_document.digest
    if looked_for and own not in looked_for:
        looked_for[own] = beside(partial(source.referrers, own))
    platforms, gaps = read_platforms(source, image)
    try:
        names = tags()
    except SourceError as problem:
        names = ()
        gaps = (*gaps, Unassessed("the repository's tags (--no-tags leaves them out)", str(problem)))
    told = [(digest, wait()) for digest, wait in looked_for.items()]
    return inspection(source, image, names, platforms, referring(image, told, names), gaps)


def _show(found: "Inspection", output: str) -> None:
    from affineur.cli.output import page, write

    if output == "text":
        from affineur.report.inspection import render

        write(render(found, **page()))
        return
    import msgspec

    from affineur.report.escape import json_text

    write(json_text(msgspec.json.format(msgspec.json.encode(found), indent=4).decode()))
