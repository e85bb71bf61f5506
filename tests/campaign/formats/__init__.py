"""Kinds of files and streams from elsewhere: what a good one is, how it is damaged, and which command reads it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from campaign.formats import networks, pictures, streams, texts, weights

RUN_LIMIT_MIB = 400
"""The service's own limit."""
LIMIT_MIB = 512


@dataclass(frozen=True)
class Format:
    """One kind: `prepare` writes good ones once, `case` damages one, and returns the command to run in `folder`."""

    name: str
    prepare: Callable[[Path], None]
    case: Callable[[random.Random, Path, Path], list[str]]
    waits: bool = False
    """Whether most of a case is waiting, so that more of them run at once than there are processors."""


FORMATS = {
    found.name: found
    for found in (
        Format("engines", networks.prepare, networks.engine),
        Format("manifests", networks.prepare, networks.manifest),
        Format("ONNX", networks.prepare, networks.onnx),
        Format("bundles", networks.prepare, networks.bundle),
        Format("YAML", texts.prepare, texts.yaml),
        Format("labels", texts.prepare, texts.labels),
        Format("JPEG", pictures.prepare, pictures.jpeg),
        Format("PNG and others", pictures.prepare, pictures.others),
        Format("MJPEG", streams.prepare, streams.mjpeg, waits=True),
        Format("RTSP", streams.prepare, streams.rtsp, waits=True),
        Format("h5 and keras", weights.prepare, weights.keras),
        Format("pickles", weights.prepare, weights.pickles),
        Format("safetensors", weights.prepare, weights.safetensors),
    )
}
