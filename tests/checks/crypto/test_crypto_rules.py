"""Each rule of CRYPTO_ANALYSIS on code that breaks it and on code that does not (C16, C21)."""

from pathlib import Path

import pytest

from tests.support.check_runner import run_check

CIPHERS = "from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes, aead\n"
ASYMMETRIC = "from cryptography.hazmat.primitives.asymmetric import dh, dsa, ec, padding, rsa\n"
HASHES = "from cryptography.hazmat.primitives import hashes, hmac as chmac\n"

BREAKING = [
    # 001, 002, 003: hash functions
    ("import hashlib\nhashlib.md5(b'x')\n", ["QL-CRY-001"]),
    ("import hashlib as h\nh.md5(b'x')\n", ["QL-CRY-001"]),
    ("from hashlib import md5\nmd5(b'x')\n", ["QL-CRY-001"]),
    ("from hashlib import md5 as fingerprint\nfingerprint(b'x')\n", ["QL-CRY-001"]),
    ("from hashlib import *\nmd5(b'x')\n", ["QL-CRY-001"]),
    ("import hashlib\ndigest = hashlib.md5\ndigest(b'x')\n", ["QL-CRY-001"]),
    ("import hashlib\nNAME = 'md5'\nhashlib.new(NAME)\n", ["QL-CRY-001"]),
    ("import hashlib\nhashlib.new('MD' + '5')\n", ["QL-CRY-001"]),
    ("import hashlib\ngetattr(hashlib, 'md5')(b'x')\n", ["QL-CRY-001"]),
    ("__import__('hashlib').md5(b'x')\n", ["QL-CRY-001"]),
    ("import importlib\nimportlib.import_module('hashlib').md5(b'')\n", ["QL-CRY-001"]),
    ("def f():\n    import hashlib\n    return hashlib.md5(b'x')\n", ["QL-CRY-001"]),
    ("import hashlib\nhashlib.file_digest(open('x', 'rb'), 'md5')\n", ["QL-CRY-001"]),
    ("from Crypto.Hash import MD5\nMD5.new()\n", ["QL-CRY-001"]),
    ("from Cryptodome.Hash import MD4\nMD4.new()\n", ["QL-CRY-001"]),
    (HASHES + "hashes.MD5()\n", ["QL-CRY-001"]),
    (HASHES + "hashes.SHA1()\n", ["QL-CRY-002"]),
    ("import hashlib\nhashlib.sha1(b'x')\n", ["QL-CRY-002"]),
    ("import hmac, os\nhmac.new(os.environb[b'K'], b'm', 'md5')\n", ["QL-CRY-001"]),
    ("import hmac, hashlib, os\nhmac.new(os.urandom(16), b'm', hashlib.sha1)\n", ["QL-CRY-002"]),
    ("from Crypto.Hash import HMAC\nimport os\nHMAC.new(os.urandom(16))\n", ["QL-CRY-001"]),
    # 010: ciphers
    ("from Crypto.Cipher import DES as D\nimport os\nD.new(os.urandom(8), D.MODE_GCM)\n", ["QL-CRY-010"]),
    ("from Crypto.Cipher import ARC4\nimport os\nARC4.new(os.urandom(16))\n", ["QL-CRY-010"]),
    ("import Crypto.Cipher.DES3, os\nCrypto.Cipher.DES3.new(os.urandom(24), 9)\n", ["QL-CRY-010"]),
    (CIPHERS + "import os\nalgorithms.TripleDES(os.urandom(24))\n", ["QL-CRY-010"]),
    (
        "from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish\nimport os\nBlowfish(os.urandom(16))\n",
        ["QL-CRY-010"],
    ),
    (
        (
            "try:\n    from Cryptodome.Cipher import DES\nexcept ImportError:\n    from Crypto.Cipher import DES\n"
            "DES.new(k, DES.MODE_EAX)\n"
        ),
        ["QL-CRY-010"],
    ),
    # 011, 012: modes
    (CIPHERS + "modes.ECB()\n", ["QL-CRY-011"]),
    ("from Crypto.Cipher import AES\nimport os\nAES.new(os.urandom(16), AES.MODE_ECB)\n", ["QL-CRY-011"]),
    ("from Crypto.Cipher import AES\nimport os\nAES.new(os.urandom(16), mode=1)\n", ["QL-CRY-011"]),
    (CIPHERS + "import os\nmodes.CBC(os.urandom(16))\n", ["QL-CRY-012"]),
    # 013: nonces
    (CIPHERS + "modes.GCM(b'0' * 12)\n", ["QL-CRY-013"]),
    (CIPHERS + "IV = bytes(12)\nmodes.GCM(IV)\n", ["QL-CRY-013"]),
    (CIPHERS + "modes.GCM(bytes.fromhex('00' * 12))\n", ["QL-CRY-013"]),
    (
        CIPHERS + "import os\nbox = aead.AESGCM(os.urandom(32))\nbox.encrypt(b'012345678901', b'm', None)\n",
        ["QL-CRY-013"],
    ),
    (
        "from Crypto.Cipher import AES\nimport os\nAES.new(os.urandom(16), AES.MODE_GCM, nonce=b'1' * 12)\n",
        ["QL-CRY-013"],
    ),
    # 014: keys in the source
    (
        "from cryptography.fernet import Fernet\nFernet(b'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI=')\n",
        ["QL-CRY-014"],
    ),
    (CIPHERS + "KEY = 'sixteen byte key'.encode()\naead.AESGCM(KEY)\n", ["QL-CRY-014"]),
    ("import hmac\nKEY = b'k' * 32\nhmac.new(KEY, b'm', 'sha256')\n", ["QL-CRY-014"]),
    ("import jwt\njwt.encode({}, 'a secret', algorithm='HS256')\n", ["QL-CRY-014"]),
    ("import jwt\njwt.decode(t, 'a secret', algorithms=['HS256'])\n", ["QL-CRY-014"]),
    (
        CIPHERS + "class Box:\n    def __init__(self):\n        self.key = b'0' * 16\n"
        "    def seal(self):\n        return aead.AESGCM(self.key)\n",
        ["QL-CRY-014"],
    ),
    # 020 to 022: asymmetric
    (ASYMMETRIC + "rsa.generate_private_key(65537, 1024)\n", ["QL-CRY-020"]),
    (ASYMMETRIC + "BITS = 2 ** 10\nrsa.generate_private_key(public_exponent=65537, key_size=BITS)\n", ["QL-CRY-020"]),
    ("from Crypto.PublicKey import RSA\nRSA.generate(1024)\n", ["QL-CRY-020"]),
    (ASYMMETRIC + "dh.generate_parameters(2, 1024)\n", ["QL-CRY-020"]),
    (ASYMMETRIC + "ec.generate_private_key(ec.SECP192R1())\n", ["QL-CRY-021"]),
    (ASYMMETRIC + "ec.generate_private_key(ec.SECT163K1)\n", ["QL-CRY-021"]),
    ("from Crypto.PublicKey import ECC\nECC.generate(curve='P-192')\n", ["QL-CRY-021"]),
    (ASYMMETRIC + "def f(public):\n    return public.encrypt(b'm', padding.PKCS1v15())\n", ["QL-CRY-022"]),
    ("from Crypto.Cipher import PKCS1_v1_5\nPKCS1_v1_5.new(k)\n", ["QL-CRY-022"]),
    # 023: signatures
    (ASYMMETRIC + "dsa.generate_private_key(1024)\n", ["QL-CRY-023"]),
    (ASYMMETRIC + "dsa.generate_private_key(3072)\n", ["QL-CRY-023"]),
    ("from Crypto.PublicKey import DSA\nDSA.generate(2048)\n", ["QL-CRY-023"]),
    # 030 to 036: passwords
    ("import hashlib, os\nhashlib.pbkdf2_hmac('sha1', p, os.urandom(16), 1_399_999)\n", ["QL-CRY-030"]),
    ("import hashlib, os\nhashlib.pbkdf2_hmac('sha512', p, os.urandom(16), 219_999)\n", ["QL-CRY-030"]),
    ("import hashlib, os\nhashlib.pbkdf2_hmac('sha256', p, os.urandom(16), 100_000)\n", ["QL-CRY-030"]),
    (
        "from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC\n"
        + HASHES
        + "PBKDF2HMAC(algorithm=hashes.SHA512(), length=32, salt=s, iterations=100_000)\n",
        ["QL-CRY-030"],
    ),
    ("from Crypto.Protocol.KDF import PBKDF2\nPBKDF2(p, s)\n", ["QL-CRY-030"]),
    ("from passlib.hash import pbkdf2_sha256\npbkdf2_sha256.using(rounds=1000)\n", ["QL-CRY-030"]),
    ("import hashlib\nhashlib.scrypt(p, salt=s, n=1024, r=8, p=1)\n", ["QL-CRY-031"]),
    ("import bcrypt\nbcrypt.gensalt(4)\n", ["QL-CRY-032"]),
    ("import hashlib\nhashlib.pbkdf2_hmac('sha256', p, b'salt', 600_000)\n", ["QL-CRY-033"]),
    (
        (
            "import base64, hashlib\nfrom cryptography.fernet import Fernet\n"
            "Fernet(base64.urlsafe_b64encode(hashlib.sha256(p).digest()))\n"
        ),
        ["QL-CRY-034"],
    ),
    (
        "import hashlib\nfrom Crypto.Cipher import AES\nk = hashlib.sha256(p).digest()\nAES.new(k, AES.MODE_GCM)\n",
        ["QL-CRY-034"],
    ),
    ("import argon2\nargon2.PasswordHasher(memory_cost=1024)\n", ["QL-CRY-035"]),
    ("from passlib.hash import md5_crypt\nmd5_crypt.hash(p)\n", ["QL-CRY-036"]),
    # 040: random
    ("import random\ntoken = random.getrandbits(128)\n", ["QL-CRY-040"]),
    ("import random\ndef makeApiKey():\n    return ''.join(random.choice('abc') for _ in range(9))\n", ["QL-CRY-040"]),
    ("import numpy as np\nnonce = np.random.bytes(12)\n", ["QL-CRY-040"]),
    ("import random\nstore(password=random.randint(0, 9))\n", ["QL-CRY-040"]),
    # 050 to 052: TLS
    ("import requests\nrequests.get('https://x', verify=False)\n", ["QL-CRY-050"]),
    ("import requests\ns = requests.Session()\ns.verify = False\n", ["QL-CRY-050"]),
    ("import requests\nwith requests.Session() as s:\n    s.get('https://x', verify=False)\n", ["QL-CRY-050"]),
    ("import httpx\nCHECK = False\nhttpx.AsyncClient(verify=CHECK)\n", ["QL-CRY-050"]),
    ("import aiohttp\naiohttp.TCPConnector(ssl=False)\n", ["QL-CRY-050"]),
    ("import urllib3\nurllib3.PoolManager(cert_reqs='CERT_NONE')\n", ["QL-CRY-050"]),
    ("import ssl\nssl._create_unverified_context()\n", ["QL-CRY-050"]),
    ("import ssl\nssl._create_default_https_context = ssl._create_unverified_context\n", ["QL-CRY-050"]),
    (
        "import ssl\nc = ssl.create_default_context()\nc.check_hostname = False\nc.verify_mode = ssl.CERT_NONE\n",
        ["QL-CRY-051", "QL-CRY-050"],
    ),
    ("import ssl\nssl.SSLContext(ssl.PROTOCOL_TLSv1)\n", ["QL-CRY-052"]),
    ("import ssl\nssl.wrap_socket(s, ssl_version=ssl.PROTOCOL_SSLv3)\n", ["QL-CRY-052"]),
    ("import ssl\nc.minimum_version = ssl.TLSVersion.TLSv1_1\n", ["QL-CRY-052"]),
    ("from OpenSSL import SSL\nSSL.Context(SSL.TLSv1_METHOD)\n", ["QL-CRY-052"]),
    # 060: tokens
    ("import jwt\njwt.decode(t, options={'verify_signature': False})\n", ["QL-CRY-060"]),
    ("import jwt\nOPTIONS = {'verify_signature': False}\njwt.decode(t, k, options=OPTIONS)\n", ["QL-CRY-060"]),
    ("from jose import jwt\njwt.decode(t, k, algorithms=['none'])\n", ["QL-CRY-060"]),
    ("import jwt\njwt.encode({}, None, algorithm=None)\n", ["QL-CRY-060"]),
    # 070: comparison
    ("import hmac\nif hmac.new(k, m, 'sha256').hexdigest() == given:\n    pass\n", ["QL-CRY-070"]),
    ("import hmac\nmac = hmac.new(k, m, 'sha256')\nok = given != mac.digest()\n", ["QL-CRY-070"]),
]

