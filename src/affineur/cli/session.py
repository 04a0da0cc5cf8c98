"""What one run of a command works with, made from options and settings when first needed."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import click

from affineur import __version__
from affineur import settings as configuration
from affineur.errors import Error, InvalidPolicy, InvalidSettings

if TYPE_CHECKING:
    from affineur.assessment.model import Assessment
    from affineur.cli.progress import ShownProgress
    from affineur.errata.feeds import Feeds
    from affineur.errata.unfixed.feeds import UnfixedFeeds
    from affineur.http.addresses import AddressPolicy
    from affineur.http.client import Client
    from affineur.http.mirrors import MirrorMap
    from affineur.http.pacing import Pacing
    from affineur.http.tls import TlsRule
    from affineur.move.lookasides import Lookasides
    from affineur.oci.platform import Platform
    from affineur.oci.reference import Reference
    from affineur.repositories.reference import ReferenceSuite
    from affineur.source.access import Access
    from affineur.source.configuration.certificates import TlsByHost
    from affineur.source.configuration.entitlements import Entitlements
    from affineur.source.configuration.logins import ConfiguredLogins
    from affineur.source.configuration.registries import Registries
    from affineur.source.credentials import Logins
    from affineur.source.lookaside import LookasideSource
    from affineur.source.source import Source
    from affineur.store.feeds import Texts
    from affineur.store.layers import LayerStore
    from affineur.store.offers import OfferStore
    from affineur.store.releases import ReleaseMemory
    from affineur.store.uploads import UploadMemory
    from affineur.target.target import Target
    from affineur.trust.policy import Policy

__all__ = ["Session"]


class Session:
    """Options, settings and the things made from them; closes what it opened."""

    def __init__(
        self,
        *,
        tls_verify: bool,
        cert_dir: Path | None,
        authfile: Path | None,
        mirrors: tuple[str, ...],
        settings_file: Path | None,
        platform: str | None = None,
        offline: bool = False,
        timings: bool = False,
    ) -> None:
        self._platform = platform
        self.offline = offline
        self._tls_verify = tls_verify
        self._cert_dir = cert_dir
        self._authfile = authfile
        self._mirrors = mirrors
        self._settings_file = settings_file
        self._entitlement_dir: Path | None = None
        self._timings = timings
        self._warned: set[str] = set()
        self._pacing: Pacing | None = None
        self._tls_of_file: Callable[[TlsRule], TlsRule] | None = None
        self._logins_of_file: Callable[[Logins], Logins] | None = None

    def amend(
        self,
        pacing: "Pacing",
        tls: "Callable[[TlsRule], TlsRule]",
        logins: "Callable[[Logins], Logins]",
    ) -> None:
        """Let a file have its say on how registries are asked. To be called before anything is."""
        self._pacing, self._tls_of_file, self._logins_of_file = pacing, tls, logins

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        made = vars(self)
        if isinstance(error, Error) and "client" in made:  # whatever it quotes, a server may have said our login back
            error.args = (self.client.hidden(str(error)),)
        if "progress" in made:
            self.progress.close()
        for name in ("client", "layers", "releases", "changelogs", "unfixed", "feeds", "uploads"):
            if made.get(name) is not None:
                made[name].close()
        if self._timings and "progress" in made:
            from affineur.cli.progress import timings

            click.echo(timings(self.progress), err=True)
            if "client" in made:
                for host, account in self.client.accounts.items():
                    click.echo(
                        f"{account.seconds:8.3f} {account.bytes:12d}  {account.requests} requests to {host}", err=True
                    )

    @cached_property
    def settings(self) -> configuration.Settings:
        """The configuration file. Raises InvalidSettings."""
        return configuration.load(self._settings_file)

    @cached_property
    def platform(self) -> "Platform | None":
        """The one that was asked for, or None for the default. Raises InputError."""
        from affineur.oci.platform import parse_platform

        return parse_platform(self._platform) if self._platform else None

    @cached_property
    def cache(self) -> Path:
        """The folder of what is remembered."""
        return configuration.cache_folder(self.settings)

    @cached_property
    def progress(self) -> "ShownProgress":
        """Counts and shows the stages."""
        from affineur.cli.progress import ShownProgress

        return ShownProgress(sys.stderr)

    @cached_property
    def client(self) -> "Client":
        """The one HTTP client of this run."""
        from affineur.http.client import Client

        return Client(
            addresses=self.addresses,
            mirrors=self.mirror_map,
            tls=self.tls if self._tls_of_file is None else self._tls_of_file(self.tls),
            waiting=self.say_waiting,
            user_agent=f"affineur/{__version__}",
            pacing=self._pacing,
        )

    def say_waiting(self, host: str, seconds: float, why: str) -> None:
        """Tell whoever watches that a host is waited for."""
        click.echo(f"affineur: {host}: {why}; trying again in {seconds:.0f} s", err=True)

    @cached_property
    def addresses(self) -> "AddressPolicy":
        """Where connections may lead. Raises InvalidSettings."""
        from affineur.http.addresses import AddressPolicy

        return AddressPolicy(self.settings.network.allow)

    @cached_property
    def mirror_map(self) -> "MirrorMap":
        """The user's own map of URLs. Raises InvalidSettings."""
        from affineur.http.mirrors import MirrorMap

        return MirrorMap([*self._mirrors, *(f"{mirror.from_}={mirror.to}" for mirror in self.settings.mirror)])

    @cached_property
    def tls(self) -> "TlsByHost":
        """How each host's certificate is judged."""
        from affineur.source.configuration.certificates import TlsByHost

        home = os.environ.get("HOME")
        return TlsByHost(
            home=Path(home) if home else None,
            cert_dir=self._cert_dir,
            verify=self._tls_verify,
            entitlements=self._entitlements(),
        )

    def _entitled(self, host: str) -> bool:
        entitlements = self._entitlements()
        return entitlements is not None and any(host == known for known, _ in entitlements.hosts)

    def _entitlements(self) -> "Entitlements | None":
        if self._entitlement_dir is None:
            return None
        from affineur.http.urls import origin_of
        from affineur.source.configuration.entitlements import ENTITLED, Entitlements

        places = (ENTITLED, *self.mirror_map.targets(ENTITLED))
        return Entitlements.read(self._entitlement_dir, (origin_of(place)[1:] for place in places))

    @property
    def connecting(self) -> tuple[bool, Path | None, Path | None]:
        """What the user said of TLS, of certificates and of logins: `--tls-verify`, `--cert-dir`, `--authfile`."""
        return self._tls_verify, self._cert_dir, self._authfile

    def assess(
        self,
        reference: "str | Source",
        as_of: datetime | None,
        policy: Path | None,
        entitlement_dir: Path | None = None,
        *,
        unfixed: bool = False,
    ) -> "Assessment":
        """Judge an image. Raises InvalidPolicy, InvalidSettings, and what `assessment.assess` raises.

        Args:
            reference: or its source, opened, for whoever goes on with exactly what was judged.
            entitlement_dir: the user's entitlements; nothing must have been asked before.
            unfixed: ask the vendors about flaws without a fix, too.
        """
        self._entitlement_dir = entitlement_dir
        from affineur.assessment.assess import assess
        from affineur.assessment.means import Means

        now = datetime.now(UTC)
        means = Means(
            client=self.client,
            progress=self.progress,
            settings=self.settings,
            now=now,
            as_of=as_of or now,
            layers=self.layers,
            releases=self.releases,
            feeds=self.feeds,
            changelogs=self.changelogs,
            references=self.references,
            platform=self.platform,
            offline=self.offline,
            unfixed=self.unfixed if unfixed else None,
            offers=self.offers,
            entitled=self._entitled,
        )
        source = self.source(reference) if isinstance(reference, str) else reference
        return assess(source, means, self.policy(policy))

    @cached_property
    def layers(self) -> "LayerStore":
        """Facts of layers read before."""
        from affineur.store.layers import LayerStore

        return LayerStore(self.cache)

    @cached_property
    def releases(self) -> "ReleaseMemory":
        """The newest dates of suites seen before."""
        from affineur.store.releases import ReleaseMemory

        return ReleaseMemory(self.cache)

    @cached_property
    def feeds(self) -> "Feeds | None":
        """Published notices, or None where the settings name no feed."""
        from affineur.errata.feeds import Feeds
        from affineur.store.feeds import FeedStore

        chosen = self.settings.feeds
        if not chosen.osv:
            return None
        store = FeedStore(self.cache)
        return Feeds(
            store,
            self.client,
            base=chosen.osv,
            offline=self.offline,
            budget_s=chosen.budget_s,
            progress=self.progress,
        )

    @cached_property
    def offers(self) -> "OfferStore":
        """What rpm-md repositories offer, by the checksum of their primary.xml."""
        from affineur.store.offers import OfferStore

        return OfferStore(self.cache / "offers")

    @cached_property
    def unfixed(self) -> "UnfixedFeeds":
        """Vendors' word on flaws without a fix."""
        from affineur.errata.unfixed.feeds import UnfixedFeeds
        from affineur.store.feeds import FeedStore

        chosen = self.settings.feeds
        places = chosen.unfixed
        return UnfixedFeeds(
            FeedStore(self.cache),
            self.client,
            {"debian": places.debian, "ubuntu": places.ubuntu, "redhat": places.redhat},
            self.feeds,
            offline=self.offline,
            budget_s=chosen.budget_s,
            progress=self.progress,
        )

    @cached_property
    def changelogs(self) -> "Texts":
        """Changelogs read before, by the digest of their .deb."""
        from affineur.store.feeds import Texts

        return Texts(self.cache)

    @property
    def references(self) -> "tuple[ReferenceSuite, ...]":
        """The user's own reference suites. Raises InvalidSettings."""
        return tuple(configured_reference(each) for each in self.settings.reference)

    def policy(self, named: Path | None) -> "Policy":
        """The policy of a file, or the one that holds where none is named. Raises InvalidPolicy, InvalidSettings."""
        from affineur.trust.policy import default_policy, parse_policy

        path = named or (Path(self.settings.policy).expanduser() if self.settings.policy else None)
        if path is None:
            return default_policy()
        try:
            return parse_policy(path.read_bytes(), str(path))
        except OSError as error:
            raise InvalidPolicy(f"{path}: {error.strerror or error}") from error

    def source(self, reference: str, *, thorough: bool = False) -> "Source":
        """Where the named image lives. Raises InvalidReference. Args: thorough: as for `RegistrySource`."""
        from affineur.source.opening import open_source

        return open_source(reference, partial(self._registry, thorough=thorough))

    def target(self, reference: str) -> "Target":
        """Where the named image is to be put. Raises InvalidReference, ForbiddenAddress."""
        from affineur.target.opening import open_target

        return open_target(reference, self._written_registry)

    def _written_registry(self, text: str) -> "Target":
        """As registries.conf has it: the registry itself, never a mirror of it (containers-registries.conf(5))."""
        from affineur.source.configuration.shortnames import resolve
        from affineur.target.registry import RegistryTarget

        found = resolve(text, self.registries)
        if found.why:
            click.echo(f"affineur: {found.why}", err=True)
        own = self.registries.endpoints(found.reference)[-1]
        access = self._access(own.reference, insecure=own.insecure, actions="pull,push")
        target = RegistryTarget(own.reference, self.client, sessions=self.uploads, access=access)
        target.check()
        return target

    def lookasides(self) -> "Lookasides":
        """What carries GPG signatures along, for one move. Raises InvalidSettings."""
        from affineur.move.lookasides import Lookasides
        from affineur.target.lookaside import LookasideTarget

        reading = self._lookaside_source
        return Lookasides(reading, LookasideTarget(reading.configuration))

    @cached_property
    def _lookaside_source(self) -> "LookasideSource":
        from affineur.source.configuration.registriesd import RegistriesD
        from affineur.source.lookaside import LookasideSource

        return LookasideSource(RegistriesD.read(os.environ), self.client)

    @cached_property
    def uploads(self) -> "UploadMemory":
        """Uploads that earlier calls have not ended."""
        from affineur.store.uploads import UploadMemory

        return UploadMemory(self.cache)

    def expect(self, reference: str, connections: int) -> None:
        """Begin to connect to the registry of a reference that is needed soon; nothing is said, or raised."""
        from affineur.oci.place import parse_place
        from affineur.oci.reference import DEFAULT_REGISTRY
        from affineur.source.access import DOCKER_HUB_HOST
        from affineur.source.configuration.shortnames import resolve

        with suppress(Error):
            if parse_place(reference) is not None:
                return
            place = self.registries.endpoints(resolve(reference, self.registries).reference)[0]
            named = place.reference.registry
            host = DOCKER_HUB_HOST if named == DEFAULT_REGISTRY else named
            self.client.expect(host, connections, insecure=place.insecure)

    def _registry(self, text: str, *, thorough: bool) -> "Source":
        """As registries.conf has it; what a short name means is said. `config explain` says the same, and more."""
        from affineur.source.configuration.lookalikes import lookalike
        from affineur.source.configuration.shortnames import resolve
        from affineur.source.mirrored import MirroredSource
        from affineur.source.registry import RegistrySource

        found = resolve(text, self.registries)
        if found.why:
            click.echo(f"affineur: {found.why}", err=True)
        places = [
            RegistrySource(
                each.reference,
                self.client,
                access=self._access(each.reference, insecure=each.insecure),
                thorough=thorough,
            )
            for each in self.registries.endpoints(found.reference)
        ]
        warning = lookalike(found.reference)
        if warning and warning not in self._warned:
            self._warned.add(warning)
            click.echo(f"affineur: warning: {warning}", err=True)
        return MirroredSource(found.reference, places, [warning] if warning else [])

    def _access(self, reference: "Reference", *, insecure: bool, actions: str = "pull") -> "Access":
        """One for all references of a repository: what it has been asked for once need not be found out again."""
        from affineur.source.access import Access

        key = (reference.name, insecure, actions)
        if key not in self._accesses:
            logins = self.logins if self._logins_of_file is None else self._logins_of_file(self.logins)
            self._accesses[key] = Access(reference, self.client, logins, insecure=insecure, actions=actions)
        return self._accesses[key]

    @cached_property
    def _accesses(self) -> "dict[tuple[str, bool, str], Access]":
        return {}

    @cached_property
    def registries(self) -> "Registries":
        """The engines' registries.conf. Raises InvalidSettings."""
        from affineur.source.configuration.registries import Registries

        return Registries.read(os.environ)

    @cached_property
    def logins(self) -> "ConfiguredLogins":
        """The user's logins, looked for when a registry wants one. Raises InvalidSettings."""
        from affineur.source.configuration.logins import ConfiguredLogins

        return ConfiguredLogins(self._authfile, os.environ, self.registries.credential_helpers)


