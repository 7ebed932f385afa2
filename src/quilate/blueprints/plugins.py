"""Blueprints of plugins: ``<name>.yaml`` inside the package that an entry point names, or a text in a module."""

import re
from functools import lru_cache

from quilate.domain.errors import ConfigurationError
from quilate.kit.entry_points import Offered
from quilate.kit.plugins import loaded, reason_of

MODULE_WITH_TEXT = re.compile(r"[\w.]+\s*:\s*[\w.]+")


def plugin_blueprint_text(one: Offered) -> str:
    """Return the YAML of an entry point: ``package`` holds ``<name>.yaml``, ``module:NAME`` is the text itself.

    Raises:
        ConfigurationError: It cannot be read.
    """
    text, failure = _tried(one)
    if failure:
        raise ConfigurationError(
            f"the plugin {one.distribution} is broken: the blueprint {one.name!r}: {failure}",
            next_step="`quilate plugin list` shows it; update or remove the package",
        )
    return text


@lru_cache(maxsize=64)
def _tried(one: Offered) -> tuple[str, str]:
    try:
        text = loaded(one) if MODULE_WITH_TEXT.fullmatch(one.value) else _resource(one)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin that breaks takes nothing else down
        return "", reason_of(error)
    if not isinstance(text, str):
        return "", f"{one.value} is {type(text).__name__}, not a text"
    return text, ""


def _resource(one: Offered) -> str:
    from importlib.resources import files  # noqa: PLC0415 - only where plugins are

    return files(one.value).joinpath(f"{one.name}.yaml").read_text(encoding="utf-8")
