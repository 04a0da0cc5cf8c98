"""OpenPGP: signed bytes in, verified bytes and who signed them out.

Sequoia (pysequoia) is asked first, and only the bytes that it returns as verified are handed on. Where it accepts no
signature, `gpgv` is asked, if the machine has it: what it alone accepts is signed with something that Sequoia's policy
no longer takes (SHA-1, DSA, RSA below 2048 bits). That is *weak*: shown, never counted as good.

Rules: RFC 9580 § 7 (cleartext), apt-secure(8); of several signatures one good one is enough.
"""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from affineur.errors import BadSignature, LimitExceeded, MalformedDocument, UnsupportedContent

if TYPE_CHECKING:
    from pysequoia import Cert
    from pysequoia.packet import Packet

__all__ = [
    "Verified",
    "fingerprints",
    "merged",
    "signed_text",
    "split_certificates",
    "verify_cleartext",
    "verify_detached",
]

SIGNED_LIMIT = 64 << 20  # bytes of one signed document; the largest Release files have 2 MB
KEYRING_LIMIT = 8 << 20  # bytes of one keyring file
CERTIFICATE_LIMIT = 2000  # certificates of one keyring file; Debian's developers are a thousand
SIGNATURE_LIMIT = 64  # signatures on one document
GPGV_TIMEOUT_S = 20.0
STATUS_LIMIT = 1 << 20  # bytes of what gpgv says

_MESSAGE = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_ARMORED_KEY = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_ARMORED_KEY_END = b"-----END PGP PUBLIC KEY BLOCK-----"
_KEYBOX_MAGIC = slice(8, 12)  # "KBXf" of the first blob: gnupg, kbx/keybox-blob.c


class Verified(msgspec.Struct, frozen=True):
    """What may be believed of a signed document.

    Attributes:
        content: the bytes that a signature covers; empty unless `good`, `weak` or `expired` has an entry.
        good: fingerprints (upper-case hex) of the primary keys whose signatures hold.
        weak: of those that only gpgv accepts: signed with a weak key or digest. Could not tell, not a yes.
        expired: of those whose signature holds but whose key has expired. apt refuses these; so must a caller.
        unknown: fingerprints or key ids of signers that are not among the certificates.
        problems: what else was wrong, as sentences.
        keys: for each good signature the primary key and the key (itself, or a subkey) that made it.
        if_pinned: those of `weak` whose signature is itself strong: SHA-2, by a primary key of RSA from 2048 bits or of
            an elliptic curve. What is weak is only the key's own certificate (a self-signature with SHA-1, as that of
            Ubuntu's archive key of 2012). Its fingerprint names the key all the same, so for who pins that, it is good.
    """

    content: bytes
    good: tuple[str, ...]
    weak: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    if_pinned: tuple[str, ...] = ()


class _Opinion(msgspec.Struct, frozen=True):
    content: bytes = b""
    good: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    strong: tuple[str, ...] = ()  # of `good`: made by the primary key itself, with SHA-2
    why: str = ""  # there is no answer


class _Cleartext(msgspec.Struct, frozen=True):
    text: bytes  # as in the file: dash-escaped, without the line break before the signature
    signature: bytes  # armored


def verify_cleartext(signed: bytes, certificates: Sequence[bytes], now: datetime | None = None) -> Verified:
    """Verify a cleartext-signed document (InRelease).

    The file must be one signed message and nothing else: text before, between or after is refused, as apt does.

    Args:
        signed: the whole file.
        certificates: one transferable public key each (see `split_certificates`); only these may vouch.
        now: the time at which keys must not have expired; the clock's where not given.

    Raises:
        BadSignature: no signature by any of the certificates holds, or there is text outside the signed part.
        MalformedDocument: this is no cleartext-signed document.
        LimitExceeded: too long, or too many signatures.
    """
    parts = _split(signed)
    return _verify(signed, None, parts.signature, certificates, now)


def verify_detached(
    content: bytes, signature: bytes, certificates: Sequence[bytes], now: datetime | None = None
) -> Verified:
    """Verify a document against a detached signature file (Release and Release.gpg), armored or binary.

    Args and errors as for `verify_cleartext`.
    """
    _limit("signed document", content, SIGNED_LIMIT)
    _limit("signature", signature, SIGNED_LIMIT)
    return _verify(content, signature, signature, certificates, now)


