"""Secrets drawn from generators that can be predicted."""

from quilate.checks.crypto.catalogue import PREDICTABLE_RANDOM
from quilate.checks.crypto.scanner import CallRule, Site

_DRAWS = (
    *(
        "random",
        "randint",
        "randrange",
        "choice",
        "choices",
        "sample",
        "shuffle",
        "getrandbits",
        "randbytes",
        "uniform",
    ),
    *("triangular", "betavariate", "gauss", "normalvariate"),
)
_NUMPY_DRAWS = ["rand", "randint", "random", "bytes", "choice", "integers", "random_integers"]


def _draw(site: Site) -> None:
    """A draw from the Mersenne Twister is a fault where its value is named as a secret."""
    if site.purpose:
        message = f"`{site.purpose}` is drawn from a generator whose next values can be computed from earlier ones"
        site.report(PREDICTABLE_RANDOM, message, measured=site.name.replace("()", ""), limit="secrets or os.urandom")


CALLS: dict[str, CallRule] = {
    **{f"random.{name}": _draw for name in _DRAWS},
    **{f"random.Random().{name}": _draw for name in _DRAWS},
    **{f"numpy.random.{name}": _draw for name in _NUMPY_DRAWS},
    **{f"numpy.random.default_rng().{name}": _draw for name in _NUMPY_DRAWS},
}