SOUND = [
    "import hashlib\nhashlib.md5(b'x', usedforsecurity=False)\n",
    "import hashlib\nhashlib.new('md5', usedforsecurity=False)\n",
    "import hashlib\nhashlib.sha256(b'x')\n",
    "import hashlib\n# hashlib.md5(b'x')\ntext = 'hashlib.md5(x)'\n",
    "import hashlib\nmd5 = 3\nprint(md5)\n",
    "import hashlib\ndef md5(x):\n    return x\nmd5(b'x')\n",
    "from . import hashlib\nhashlib.md5(b'x')\n",
    "import hashlib\nclass hashlib2:\n    md5 = 1\ndef f(hashlib):\n    return hashlib.md5(b'x')\n",
    CIPHERS + "import os\nmodes.GCM(os.urandom(12))\n",
    CIPHERS + "import hmac, os\nmodes.CBC(os.urandom(16))\nhmac.new(k, m, 'sha256')\n",
    CIPHERS + "import os\nkey = b'0' * 16\nkey = os.urandom(16)\naead.AESGCM(key)\n",
    CIPHERS + "def f(key, nonce):\n    return aead.AESGCM(key).encrypt(nonce, b'm', None)\n",
    "from cryptography.fernet import Fernet\nFernet(Fernet.generate_key())\n",
    "import os\nfrom cryptography.fernet import Fernet\nFernet(os.environ['KEY'])\n",
    "import jwt\njwt.decode(t, '-----BEGIN PUBLIC KEY-----x', algorithms=['RS256'])\n",
    "import jwt\njwt.decode(t, k, algorithms=['RS256'], options={'verify_signature': True})\n",
    ASYMMETRIC + "rsa.generate_private_key(public_exponent=65537, key_size=3072)\n",
    ASYMMETRIC + "ec.generate_private_key(ec.SECP256R1())\n",
    ASYMMETRIC + "def f(key):\n    return key.sign(b'm', padding.PKCS1v15(), h)\n",
    "import hashlib, os\nhashlib.pbkdf2_hmac('sha256', p, os.urandom(16), 600_000)\n",
    "import hashlib, os\nhashlib.pbkdf2_hmac('sha1', p, os.urandom(16), 1_400_000)\n",
    "import hashlib, os\nhashlib.pbkdf2_hmac('sha512', p, os.urandom(16), 220_000)\n",
    "import hashlib, os\nhashlib.scrypt(p, salt=os.urandom(16), n=2**17, r=8, p=1)\n",
    "import bcrypt\nbcrypt.gensalt()\n",
    "import argon2\nargon2.PasswordHasher()\n",
    "import random\nroll = random.randint(1, 6)\n",
    "import random\ntoken = random.SystemRandom().getrandbits(128)\n",
    "import secrets, random\ntoken = secrets.token_hex()\n",
    "import random\ntokenizer = random.choice([1, 2])\n",
    "import requests\nrequests.get('https://x', verify='/etc/ca.pem')\n",
    "import ssl\nc = ssl.create_default_context()\nc.minimum_version = ssl.TLSVersion.TLSv1_2\n",
    "import ssl\nif version == ssl.TLSVersion.TLSv1:\n    raise ValueError\n",
    "import hmac\nhmac.compare_digest(hmac.new(k, m, 'sha256').digest(), given)\n",
    "import hashlib\nif hashlib.sha256(a).digest() == known:\n    pass\n",
]


