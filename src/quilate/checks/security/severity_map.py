"""Severities and fixes of the flake8-bandit rules, which ruff reports without either.

Source: the severities that bandit 1.9 gives the test of the same number (its plugins and blacklists,
https://bandit.readthedocs.io/en/latest/plugins/index.html); where bandit grades one test by its arguments, the grade of
the worst case that ruff's rule covers.
"""

from quilate.domain.severity import Severity

_HIGH = frozenset(
    "201 202 304 312 321 324 401 402 411 412 413 415 501 502 507 602 605 609 701".split()  # noqa: SIM905 - a table
)
_LOW = frozenset(
    "101 105 106 107 110 112 311 403 404 405 406 407 408 409 504 603 606 607".split()  # noqa: SIM905 - a table
)

_FIXES = {
    "101": "Raise an exception: `assert` is removed under `python -O`",
    "102": "Call a function instead of running text as code",
    "103": "Give the file no more rights than its owner needs, for example 0o600",
    "104": "Bind to 127.0.0.1, or take the address from the configuration",
    "105": "Read the secret from the environment or a secret store",
    "106": "Read the secret from the environment or a secret store",
    "107": "Make the argument required, and read the secret from the environment or a secret store",
    "108": "Use `tempfile.NamedTemporaryFile` or `tempfile.mkdtemp`",
    "110": "Catch the exception that you expect, and handle or log it",
    "112": "Catch the exception that you expect, and handle or log it",
    "113": "Pass `timeout=` in seconds",
    "201": "Switch `debug` off, and start the service through a production server",
    "202": "Pass `filter='data'` to the extraction",
    "301": "Read data in a format that cannot run code, such as JSON",
    "302": "Read data in a format that cannot run code, such as JSON",
    "303": "Use SHA-256",
    "304": "Use AES-GCM or ChaCha20-Poly1305",
    "305": "Use an authenticated mode such as GCM",
    "306": "Use `tempfile.NamedTemporaryFile` or `tempfile.mkstemp`",
    "307": "Use `ast.literal_eval`, or parse the format that you expect",
    "308": "Escape the text, and mark only constant text as safe",
    "310": "Check that the address begins with `https://` before it is opened",
    "311": "Use the `secrets` module where the value must not be guessed",
    "314": "Parse with `defusedxml`",
    "318": "Parse with `defusedxml`",
    "323": "Use `ssl.create_default_context()`",
    "324": "Use SHA-256, or pass `usedforsecurity=False` where nothing depends on it",
    "501": "Remove `verify=False`; give the path of your own authority's certificate where there is one",
    "502": "Use `ssl.create_default_context()`, which starts at TLS 1.2",
    "503": "Use `ssl.create_default_context()`, which starts at TLS 1.2",
    "504": "Use `ssl.create_default_context()`, which starts at TLS 1.2",
    "505": "Use an RSA key of at least 3072 bits or an elliptic curve of at least 256",
    "506": "Use `yaml.safe_load`",
    "507": "Load the known host keys, and refuse others with `RejectPolicy`",
    "602": "Pass the arguments as a list, without `shell=True`",
    "603": "Make sure that no part of the arguments comes from outside unchecked",
    "604": "Pass the arguments as a list, without `shell=True`",
    "605": "Use `subprocess.run` with a list of arguments",
    "607": "Give the program's full path",
    "608": "Pass the values as parameters of the query",
    "609": "List the files with `pathlib` instead of letting a shell expand the wildcard",
    "701": "Pass `autoescape=True` or `select_autoescape()`",
}


def rule_severity(code: str) -> Severity:
    """Return the severity of a flake8-bandit (``S324``) or bandit (``B324``) rule."""
    number = code[1:]
    if number in _HIGH:
        return Severity.HIGH
    return Severity.LOW if number in _LOW else Severity.MEDIUM


def rule_fix(code: str, message: str) -> str:
    """Return what to do about a finding: the table's answer, else what the tool's message calls for."""
    return _FIXES.get(code[1:]) or f"Change the code so that this no longer holds: {message}"
