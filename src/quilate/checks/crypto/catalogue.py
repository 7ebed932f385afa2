"""The rules of CRYPTO_ANALYSIS: severity, fix and source of each.

Source: NIST SP 800-131A Rev. 3 (initial public draft, October 2024), NIST SP 800-38A/38D/132, RFC 9325, RFC 8725, the
OWASP Password Storage Cheat Sheet (revision of March 2026), and the CWE entry that each rule's address leads to.
"""

from quilate.checks.crypto.model import Rule
from quilate.domain.severity import Severity

_CWE = "https://cwe.mitre.org/data/definitions/{}.html"
_NIST = "NIST SP 800-131A Rev. 3"
_OWASP = "OWASP Password Storage Cheat Sheet, March 2026"


def _rule(number: str, severity: Severity, title: str, fix: str, source: str, cwe: int) -> Rule:  # noqa: PLR0913, PLR0917 - a table's columns
    return Rule(
        id=f"QL-CRY-{number}", severity=severity, title=title, fix=fix, source=source, help_url=_CWE.format(cwe)
    )


BROKEN_HASH = _rule(
    "001",
    Severity.HIGH,
    "A hash function that is broken",
    "Use SHA-256 or SHA3-256; pass `usedforsecurity=False` to hashlib where nothing depends on it",
    "RFC 6151; RFC 9325 section 4.5",
    328,
)
SHA1 = _rule(
    "002",
    Severity.MEDIUM,
    "SHA-1, for which collisions are known",
    "Use SHA-256 or SHA3-256; pass `usedforsecurity=False` to hashlib where nothing depends on it",
    f"{_NIST} section 11; RFC 9325 section 4.5",
    328,
)
NOT_APPROVED = _rule(
    "003",
    Severity.HIGH,
    "An algorithm that the profile does not allow",
    "Use an algorithm from the profile's list, or have the list changed",
    "The blueprint's `forbidden_algorithms` and `approved_algorithms`",
    327,
)
BROKEN_CIPHER = _rule(
    "010",
    Severity.HIGH,
    "A cipher that is broken or has blocks of 64 bits",
    "Use AES-GCM or ChaCha20-Poly1305",
    f"{_NIST} section 2.1",
    327,
)
ECB_MODE = _rule(
    "011",
    Severity.HIGH,
    "ECB mode, which shows equal blocks as equal",
    "Use an authenticated mode such as GCM with a nonce that is never used twice",
    f"{_NIST} section 2.2",
    327,
)
UNAUTHENTICATED_MODE = _rule(
    "012",
    Severity.LOW,
    "A mode without authentication in a file that uses no MAC",
    "Use AES-GCM or ChaCha20-Poly1305, or authenticate the ciphertext with HMAC",
    "NIST SP 800-38A; RFC 9325 section 4.2",
    353,
)
CONSTANT_NONCE = _rule(
    "013",
    Severity.HIGH,
    "An IV or nonce that is always the same",
    "Draw a fresh one for each message with `os.urandom` or `secrets.token_bytes`",
    "NIST SP 800-38A appendix C; SP 800-38D section 8",
    329,
)
HARD_CODED_KEY = _rule(
    "014",
    Severity.HIGH,
    "A key that is written in the source",
    "Read the key from a key management service, a secret store or the environment, and replace this one",
    "NIST SP 800-57 Part 1 section 6",
    321,
)
SHORT_KEY = _rule(
    "020",
    Severity.HIGH,
    "A key that is too short",
    "Generate the key with at least the profile's length; 3072 bits hold beyond 2030",
    f"{_NIST} sections 3, 6 and 7",
    326,
)
WEAK_CURVE = _rule(
    "021",
    Severity.HIGH,
    "An elliptic curve that is too small",
    "Use P-256, P-384, Ed25519 or X25519",
    f"{_NIST} sections 3 and 6; RFC 9325 section 4.5",
    326,
)
PKCS1_ENCRYPTION = _rule(
    "022",
    Severity.MEDIUM,
    "RSA encryption with PKCS #1 v1.5 padding",
    "Use OAEP with SHA-256",
    f"RFC 8017 section 7.2; {_NIST} section 7",
    780,
)
WITHDRAWN_SIGNATURE = _rule(
    "023",
    Severity.MEDIUM,
    "A signature algorithm that is withdrawn",
    "Sign with Ed25519, with ECDSA over P-256, or with RSA-PSS and 3072 bits; keep DSA for verifying old signatures",
    f"{_NIST} section 3; FIPS 186-5",
    327,
)
PBKDF2_ITERATIONS = _rule(
    "030",
    Severity.MEDIUM,
    "PBKDF2 with too few iterations",
    "Raise the iterations to the profile's figure, or use Argon2id",
    _OWASP,
    916,
)
SCRYPT_COST = _rule(
    "031",
    Severity.MEDIUM,
    "scrypt with too small a cost",
    "Raise n to the profile's figure, with r=8 and p=1",
    _OWASP,
    916,
)
BCRYPT_COST = _rule(
    "032",
    Severity.MEDIUM,
    "bcrypt with too few rounds",
    "Raise the rounds to the profile's figure, or use Argon2id",
    _OWASP,
    916,
)
CONSTANT_SALT = _rule(
    "033",
    Severity.MEDIUM,
    "A salt that is always the same",
    "Draw a fresh salt of 16 bytes for each password with `os.urandom`, and keep it beside the hash",
    "NIST SP 800-132 section 5.1",
    760,
)
KEY_FROM_HASH = _rule(
    "034",
    Severity.HIGH,
    "A key made by hashing without a key derivation function",
    "Derive the key with Argon2id, scrypt or PBKDF2 from a password, with HKDF from a shared secret",
    "NIST SP 800-132; NIST SP 800-56C Rev. 2",
    916,
)
ARGON2_COST = _rule(
    "035",
    Severity.MEDIUM,
    "Argon2 with too small a cost",
    "Raise memory and time to the profile's figures",
    _OWASP,
    916,
)
WEAK_PASSWORD_HASH = _rule(
    "036",
    Severity.HIGH,
    "A password scheme that is broken",
    "Use Argon2id, scrypt or bcrypt",
    _OWASP,
    916,
)
PREDICTABLE_RANDOM = _rule(
    "040",
    Severity.HIGH,
    "A secret drawn from a predictable generator",
    "Use the `secrets` module or `os.urandom`",
    "Python documentation of `random`; NIST SP 800-90A",
    338,
)
NO_VERIFICATION = _rule(
    "050",
    Severity.HIGH,
    "A TLS connection that does not verify the certificate",
    "Leave verification on; give the path of your own authority's certificate where there is one",
    "RFC 9325 section 4; RFC 9110 section 4.3.4",
    295,
)
NO_HOSTNAME = _rule(
    "051",
    Severity.HIGH,
    "A TLS connection that does not compare the host name",
    "Leave `check_hostname` on",
    "RFC 9525",
    297,
)
OLD_PROTOCOL = _rule(
    "052",
    Severity.HIGH,
    "A version of TLS or SSL that is forbidden",
    "Use `ssl.create_default_context()`, which starts at TLS 1.2",
    "RFC 9325 section 3.1.1; RFC 8996",
    327,
)
UNSIGNED_TOKEN = _rule(
    "060",
    Severity.HIGH,
    "A JSON Web Token whose signature is not verified",
    "Verify the signature, and name the one algorithm that you expect",
    "RFC 8725 sections 3.1 and 3.2",
    347,
)
DIGEST_COMPARISON = _rule(
    "070",
    Severity.LOW,
    "A digest compared in a time that depends on its content",
    "Use `hmac.compare_digest`",
    "Python documentation of `hmac.compare_digest`",
    208,
)
RULES = {rule.id: rule for rule in list(globals().values()) if isinstance(rule, Rule)}
"""All rules by id."""
