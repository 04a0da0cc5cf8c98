"""What can be said of an image without reading a layer: skopeo's keys, and under one key what skopeo cannot say."""

from collections.abc import Iterable
from threading import Thread
from typing import TypeVar

import msgspec

from affineur.errors import Error
from affineur.evidence import Unassessed
from affineur.image.image import Child, Image, read_child
from affineur.image.referring import ReferrerFacts, Referring
from affineur.oci.descriptor import Descriptor
from affineur.oci.manifest import DOCKER_MANIFEST, SCHEMA_1, Manifest, Schema1
from affineur.oci.place import Place
from affineur.source.source import Source

__all__ = ["Attestation", "Inspection", "LayerData", "More", "PlatformFacts", "inspection", "read_platforms"]

MAX_PLATFORMS_READ = 64
"""Children of an index whose manifest and config are fetched; the rest are listed as the index describes them."""
AT_ONCE = 8
_ABSENT_CREATED = dict.fromkeys((DOCKER_MANIFEST, *SCHEMA_1), "0001-01-01T00:00:00Z")
"""What skopeo prints for an absent `created`: null, but for Docker's schemas Go's zero time."""
T = TypeVar("T")


class LayerData(msgspec.Struct, frozen=True):
    """One layer, in the words of containers/image (`types.ImageInspectLayer`): -1 for a size that nobody states."""

    MIMEType: str
    Digest: str
    Size: int
    Annotations: dict[str, str] | None


class Attestation(msgspec.Struct, frozen=True):
    """A child of the index that speaks of another: an SBOM, a provenance."""

    digest: str
    media_type: str
    size: int


class PlatformFacts(msgspec.Struct, frozen=True):
    """One image of an index.

    Attributes:
        size: compressed bytes of its layers; None where its manifest could not be read, or is none of an image.
        layers, created, architecture: likewise; `created` is also None where the config has none.
        claimed: the platform as the index says; `platform` is as the config says where that was read.
    """

    platform: str
    claimed: str
    digest: str
    media_type: str
    size: int | None = None
    layers: int | None = None
    created: str | None = None
    attestations: tuple[Attestation, ...] = ()
    annotations: dict[str, str] | None = None