def signed_text(signed: bytes) -> bytes:
    """The text inside a cleartext-signed document, *unverified*: for what is trusted without a signature, by request.

    Raises:
        BadSignature, MalformedDocument, LimitExceeded: as `verify_cleartext` does for the form of the file.
    """
    lines = _split(signed).text.split(b"\n")
    return b"\n".join(line[2:] if line.startswith(b"- ") else line for line in lines)  # RFC 9580 § 7.2


def split_certificates(keyring: bytes, source: str) -> tuple[bytes, ...]:
    """The certificates of a keyring file, binary or armored (also several armored blocks in one file), one each.

    Args:
        source: where the file stands, for messages.

    Raises:
        UnsupportedContent: a GnuPG keybox (`gpg --export` makes a keyring from it).
        MalformedDocument: no OpenPGP certificates.
        LimitExceeded: larger or more than a keyring is.
    """
    _limit(source, keyring, KEYRING_LIMIT)
    if keyring[_KEYBOX_MAGIC] == b"KBXf":
        raise UnsupportedContent(f"{source}: a GnuPG keybox, which apt does not read either; export it as a keyring")
    blocks = _armored_blocks(keyring) if _ARMORED_KEY in keyring else [keyring]
    found: list[bytes] = []
    for block in blocks:
        found += _written(_parse(block, source), source)
        if len(found) > CERTIFICATE_LIMIT:
            raise LimitExceeded(f"{source}: more than {CERTIFICATE_LIMIT} certificates")
    return tuple(found)


def merged(certificates: Iterable[bytes]) -> tuple[bytes, ...]:
    """One certificate per primary key: copies of the same key put together, so that a revocation in any of them counts.

    Raises:
        MalformedDocument: one of them is no OpenPGP certificate.
    """
    from pysequoia import Cert

    found: dict[str, Cert] = {}
    for certificate in certificates:
        try:
            cert = Cert.from_bytes(certificate)
            known = found.get(cert.fingerprint)
            found[cert.fingerprint] = cert if known is None else known.merge(cert)
        except RuntimeError as error:
            raise MalformedDocument(f"no OpenPGP certificate: {_first_line(error)}") from error
    return tuple(_written(found.values(), "a keyring"))


def fingerprints(certificate: bytes) -> tuple[str, ...]:
    """The primary key's fingerprint, then those of its subkeys, upper-case hex.

    Raises:
        MalformedDocument: not an OpenPGP certificate.
    """
    from pysequoia.packet import PacketPile

    try:
        keys = [_field(packet, "fingerprint") for packet in PacketPile.from_bytes(certificate)]
    except RuntimeError as error:
        raise MalformedDocument(f"no OpenPGP certificate: {_first_line(error)}") from error
    return tuple(key.upper() for key in keys if key)


def _written(certificates: "Iterable[Cert]", source: str) -> list[bytes]:
    """Each as bytes; one that Sequoia reads but cannot write (a key of a kind that it does not know) is left out."""
    found: list[bytes] = []
    problem: RuntimeError | None = None
    for certificate in certificates:
        try:
            found.append(bytes(certificate))
        except RuntimeError as error:
            problem = error
    if problem and not found:
        raise MalformedDocument(f"{source}: no OpenPGP keyring: {_first_line(problem)}") from problem
    return found


def _parse(block: bytes, source: str) -> "list[Cert]":
    from pysequoia import Cert

    if not block.strip():
        return []
    try:
        return Cert.split_bytes(block)
    except RuntimeError as error:
        certificates = _one_by_one(block)
        if not certificates:
            raise MalformedDocument(f"{source}: no OpenPGP keyring: {_first_line(error)}") from error
        return certificates