@pytest.mark.parametrize(("code", "rules"), BREAKING)
def test_code_that_breaks_a_rule_is_found_once(tmp_path: Path, code: str, rules: list[str]) -> None:
    (tmp_path / "code.py").write_text(code, encoding="utf-8")
    evidence = run_check("CRYPTO_ANALYSIS", tmp_path)
    assert [finding.rule for finding in evidence.findings] == rules
    assert all(
        finding.measured and finding.limit and finding.fix and finding.location.line for finding in evidence.findings
    )


@pytest.mark.parametrize("code", SOUND)
def test_sound_code_is_left_alone(tmp_path: Path, code: str) -> None:
    (tmp_path / "code.py").write_text(code, encoding="utf-8")
    evidence = run_check("CRYPTO_ANALYSIS", tmp_path)
    assert evidence.findings == ()
    assert evidence.undecided == ()


def test_a_blueprint_that_allows_dsa_still_has_its_least_length(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(ASYMMETRIC + "dsa.generate_private_key(1024)\ndsa.generate_private_key(2048)\n")
    evidence = run_check("CRYPTO_ANALYSIS", tmp_path, parameters={"forbidden_algorithms": ["MD5"]})
    assert [(finding.rule, finding.measured) for finding in evidence.findings] == [("QL-CRY-020", "1024 bits")]