class More(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """The member `affineur`.

    Attributes:
        media_type: of what the name points at; `manifest_media_type` of the platform's manifest.
        config_digest, config_media_type: None for a schema 1, which has no config of its own.
        created: verbatim, null where the config has none; so is `Created`, but for that case of Docker's schemas.
        size: compressed bytes of the layers; None where the manifest does not state them.
        base_name, base_digest: only claimed.
        platforms: of the index, in its order; empty without an index.
        referrers: what speaks of the image, its index included, and was found.
        referrers_looked_for: False where nobody wanted to know; then `referrers` has only what the tags tell.
        hosts: `host:port` that were asked.
        warnings: the registry's `Warning: 299`.
        rate_limit: what is left of the registry's budget, in its own words.
        remarks: what the way in which the image is described says of it, as sentences.
    """

    schema_: str
    reference: str
    media_type: str
    manifest_digest: str
    manifest_media_type: str
    platform: str
    config_digest: str | None
    config_media_type: str | None
    created: str | None
    size: int | None
    diff_ids: tuple[str, ...]
    annotations: dict[str, str]
    index_annotations: dict[str, str]
    base_name: str | None
    base_digest: str | None
    user: str
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    platforms: tuple[PlatformFacts, ...]
    referrers: tuple[ReferrerFacts, ...]
    referrers_looked_for: bool
    hosts: tuple[str, ...]
    warnings: tuple[str, ...]
    rate_limit: str | None
    remarks: tuple[str, ...]
    unassessed: tuple[Unassessed, ...]


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """`affineur inspect --json`: the keys of `skopeo inspect` with its values, null where it has null, and ours.

    Attributes:
        Tag: only of a schema 1: the tag that its manifest claims.
    """

    Name: str
    Tag: str | msgspec.UnsetType = msgspec.UNSET
    Digest: str
    RepoTags: tuple[str, ...]
    Created: str | None
    DockerVersion: str
    Labels: dict[str, str] | None
    Architecture: str
    Os: str
    Layers: tuple[str, ...]
    LayersData: tuple[LayerData, ...]
    Env: tuple[str, ...] | None
    affineur: More


def inspection(
    source: Source,
    image: Image,
    tags: tuple[str, ...],
    platforms: tuple[PlatformFacts, ...],
    referring: Referring,
    unassessed: Iterable[Unassessed] = (),
) -> Inspection:
    """Put the document together; asks nothing. Args: tags: empty where none were asked for."""
    config, run = image.config, image.config.run
    old = image.manifest if isinstance(image.manifest, Schema1) else None
    described = image.manifest.config if isinstance(image.manifest, Manifest) else None
    layers = (
        tuple(LayerData("", str(blob), -1, None) for blob in old.blobs)
        if old
        else tuple(LayerData(x.media_type, str(x.digest), x.size, x.annotations) for x in image.layers)
    )
    return Inspection(
        Name=image.reference.docker_name if isinstance(image.reference, Place) else image.reference.name,
        Tag=(old.tag if old else "") or msgspec.UNSET,
        Digest=str(image.digest),
        RepoTags=tags,
        Created=image.created or _ABSENT_CREATED.get(image.manifest.media_type),
        DockerVersion=config.docker_version or "",
        Labels=run.labels,
        Architecture=config.architecture,
        Os=config.os,
        Layers=tuple(layer.Digest for layer in layers),
        LayersData=layers,
        Env=run.env,
        affineur=More(
            schema_="affineur.inspection/1",
            reference=str(image.reference),
            media_type=image.index.media_type if image.index is not None else image.manifest.media_type,
            manifest_digest=str(image.manifest_document.digest),
            manifest_media_type=image.manifest.media_type,
            platform=str(image.platform),
            config_digest=str(described.digest) if described is not None else None,
            config_media_type=described.media_type if described is not None else None,
            created=image.created,
            size=image.size,
            diff_ids=tuple(str(each) for each in image.diff_ids),
            annotations=image.manifest.annotations or {},
            index_annotations=(image.index.annotations if image.index is not None else None) or {},
            base_name=image.base_name,
            base_digest=image.base_digest,
            user=run.user or "",
            entrypoint=run.entrypoint or (),
            cmd=run.cmd or (),
            platforms=platforms,
            referrers=referring.facts,
            referrers_looked_for=referring.looked,
            hosts=source.hosts,
            warnings=source.warnings,
            rate_limit=source.rate_limit,
            remarks=image.remarks,
            unassessed=(*unassessed, *referring.unassessed),
        ),
    )


def read_platforms(source: Source, image: Image) -> tuple[tuple[PlatformFacts, ...], tuple[Unassessed, ...]]:
    """Every platform of the image's index, several at once; a child that cannot be read is listed, and said."""
    images = [child for child in image.children if child.attests is None]
    speaking: dict[str, list[Descriptor]] = {}
    for child in image.children:
        if child.attests is not None:
            speaking.setdefault(child.attests, []).append(child.descriptor)
    found: list[PlatformFacts | None] = [None] * len(images)
    problems: list[Unassessed] = []

    def read(first: int) -> None:
        for position in range(first, len(images), AT_ONCE):
            child, wanted = images[position], position < MAX_PLATFORMS_READ
            found[position] = _facts(source, image, child, speaking.get(child.descriptor.digest, ()), wanted, problems)

    threads = [Thread(target=read, args=(first,), daemon=True) for first in range(1, min(AT_ONCE, len(images)))]
    for thread in threads:
        thread.start()
    read(0)
    for thread in threads:
        thread.join()
    return tuple(facts for facts in found if facts is not None), tuple(sorted(problems))


def _facts(
    source: Source,
    image: Image,
    child: Child,
    speaking: Iterable[Descriptor],
    wanted: bool,
    problems: list[Unassessed],
) -> PlatformFacts:
    descriptor = child.descriptor
    claimed = str(child.platform) if child.platform is not None else "not stated"
    facts = PlatformFacts(
        platform=claimed,
        claimed=claimed,
        digest=str(descriptor.digest),
        media_type=descriptor.media_type,
        attestations=tuple(_attestation(each) for each in speaking),
        annotations=descriptor.annotations,
    )
    what = f"platform {claimed} ({descriptor.digest})"
    if not wanted:
        problems.append(Unassessed(what, f"the index has more than {MAX_PLATFORMS_READ} children"))
        return facts
    try:
        if descriptor.digest == image.manifest_document.digest:
            manifest, config = image.manifest, image.config
        else:
            manifest, config = read_child(source, descriptor)
    except Error as problem:
        problems.append(Unassessed(what, str(problem)))
        return facts
    said = msgspec.structs.replace(image, manifest=manifest, config=config)
    return msgspec.structs.replace(
        facts, platform=str(said.platform), size=said.size, layers=len(said.layers), created=said.created
    )


def _attestation(descriptor: Descriptor) -> Attestation:
    return Attestation(str(descriptor.digest), descriptor.media_type, descriptor.size)
