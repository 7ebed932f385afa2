"""Signed notes: text with signatures of named keys, and the keys in their short text form.

Source: C2SP signed-note (format, key ids, Ed25519, verifier keys).
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from enum import IntEnum

MAX_NOTE_BYTES = 1 << 18
MAX_SIGNATURES = 64
LONGEST_NAME = 255
"""Bytes of a key's name and of an origin: cosignatures write their lengths with 8 bits."""
_DASH = "\u2014 "
_KEY_ID_BYTES = 4


class SignatureType(IntEnum):
    """The algorithm of a key and the form of what it signs.

    ``ED25519`` signs the note's text; the others sign a tree head with the time of the signature (C2SP
    tlog-cosignature).
    """

    ED25519 = 0x01
    COSIGNATURE_ED25519 = 0x04
    COSIGNATURE_ML_DSA_44 = 0x06


PUBLIC_KEY_BYTES = {
    SignatureType.ED25519: 32,
    SignatureType.COSIGNATURE_ED25519: 32,
    SignatureType.COSIGNATURE_ML_DSA_44: 1312,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key with its name."""

    name: str
    type: SignatureType
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes by which signatures name it, together with its name."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public_key).digest()[
            :_KEY_ID_BYTES
        ]

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.type]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


def parse_verifier_key(text: str) -> VerifierKey:
    """Return the key of ``<name>+<key id>+<base64>``.

    Raises:
        ValueError: It is none, or of a type that is not known here.
    """
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    content = decode_base64(encoded)
    if not is_key_name(name) or not content:
        raise ValueError("it is no verifier key: <name>+<key id>+<base64>")
    try:
        kind = SignatureType(content[0])
    except ValueError as error:
        raise ValueError(f"signatures of type {content[0]:#04x} are not known here") from error
    key = VerifierKey(name=name, type=kind, public_key=content[1:])
    if len(key.public_key) != PUBLIC_KEY_BYTES[kind]:
        raise ValueError("the key has the wrong length for its type")
    if key.key_id.hex() != key_id:
        raise ValueError("the key id does not belong to the key: it was copied badly")
    return key


def is_key_name(name: str) -> bool:
    """Tell whether a text may name a key: not empty, without spaces and plus."""
    if not 0 < len(name.encode(errors="surrogatepass")) <= LONGEST_NAME:
        return False
    return "+" not in name and not any(each.isspace() or ord(each) < ord(" ") for each in name)


def decode_base64(text: str) -> bytes:
    """Return the bytes of standard base64 in its one canonical spelling.

    Raises:
        ValueError: It is none.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("it holds text that is no base64") from error
    if base64.b64encode(content).decode() != text:
        raise ValueError("its base64 is not canonical")
    return content


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line; nothing in it is to be believed before it is verified."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}"

    def is_by(self, key: VerifierKey) -> bool:
        """Tell whether it says that this key made it."""
        return self.name == key.name and self.key_id == key.key_id


def parse_signature(line: str) -> NoteSignature:
    """Return the signature of a line without its newline.

    Raises:
        ValueError: It is none.
    """
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not is_key_name(name):
        raise ValueError("a signature line is malformed")
    content = decode_base64(encoded)
    if len(content) <= _KEY_ID_BYTES:
        raise ValueError("a signature is too short")
    return NoteSignature(name=name, key_id=content[:_KEY_ID_BYTES], signature=content[_KEY_ID_BYTES:])


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedNote:
    """A text, which ends with a newline, and its signatures."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> str:
        """Return the whole note."""
        return self.text + "\n" + "".join(f"{signature}\n" for signature in self.signatures)


def parse_note(content: str) -> SignedNote:
    """Return the note.

    Raises:
        ValueError: It is none.
    """
    if len(content) > MAX_NOTE_BYTES:
        raise ValueError("the note is too long")
    if any(ord(each) < ord(" ") and each != "\n" for each in content):
        raise ValueError("the note holds control characters")
    text, gap, lines = content.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise ValueError("the note has no signatures")
    signatures = lines[:-1].split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise ValueError(f"the note has more than {MAX_SIGNATURES} signatures")
    return SignedNote(text=text + "\n", signatures=tuple(map(parse_signature, signatures)))
