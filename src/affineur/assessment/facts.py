"""What is said of the image itself and of its distribution, the same in every document."""

from affineur.assessment.model import Distribution, ImageFacts
from affineur.errata.publishers import publishes
from affineur.image.image import Image
from affineur.packages.osrelease import OSRelease

__all__ = ["base_created", "distribution_facts", "image_facts"]


def image_facts(image: Image, warnings: tuple[str, ...]) -> ImageFacts:
    """Which image it is.

    Args:
        warnings: what the registry said for people to read.
    """
    return ImageFacts(
        reference=str(image.reference),
        registry=image.reference.registry,
        repository=image.reference.repository,
        tag=image.reference.tag,
        digest=str(image.digest),
        manifest_digest=str(image.manifest_document.digest),
        platform=str(image.platform),
        created=image.created,
        layers=len(image.layers),
        size=image.size,
        base_name=image.base_name,
        base_digest=image.base_digest,
        base_created=base_created(image),
        warnings=warnings,
    )


def base_created(image: Image) -> str | None:
    """When the lowest layer was made, as the config's history claims: the age of what the image was built on.

    OCI image-spec 1.1, config.md § history: entries are in the order of the layers, those with `empty_layer` have none.
    """
    made = [entry for entry in image.config.history or () if not entry.empty_layer]
    return made[0].created if made else None


def distribution_facts(said: OSRelease) -> Distribution:
    """What os-release claims, and what that distribution publishes."""
    published, statement = publishes(said.id)
    return Distribution(said.id, said.version_id, said.codename, said.pretty_name, published, statement)
