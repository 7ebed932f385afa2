"""Models that run code when they are loaded are refused by what they hold, whatever they are called (C03, C08)."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from quilate.datasets.errors import UnsafeFormatError
from quilate.datasets.model_formats import require_safe_model


class Exploit:
    """What a hostile pickle holds."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("executed",))


def safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


def skops(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("schema.json", "{}")
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return target.getvalue()


def npy(array: "np.ndarray[tuple[int], np.dtype[np.generic]]", *, allow_pickle: bool = False) -> bytes:
    target = io.BytesIO()
    np.save(target, array, allow_pickle=allow_pickle)
    return target.getvalue()


def save(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("m.onnx", b"\x08\x09\x12\x07pytorch", "onnx"),
        ("m.safetensors", safetensors(), "safetensors"),
        ("m.skops", skops(w__npy=npy(np.array([1.0]))), "skops"),
        ("m.gguf", b"GGUF" + bytes(20), "gguf"),
        ("m.json", b'{"trees": []}', "text"),
        ("dir/m.TXT", "árvore\nversion=v4\n".encode(), "text"),
        ("m.yaml", b"a: 1\n", "text"),
    ],
)
def test_safe_formats_are_taken(tmp_path: Path, name: str, content: bytes, form: str) -> None:
    assert require_safe_model(save(tmp_path, content), name) == form


@pytest.mark.parametrize("name", ["m.pkl", "m.onnx", "m.txt", "m.json", "m.safetensors", "m.skops", "m.joblib", "m"])
@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_refused_under_any_name(
    tmp_path: Path, name: str, protocol: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnsafeFormatError) as raised:
        require_safe_model(save(tmp_path, pickle.dumps(Exploit(), protocol=protocol)), name)
    assert raised.value.next_step
    assert capsys.readouterr().out == "", "nothing was loaded"


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_a_compressed_pickle_is_refused(tmp_path: Path, compress: object) -> None:
    assert callable(compress)
    with pytest.raises(UnsafeFormatError):
        require_safe_model(save(tmp_path, compress(pickle.dumps(Exploit()))), "m.json")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.skops", skops(w__npy=npy(np.array([Exploit()], dtype=object), allow_pickle=True))),
        ("m.skops", skops(data__pkl=pickle.dumps(1))),
        ("m.skops", skops(inner__json=pickle.dumps(1))),
        ("m.skops", b"PK\x03\x04" + bytes(30)),
        ("m.onnx", skops()),
        ("m.onnx", b""),
        ("m.safetensors", b"\xff" * 8 + b"{}"),
        ("m.safetensors", (2).to_bytes(8, "little") + b"[]"),
        ("m.safetensors", (9).to_bytes(8, "little") + b"{"),
        ("m.json", b"\x00binary"),
        ("m.txt", b"\xff\xfe"),
        ("m.h5", b"\x89HDF"),
        ("m.pt", skops(data__pkl=b"x")),
        ("m.keras", b"PK"),
    ],
)
def test_what_is_not_what_it_says_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(UnsafeFormatError):
        require_safe_model(save(tmp_path, content), name)
