"""A login tried at its registry, before it is kept.

GET /v2/ is what docker and podman try it by: distribution-spec 1.1 § Determining Support, and the challenge that comes.
"""

from urllib.parse import urlsplit

from affineur.errors import Denied, ForbiddenAddress, NotFound
from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.http.urls import origin_of
from affineur.oci.reference import DEFAULT_REGISTRY
from affineur.source.access import DOCKER_HUB_HOST
from affineur.source.auth import challenges
from affineur.source.credentials import Found
from affineur.source.tokens import Tokens

__all__ = ["try_login"]

MAX_ANSWER_BYTES = 256 * 1024


def try_login(client: Client, registry: str, found: Found, *, insecure: bool = False) -> bool | None:
    """Whether a registry takes a login.

    Args:
        insecure: as for `Client.base_url`.

    Returns:
        True: it does. None: it answers without one, so that could not be told.

    Raises:
        Denied: it, or its token service, does not; or it wants one of another kind.
        NotFound: there is no registry.
        ForbiddenAddress: the registry is mapped to another host, which is not to have its login.
        Unreachable: it does not answer.
    """
    host = DOCKER_HUB_HOST if registry == DEFAULT_REGISTRY else registry
    base = client.base_url(host, insecure=insecure)
    if urlsplit(base).netloc != host:
        raise ForbiddenAddress(f"{registry} is mapped to {base}: a login for the one is not sent to the other")
    url = f"{base}/v2/"
    response = client.get(url, limit=MAX_ANSWER_BYTES, reach=Reach.OWN, also=(401, 404))
    if response.status == 404:
        raise NotFound(f"{registry}: no registry of images answers there (HTTP 404 at {url})")
    if response.status != 401:
        return None
    if origin_of(response.url) != origin_of(base):
        raise Denied(f"{registry}: redirects to {urlsplit(response.url).netloc}, which wants a login; it gets none")
    offered = challenges(response.headers.all("WWW-Authenticate"))
    bearer = next((c for c in offered if c.scheme == "bearer" and c.parameters.get("realm")), None)
    if bearer is not None:
        sent = f"Bearer {Tokens(client).get(bearer, base, '', found).value}"
    elif any(c.scheme == "basic" for c in offered):
        sent = found.login.basic()
    else:
        ways = ", ".join(c.scheme[:40] for c in offered[:5]) or "none"
        raise Denied(f"{registry}: wants a login of a kind that is not known here (offered: {ways})")
    again = client.get(url, limit=MAX_ANSWER_BYTES, headers={"Authorization": sent}, reach=Reach.OWN, also=(401, 403))
    if again.status in (401, 403):
        raise Denied(f"{registry}: does not take the login from {found.where} (HTTP {again.status})")
    return True