def _one_by_one(block: bytes) -> "list[Cert]":
    """Those that can be read, where one of a keyring cannot be (a key of version 3, say); gpgv passes over it, too."""
    from pysequoia import Cert
    from pysequoia.packet import Packet, PacketPile, Tag

    groups: list[list[Packet]] = []
    found: list[Cert] = []
    with contextlib.suppress(RuntimeError):  # what cannot even be taken apart is no keyring
        for packet in PacketPile.from_bytes(block):
            if _field(packet, "tag") == Tag.PublicKey:
                groups.append([])
            if groups:
                groups[-1].append(packet)
    for group in groups:
        with contextlib.suppress(RuntimeError):
            found.append(Cert.from_packets(group))
    return found


def _armored_blocks(keyring: bytes) -> list[bytes]:
    blocks = []
    for start in keyring.split(_ARMORED_KEY)[1:]:
        body, end, _ = start.partition(_ARMORED_KEY_END)
        blocks.append(_ARMORED_KEY + body + end + b"\n")
    return blocks


def _limit(source: str, content: bytes, limit: int) -> None:
    if len(content) > limit:
        raise LimitExceeded(f"{source}: more than {limit} bytes")


def _field(packet: "Packet", name: str) -> Any:
    """A packet's field; None if it has none, or one of a kind that Sequoia does not know (it raises then)."""
    try:
        return getattr(packet, name)
    except RuntimeError:
        return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]  # Sequoia's messages may carry a backtrace


def _split(signed: bytes) -> _Cleartext:
    """Take a cleartext-signed file apart, strictly: what two readers could see differently is refused.

    RFC 9580 § 7; apt refuses unsigned lines likewise (CVE-2013-1051 was about such a file).
    """
    _limit("signed document", signed, SIGNED_LIMIT)
    lines = signed.split(b"\n")
    if _bare(lines[0]) != _MESSAGE:
        if any(_bare(line) == _MESSAGE for line in lines):
            raise BadSignature("there is text outside the signed part (before it)")
        raise MalformedDocument("not a cleartext-signed document")
    start = 1
    while start < len(lines) and lines[start].startswith((b"Hash: ", b"Charset: ")):
        start += 1
    if start == len(lines) or lines[start] not in (b"", b"\r"):
        raise BadSignature("there is text outside the signed part (in its header)")
    bare = [_bare(line) for line in lines]
    if bare.count(_MESSAGE) > 1 or bare.count(_SIGNATURE) > 1 or bare.count(_END) > 1:
        raise BadSignature("more than one signed message, or text between two signatures")
    if _SIGNATURE not in bare or _END not in bare or bare.index(_END) < bare.index(_SIGNATURE):
        raise BadSignature("the signature is missing or cut off")
    signature, end = bare.index(_SIGNATURE), bare.index(_END)
    if any(bare[end + 1 :]):
        raise BadSignature("there is text outside the signed part (after it)")
    if any(line.startswith(b"-") and not line.startswith(b"- ") for line in lines[start + 1 : signature]):
        raise BadSignature("the signed part has a line that is not dash-escaped")
    return _Cleartext(b"\n".join(lines[start + 1 : signature]), b"\n".join(lines[signature : end + 1]) + b"\n")


def _bare(line: bytes) -> bytes:
    return line.rstrip(b" \t\r")


def _verify(
    document: bytes, detached: bytes | None, signature: bytes, certificates: Sequence[bytes], now: datetime | None
) -> Verified:
    from pysequoia import Cert

    now = now or datetime.now(UTC)
    signers = _signers(signature)
    certs = [Cert.from_bytes(certificate) for certificate in certificates]
    known = {key: (cert, raw) for cert, raw in zip(certs, certificates, strict=True) for key in _names(raw)}
    unknown = tuple(dict.fromkeys(signer for signer in signers if signer not in known))
    content, valid = _ask_sequoia(document, detached, certs)
    good: list[str] = []
    expired: list[str] = []
    problems: list[str] = []
    for primary, key in valid:
        ended = _expiry(*known[primary], key)
        if ended is not None and ended <= now:
            expired.append(primary)
            problems.append(f"key {primary} expired on {ended:%Y-%m-%d}")
        else:
            good.append(primary)
    if good or expired:
        heard = {name for primary, key in valid for name in (primary, key, key[-16:])}
        failed = [s for s in dict.fromkeys(signers) if s in known and s not in heard]
        problems += [f"the signature by {signer} does not hold, or is too weak" for signer in failed]
        keys = tuple((primary, key) for primary, key in valid if primary in good)
        return msgspec.structs.replace(_answer(content, good, (), expired, unknown, problems), keys=keys)
    second = _ask_gpgv(document, detached, certificates)
    if second.good or second.expired:
        raw = dict(zip((cert.fingerprint.upper() for cert in certs), certificates, strict=True))
        problems = [f"signed with a weak key, certificate or digest by {name}" for name in second.good]
        problems += [f"key {name} expired" for name in second.expired]
        answer = _answer(second.content, (), second.good, second.expired, unknown, problems)
        strong = tuple(name for name in second.strong if name in raw and _is_strong(raw[name]))
        return msgspec.structs.replace(answer, if_pinned=strong)
    raise BadSignature(_reason(signers, unknown, second.why))


