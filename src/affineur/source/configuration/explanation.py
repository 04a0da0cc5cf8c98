"""What all of the configuration means for one name, with what decided. Asks nobody; credential helpers are run.

By the same values that reading an image uses; a source of mistakes is told as a problem of the place that it concerns.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from affineur.errors import ForbiddenAddress, InvalidSettings
from affineur.http.addresses import AddressPolicy, Reach
from affineur.http.mirrors import MirrorMap
from affineur.http.proxies import proxy_for
from affineur.http.schemes import may_be_plain
from affineur.http.tls import TlsRule
from affineur.http.urls import origin_of, shown
from affineur.oci.reference import DEFAULT_REGISTRY
from affineur.source.access import DOCKER_HUB_HOST
from affineur.source.configuration.located import Said
from affineur.source.configuration.lookalikes import lookalike
from affineur.source.configuration.registries import Endpoint, Registries
from affineur.source.configuration.registriesd import Lookaside, RegistriesD
from affineur.source.configuration.shortnames import resolve
from affineur.source.credentials import Logins

__all__ = [
    "Asked",
    "Explanation",
    "LeftOut",
    "Line",
    "LoginFound",
    "LookasideFound",
    "Means",
    "ProxyFound",
    "TlsFound",
    "explain",
]

SCHEMA = "affineur.explanation/1"

T = TypeVar("T")


class Means(msgspec.Struct, frozen=True):
    """What a run would read the image with."""

    registries: Registries
    registries_d: RegistriesD
    logins: Logins
    tls: TlsRule
    mirrors: MirrorMap
    addresses: AddressPolicy
    environment: Mapping[str, str]


class Line(msgspec.Struct, frozen=True):
    """A file, and the line in it, from 1."""

    file: str
    line: int


class TlsFound(msgspec.Struct, frozen=True):
    """How a place's certificate is judged.

    Attributes:
        verify: whether it is judged at all.
        why: what decided.
        plain_http: whether plain HTTP is tried where there is no TLS.
        trust: what is trusted beside `authorities`.
        authorities, client_certificates: files.
    """

    verify: bool
    why: str
    plain_http: bool
    trust: str
    authorities: tuple[str, ...]
    client_certificates: tuple[str, ...]


class ProxyFound(msgspec.Struct, frozen=True):
    """A proxy without its login, and the variable that names it."""

    url: str
    variable: str


class LoginFound(msgspec.Struct, frozen=True):
    """Whose login, and where it is kept. `username` is empty for an identity token."""

    username: str
    where: str


class Asked(msgspec.Struct, frozen=True):
    """A place that is asked.

    Attributes:
        reference: the image's name there.
        url: of the place; https unless there is no TLS (`TlsFound.plain_http`).
        mirror: not the image's own place.
        said: what put it here; None: the name itself.
        tls: None where the user's map of URLs leads to plain HTTP.
        proxy, login: None for none.
        problems: why asking it would fail.
    """

    reference: str
    url: str
    mirror: bool
    said: Line | None
    tls: TlsFound | None
    proxy: ProxyFound | None
    login: LoginFound | None
    problems: tuple[str, ...]


class LeftOut(msgspec.Struct, frozen=True):
    """A place that is not asked, and why."""

    reference: str
    why: str
    said: Line | None


class LookasideFound(msgspec.Struct, frozen=True):
    """Where GPG signatures of the image lie, or would be put.

    Attributes:
        url: without its query.
        said: what names it; None: nothing does, and the engines look there.
    """

    url: str
    said: Line | None


class Explanation(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """The whole.

    Attributes:
        reference: as it was written.
        meant: in full.
        why: which registry was meant and what decided; "" where the name says it.
        files: those of registries.conf that were read, in order; later ones win.
        lookaside: where GPG signatures are looked for; None for nowhere.
        lookaside_staging: where a copy to this name would put them; None: nothing names a place.
        warnings: look-alikes, keys that mean nothing.
    """

    schema_: str
    reference: str
    meant: str
    why: str
    said: Line | None
    asked: tuple[Asked, ...]
    left_out: tuple[LeftOut, ...]
    files: tuple[str, ...]
    warnings: tuple[str, ...]
    lookaside: LookasideFound | None
    lookaside_staging: LookasideFound | None


def explain(text: str, means: Means) -> Explanation:
    """Say what a name means.

    Raises:
        InvalidReference: it is no name, or names no registry and several could be meant.
        InvalidSettings: registries.conf cannot be read.
    """
    registries_d = means.registries_d
    found = resolve(text, means.registries)
    plan = means.registries.plan(found.reference)
    warning = lookalike(found.reference)
    unknown = [
        f"{said}: {name} means nothing here" for said, name in (*means.registries.ignored, *registries_d.ignored)
    ]
    return Explanation(
        SCHEMA,
        text,
        found.text,
        found.why,
        _line(found.said),
        tuple(_asked(each, means) for each in plan.asked),
        tuple(LeftOut(str(each.reference), each.left_out, _line(each.said)) for each in plan.left_out),
        tuple(str(file) for file in means.registries.files),
        (*([warning] if warning else []), *unknown),
        _lookaside(registries_d.reading(found.reference)),
        _lookaside(registries_d.writing(found.reference)),
    )


def _asked(endpoint: Endpoint, means: Means) -> Asked:
    named = endpoint.reference.registry
    own = DOCKER_HUB_HOST if named == DEFAULT_REGISTRY else named
    candidates = (f"https://{named}", f"https://{own}", f"http://{own}")
    mapped = next((url for each in candidates if (url := means.mirrors.apply(each))), None)
    url = mapped or f"https://{own}"
    problems: list[str] = []
    scheme, host, port = origin_of(url)
    _tried(lambda: means.addresses.check_name(host, Reach.OWN), problems)
    proxy = _tried(lambda: proxy_for(scheme, host, port, means.environment), problems)
    # a mirror of the user's map never gets the login of the registry that it stands for
    registry = urlsplit(url).netloc if mapped else named
    login = _tried(lambda: means.logins.find(registry, endpoint.reference.repository), problems)
    tls = _tried(lambda: _tls(endpoint, host, port, means), problems) if scheme == "https" else None
    return Asked(
        str(endpoint.reference),
        url,
        endpoint.mirror,
        _line(endpoint.said),
        tls,
        ProxyFound(str(proxy), proxy.variable) if proxy is not None else None,
        LoginFound(login.login.username, login.where) if login is not None else None,
        tuple(problems),
    )


def _lookaside(found: Lookaside | None) -> LookasideFound | None:
    return LookasideFound(shown(found.url), _line(found.said)) if found is not None else None


def _tls(endpoint: Endpoint, host: str, port: int, means: Means) -> TlsFound:
    rule = means.tls(host, port, True)
    verify, why = rule.verify and not endpoint.insecure, "by default"
    if endpoint.insecure:
        why = f"insecure = true ({endpoint.insecure_said})"
    if not rule.verify:
        why = "--tls-verify=false"
    named = ((name, means.environment.get(name)) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    variables = [f"{value} (${name})" for name, value in named if value]
    return TlsFound(
        verify,
        why,
        not verify or may_be_plain(host),
        " and ".join(variables) or "the system's trust store",
        tuple(str(file) for file in rule.authorities),
        tuple(str(certificate) for certificate, _ in rule.pairs),
    )


def _tried(find: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return find()
    except (InvalidSettings, ForbiddenAddress) as problem:
        problems.append(str(problem))
        return None


def _line(said: Said | None) -> Line | None:
    return Line(str(said.file), said.line) if said is not None else None
