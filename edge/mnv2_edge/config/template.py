"""The template of a configuration: every key with its default, commented out, and its meaning."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from mnv2_edge.errors import AccessError, UsageError
from mnv2_engines.files.disk_errors import disk_error
from mnv2_engines.files.regular_file import require_replaceable

__all__ = ["TEMPLATE", "write_template"]

TEMPLATE: Final = """\
# Configuration of mnv2-edge. What is commented out shows the default: take away the # to change it.
#
#   mnv2-edge config check FILE    what is wrong, if anything, with line and key
#   mnv2-edge config show FILE     what holds in the end
#   mnv2-edge run --config FILE    run it; a flag wins over this file
#
# No passwords in here: name a password_file (one line, readable by this user alone), or set MNV2_EDGE_MQTT_PASSWORD
# and MNV2_EDGE_CAMERA_PASSWORD in the environment. Relative paths start at the folder in which mnv2-edge is started.

version: 1

# Who this device is, in records and topics.
#device:
#  name: null             # for people; the board's serial number, else the machine's id, when empty
#  instance: ""           # tells several runtimes on one device apart

# What to look at, in any number. `mnv2-edge cameras` lists what there is.
cameras:
  - uri: "0"              # the first camera that works; or demo, a picture, a folder, a video, /dev/video2?fps=15
#    id: null             # its name in records and topics; camera0, camera1, ... when empty
#    pace: null           # of files: max (when empty) takes every picture, realtime plays them as a camera would
#    rotate: 0            # clockwise: 0, 90, 180 or 270
#    flip: none           # after rotating: none, horizontal, vertical or both
#    password_file: null  # holds the camera's password
#    required: true       # false: wait for it when it is not there at the start
#    stall_s: 5.0         # without a new frame for so long it is opened again
#    frozen_s: 30.0       # the same picture for so long: opened again; 0: no check. Not for files and demo
#    black_s: 2.0         # black pictures are not looked at, and reported after so long; 0: no check
#    max_age_s: 10.0      # an older picture is not looked at: after sleep; 0: it is. Not for files
#    roi: null            # [left, top, width, height] of what to look at: shares of the picture, or whole pixels
#    max_rate: null       # frames a second to look at, at most
#    max_megapixels: 25.0 # millions of pixels that a compressed picture may have, up to 100
#    motion: null         # look only while this share of the picture changes, for example 0.005

# Which network runs, and how.
#engine:
#  model: null            # the name of an engine in the store, or a file; the store's default when empty
#  build: never           # missing: build it first if it came from another device; stale: also if it does not pass here
#  watch: false           # put another engine to work as soon as it takes the place of this one; SIGHUP does it too
#  require_signed: false  # run only engines of the store that a key of trusted_keys has signed
#  trusted_keys: null     # a file of public keys, as minisign and `mnv2-edge engines keygen` write them
#  threads: null          # CPU threads, 1 to 64; one less than the cores, at most 4, when empty
#  mean: null             # [R, G, B] on the scale 0 to 255, together with std; the engine's own when empty
#  std: null
#  color: null            # RGB or BGR; the engine's own when empty
#  resize: null           # stretch, center-crop, center-crop:0.875 or letterbox; the engine's own when empty
#  resize_quality: antialias  # as in training; fast is cheaper and a little less like it
#  gpu_memory: auto       # TensorRT: mapped (the GPU reads frames where the CPU writes them) or copy
#  cuda_graph: auto       # TensorRT: always or never launch a frame's work as one graph

# What its outputs mean.
#task:
#  name: null             # the engine's own when empty, else classify
#  top_k: null            # so many a frame at most; 3 labels, 100 detections, all segments when empty
#  score_threshold: null  # leave out what scores less; 0 (labels), 0.5 (detections), 0.01 (segments) when empty
#  thresholds: {}         # of a detector: a threshold per label, as in {person: 0.7}
#  groups: {}             # one label for several, scores added up, as in {cat: [tabby, "Egyptian cat"]}
#  softmax: null          # true where the network gives logits, false where probabilities; found out when empty
#  mask: none             # of a segmenter: rle or png to publish the class of every pixel
#  mask_size: network     # or source: as large as the frame

# Names of the classes: a text, CSV or JSON file. The engine's own when empty.
#labels: null

# Where results go.
sinks:
  - stdout:
      format: auto        # text on a terminal, JSON lines in a pipe; or text, jsonl, none
#      records: results   # all: states and events too
#  - mqtt:
#      uri: mqtt://broker.local  # mqtt[s]://[user@]host[:port][/prefix]
#      password_file: null
#      ca_file: null      # with mqtts: who signed the broker's certificate, when the system does not know
#      cert_file: null    # with mqtts: this device's certificate and its key
#      key_file: null
#      every: change      # change: when the label changes; frame: every result
#      min_interval_s: 1.0
#      heartbeat_s: 60.0  # publish the last result again this often; 0 never
#      keepalive_s: 30    # a frozen client counts as offline after one and a half times this
#      client_id: null    # what the broker knows this by; mnv2-edge- and the device's id when empty
#      homeassistant: false  # publish discovery documents
#      homeassistant_prefix: homeassistant

# Pictures with boxes, areas and labels drawn in, to look at.
#save:
#  folder: null           # where they go; none are saved when empty
#  every_s: 1.0           # of a camera one in so many seconds, 0: every frame; of files all of them
#  limit_mib: 256         # once the folder holds so much nothing is saved any more

# When live cameras are looked at less often: at a half, a quarter, an eighth of the rate, and at all of it again later.
#slowdown:
#  heat_c: null           # from so many °C on; 2 below where the board slows itself down when empty; 0: never
#  free_memory_mib: 40    # when less memory is left, or programs wait for memory a fifth of the time; 0: never

# What is logged to stderr: debug, info, warning or error.
#log:
#  level: info
"""


def write_template(path: Path, *, force: bool) -> None:
    """Write the template to `path`, whole or not at all.

    Raises UsageError when the file is there and `force` is not; AccessError, DiskError or UsageError when it cannot be
    written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        require_replaceable(path)
        if path.exists() and not force:
            raise UsageError(f"{path} is there already: choose another name, or write over it with --force")
        with temporary.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(exc, PermissionError):
            raise AccessError(f"{path} cannot be written: {exc.strerror}; choose another place") from exc
        trouble = disk_error(exc, f"{path} cannot be written")
        raise (trouble or UsageError(f"{path} cannot be written: {exc.strerror or exc}; choose another place")) from exc