def _is_strong(certificate: bytes) -> bool:
    """Whether the primary key's algorithm and size would do today: RSA from 2048 bits, or an elliptic curve."""
    from pysequoia.packet import PacketPile, PublicKeyAlgorithm

    primary = next(iter(PacketPile.from_bytes(certificate)))
    algorithm = _field(primary, "key_algorithm")
    if algorithm in (PublicKeyAlgorithm.RSAEncryptSign, PublicKeyAlgorithm.RSASign):
        bits = int.from_bytes(primary.body[6:8], "big")  # RFC 9580 § 5.5.2: version, time, algorithm, then n as an MPI
        return primary.body[0] == 4 and bits >= 2048
    return algorithm in (PublicKeyAlgorithm.EdDSA, PublicKeyAlgorithm.ECDSA, PublicKeyAlgorithm.Ed25519)


def _answer(
    content: bytes,
    good: Iterable[str],
    weak: Iterable[str],
    expired: Iterable[str],
    unknown: tuple[str, ...],
    problems: list[str],
) -> Verified:
    good, weak, expired = (tuple(dict.fromkeys(names)) for names in (good, weak, expired))
    return Verified(content, good, weak, expired, unknown, tuple(problems))


def _reason(signers: Sequence[str], unknown: Sequence[str], why: str) -> str:
    if not signers:
        return "there is no signature"
    if len(set(signers)) == len(unknown):
        return f"signed only by keys that are not trusted here: {', '.join(unknown)}"
    known = ", ".join(dict.fromkeys(signer for signer in signers if signer not in unknown))
    return f"no signature holds (by {known}{'; ' + why if why else ''})"


def _names(certificate: bytes) -> set[str]:
    keys = fingerprints(certificate)
    return {*keys, *(key[-16:] for key in keys if len(key) == 40)}  # RFC 9580 § 5.5.4: a v4 key id ends its fingerprint


def _signers(signature: bytes) -> list[str]:
    """Who claims to have signed: fingerprints where the signatures carry them, key ids where not."""
    from pysequoia.packet import PacketPile, Tag

    try:
        packets = [packet for packet in PacketPile.from_bytes(signature) if _field(packet, "tag") == Tag.Signature]
    except RuntimeError as error:
        raise BadSignature(f"the signature is no OpenPGP data: {_first_line(error)}") from error
    if len(packets) > SIGNATURE_LIMIT:
        raise LimitExceeded(f"more than {SIGNATURE_LIMIT} signatures")
    return [
        (_field(packet, "issuer_fingerprint") or _field(packet, "issuer_key_id") or "an unnamed key").upper()
        for packet in packets
    ]


def _ask_sequoia(document: bytes, detached: bytes | None, certs: "list[Cert]") -> tuple[bytes, list[tuple[str, str]]]:
    """(the verified bytes, (primary key, signing key) of each valid signature); nothing where none is valid."""
    import pysequoia

    content, valid = b"", []
    for signature in [None] if detached is None else _packets(detached):
        try:
            packet = None if signature is None else pysequoia.Sig.from_bytes(signature)
            answer = pysequoia.verify(document, lambda _: certs, signature=packet)
        except RuntimeError:  # Sequoia's only error: no valid signature, or not readable at all
            continue
        content = answer.bytes or b""
        valid += [(sig.certificate.upper(), sig.signing_key.upper()) for sig in answer.valid_sigs]
    return content, valid