def configured_reference(chosen: configuration.Reference) -> "ReferenceSuite":
    """A reference suite of the settings; its keyring is read from this host. Raises InvalidSettings."""
    from affineur.errors import ContentError
    from affineur.openpgp import split_certificates
    from affineur.repositories.reference import ReferenceSuite

    certificates: tuple[bytes, ...] = ()
    if chosen.keyring:
        path = Path(chosen.keyring).expanduser()
        try:
            content = path.read_bytes()
            plain = b"-----BEGIN PUBLIC KEY-----" in content  # RSA keys, as apk has them
            certificates = (content,) if plain else tuple(split_certificates(content, str(path)))
        except OSError as error:
            raise InvalidSettings(f"[[reference]] {chosen.suite}: {path}: {error.strerror or error}") from error
        except ContentError as error:
            raise InvalidSettings(f"[[reference]] {chosen.suite}: {error}") from error
    return ReferenceSuite(
        distribution=chosen.distribution,
        name=chosen.suite,
        keys=frozenset(key.replace(" ", "").upper() for key in chosen.keys),
        release=chosen.release,
        role="security" if chosen.security else "main",
        origin=chosen.origin,
        label=chosen.label,
        codename=chosen.codename,
        components=chosen.components,
        certificates=certificates,
        max_age=None if chosen.max_age_days is None else timedelta(days=chosen.max_age_days),
        uri=chosen.uri,
    )
