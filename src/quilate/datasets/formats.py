"""Which files are taken, by the end of their names; what they hold is looked at as well."""

from collections.abc import Mapping
from types import MappingProxyType

TABLES: Mapping[str, str] = MappingProxyType(
    {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson"}
)
"""Files of a dataset that are tables."""

COMPANIONS: Mapping[str, str] = MappingProxyType({".md": "text", ".txt": "text", ".yaml": "text", ".yml": "text"})
"""Files that may lie beside them: a description, a contract, a licence."""

MODELS: Mapping[str, str] = MappingProxyType(
    {
        ".onnx": "onnx",
        ".safetensors": "safetensors",
        ".skops": "skops",
        ".gguf": "gguf",
        ".ubj": "ubjson",
        ".json": "text",
        ".txt": "text",
        ".md": "text",
        ".yaml": "text",
        ".yml": "text",
        ".csv": "text",
        ".pmml": "text",
    }
)
"""Files of a model: formats whose loading runs nothing of theirs."""


def suffix_of(name: str) -> str:
    """Return the end of a file's name from its last dot, in lower case."""
    base = name.rpartition("/")[2]
    return base[base.rfind(".") :].lower() if "." in base else ""