def _packets(signature: bytes) -> Iterator[bytes]:
    from pysequoia.packet import PacketPile, Tag

    for packet in PacketPile.from_bytes(signature):
        if _field(packet, "tag") == Tag.Signature:
            with contextlib.suppress(RuntimeError):  # one that Sequoia reads but cannot write: not valid either
                yield bytes(packet)


def _expiry(cert: "Cert", raw: bytes, signing_key: str) -> datetime | None:
    """When the primary or the signing subkey ends, whichever is first; Sequoia judges at the signature's own date."""
    from pysequoia.packet import PacketPile, SignatureType, Tag

    ends = [cert.expiration] if cert.expiration is not None else []
    created: datetime | None = None
    newest: tuple[datetime, timedelta | None] | None = None
    for packet in PacketPile.from_bytes(raw):
        if _field(packet, "tag") == Tag.PublicSubkey:
            created = packet.key_created if (_field(packet, "fingerprint") or "").upper() == signing_key else None
        elif (
            created
            and _field(packet, "tag") == Tag.Signature
            and _field(packet, "signature_type") == SignatureType.SubkeyBinding
        ):
            made = packet.signature_created or created
            if newest is None or made >= newest[0]:
                newest = (made, packet.key_validity_period)
                subkey_created = created
    if newest is not None and newest[1]:
        ends.append(subkey_created + newest[1])
    return min(ends, default=None)


def _ask_gpgv(document: bytes, detached: bytes | None, certificates: Sequence[bytes]) -> _Opinion:
    """Ask gpgv. Only public keys and the signature are written to disk, for as long as it runs."""
    program = shutil.which("gpgv")
    if program is None or not certificates:
        return _Opinion(why="" if program else "no second opinion: gpgv is not installed")
    with tempfile.TemporaryDirectory(prefix="affineur-gpgv-") as folder:
        home = Path(folder)
        (home / "keyring.gpg").write_bytes(b"".join(certificates))
        (home / "signature").write_bytes(detached or b"")
        with (home / "status").open("w+b") as status:
            command = [program, "--homedir", folder, "--keyring", str(home / "keyring.gpg")]
            command += ["--status-fd", str(status.fileno())]
            command += ["--output", "-", "-"] if detached is None else [str(home / "signature"), "-"]
            try:
                done = subprocess.run(  # noqa: S603 - a fixed program, no shell, nothing of the input in its arguments
                    command,
                    input=document,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(status.fileno(),),
                    env={"LC_ALL": "C", "GNUPGHOME": folder},
                    timeout=GPGV_TIMEOUT_S,
                    check=False,
                )
            except (subprocess.TimeoutExpired, OSError) as error:
                return _Opinion(why=f"no second opinion: {error}")
            status.seek(0)
            return _gpgv_status(status.read(STATUS_LIMIT), document if detached is not None else done.stdout)


def _gpgv_status(status: bytes, content: bytes) -> _Opinion:
    """Read gnupg's doc/DETAILS § VALIDSIG: it follows GOODSIG or EXPKEYSIG; word 2 is the signing key, 9 the digest's
    number (RFC 9580 § 9.5: 8 to 11 are SHA-2), the last one the primary key."""
    good: list[str] = []
    expired: list[str] = []
    strong: list[str] = []
    verdict = ""
    for line in status.decode("utf-8", "replace").split("\n"):
        words = line.split(" ")
        if len(words) < 2 or words[0] != "[GNUPG:]":
            continue
        if words[1] in ("NEWSIG", "GOODSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "BADSIG", "ERRSIG"):
            verdict = words[1]
        elif words[1] == "VALIDSIG" and len(words) > 10 and verdict == "GOODSIG":
            good.append(words[-1])
            if words[2] == words[-1] and words[9] in ("8", "9", "10", "11"):
                strong.append(words[-1])
        elif words[1] == "VALIDSIG" and verdict == "EXPKEYSIG":
            expired.append(words[-1])
    return _Opinion(content if good or expired else b"", tuple(good), tuple(expired), tuple(strong))
