"""Fetch the JavaScript and WebAssembly that lies in this repository, at pinned versions, and write it to its place.

``python scripts/vendor_javascript.py`` fetches each package from the npm registry, compares it with the integrity hash
below, and writes the files; with ``--check`` it only compares the files that lie here with their own hashes, without
network, and exits 1 where one is another. A newer version is a change of one entry of ``PACKAGES``: the version, the
``integrity`` that ``npm view NAME@VERSION dist.integrity`` prints, and the files' SHA-256 that a first run names.
"""

import base64
import hashlib
import io
import os
import sys
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org").rstrip("/")
SANDBOX = "src/quilate/sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class VendoredFile:
    """One file of a package.

    Attributes:
        member: Its path in the package.
        target: Where it lies here.
        sha256: Of its bytes.
    """

    member: str
    target: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package of the npm registry.

    Attributes:
        name: Its name.
        version: The version that is taken.
        license: SPDX id; its text lies beside the files.
        integrity: SHA-512 of the archive, as npm writes it.
        files: What is taken from it.
    """

    name: str
    version: str
    license: str
    integrity: str
    files: tuple[VendoredFile, ...]


PACKAGES = (
    Package(
        name="acorn",
        version="8.19.0",
        license="MIT",
        integrity="sha512-oJlA3XiRm7Cyk6qFD2Jn8ak9B7jSy0qy00ADO3+8dpT0LSjFihQYv4C02LFCSYJV3Q37xYwwRy5m+IpIiUzqWw==",
        files=(
            VendoredFile(
                member="dist/acorn.js",
                target=f"{SANDBOX}/validation/vendor/acorn.js",
                sha256="b95392d79457d0357555c5ed3e56302d074b92dff119bcf3b44179500b10e9df",
            ),
            VendoredFile(
                member="LICENSE",
                target=f"{SANDBOX}/validation/vendor/LICENSE",
                sha256="76a876cf886ff9be2a8b5e2e86514fed06223c8c9f0c1e9ee9606e93841e00b7",
            ),
        ),
    ),
    Package(
        name="quickjs-wasi",
        version="3.6.2",
        license="MIT",
        integrity="sha512-FCqGtGOrMgzUiIrMNMA2YnsOxCNwo31dzqXvclXUC6xeT35NJLKXQJsvbeCTjvoFAwZgEAPg8U6+KAPDGXn8Mg==",
        files=(
            VendoredFile(
                member="quickjs.wasm",
                target=f"{SANDBOX}/strict/vendor/quickjs.wasm",
                sha256="d4c9375f2b1ca4dc95f72c8aa2982a7a9951ac8011490d79c6582df732b4bbd9",
            ),
            VendoredFile(
                member="LICENSE",
                target=f"{SANDBOX}/strict/vendor/LICENSE",
                sha256="f7735da3b2531ddf451937117343cfadb853fd8054b499e7a70695dc57ffd184",
            ),
        ),
    ),
)
"""What lies in this repository from elsewhere."""


def archive(package: Package) -> bytes:
    """Fetch a package's archive.

    Raises:
        SystemExit: It is not the pinned one.
    """
    plain = package.name.rpartition("/")[2]
    address = f"{REGISTRY}/{package.name}/-/{plain}-{package.version}.tgz"
    with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - the address of the registry is ours
        content: bytes = answer.read()
    algorithm, _, expected = package.integrity.partition("-")
    if base64.b64encode(hashlib.new(algorithm, content).digest()).decode() != expected:
        raise SystemExit(f"{address} is not the archive with the integrity that is pinned here")
    return content


def member(content: bytes, path: str) -> bytes:
    """Return one file of an archive."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as opened:
        found = opened.extractfile(f"package/{path}")
        if found is None:
            raise SystemExit(f"{path} is no file of the archive")
        return found.read()


def fetch() -> None:
    """Write each file; a file with another hash than the pinned one ends the script."""
    for package in PACKAGES:
        content = archive(package)
        for file in package.files:
            data = member(content, file.member)
            digest = hashlib.sha256(data).hexdigest()
            if digest != file.sha256:
                raise SystemExit(f"{package.name}@{package.version} {file.member} has the SHA-256 {digest}")
            target = ROOT / file.target
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


def changed() -> list[str]:
    """Return the targets that are missing or have another hash than the pinned one."""
    return [
        file.target
        for package in PACKAGES
        for file in package.files
        if not (ROOT / file.target).is_file()
        or hashlib.sha256((ROOT / file.target).read_bytes()).hexdigest() != file.sha256
    ]


def main() -> int:
    """Fetch or compare."""
    if "--check" not in sys.argv:
        fetch()
    found = changed()
    for target in found:
        sys.stderr.write(f"{target} is not what its package holds: run `python scripts/vendor_javascript.py`\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
