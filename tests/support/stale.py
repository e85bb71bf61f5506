"""Make a stored engine stale: its golden test was recorded by a runtime that saw the picture otherwise."""

from pathlib import Path

import msgspec

from mnv2_engines.engine.manifest import decode_manifest, encode_manifest
from mnv2_engines.store import Store

BUILT_WITH = "ai-edge-litert 0.0.1"


def make_stale(store: Store, name: str) -> None:
    version = store.version(name)
    path = version.folder / f"{name}.json"
    manifest = decode_manifest(path.read_bytes(), Path(path.name))
    outputs = tuple(
        msgspec.structs.replace(output, values=bytes(value ^ 0x55 for value in output.values), sha256="0" * 64)
        for output in manifest.golden.outputs
    )
    golden = msgspec.structs.replace(manifest.golden, runtime=BUILT_WITH, outputs=outputs)
    path.write_bytes(encode_manifest(msgspec.structs.replace(manifest, golden=golden)))
