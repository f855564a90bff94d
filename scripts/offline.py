"""Let the page Play work from file://, where a page can fetch nothing but scripts.

    python scripts/offline.py [FOLDER]            # _build/html, as `make book` does

Beside each file that the page fetches comes a script that holds it, zipped, as text.
"""

from __future__ import annotations

import base64
import gzip
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "_build" / "html"
RUNTIME = "ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"
FILES = [  # as in book/play/files.js
    "play/model.json",
    "play/model.onnx",
    *(f"vendor/onnxruntime-web/{name}" for name in RUNTIME),
]


def main(folder: str | Path = FOLDER) -> None:
    size = 0
    for name in FILES:
        path = Path(folder) / name
        packed = base64.b64encode(gzip.compress(path.read_bytes(), mtime=0)).decode()
        text = f'self.binolabFile = "{packed}";\n'
        path.with_name(f"{path.name}.js").write_text(text, encoding="utf-8")
        size += len(text)
    print(f"{folder}: scripts for file://, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
