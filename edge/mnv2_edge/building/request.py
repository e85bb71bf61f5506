"""The request for a build, from flags, MODEL.yaml, label files and cameras."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_edge.building.pictures import open_pictures, take_pictures
from mnv2_edge.environment import Environment
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits
from mnv2_engines.building.build import BuildProgress
from mnv2_engines.building.diagnosis import FEW_PICTURES
from mnv2_engines.building.request import BuildRequest, Pictures, hold_out
from mnv2_engines.building.verification import AccuracyLimits, class_axis, class_count
from mnv2_engines.engine.facts import EngineKind, Precision
from mnv2_engines.engine.sidecar import Sidecar, TaskName, choose_preprocess, read_sidecar, sidecar_path
from mnv2_engines.errors import ContractError
from mnv2_engines.labels import check_label_count, read_labels
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tasks import TaskOptions
from mnv2_engines.tasks.detect import make_detect
from mnv2_engines.tasks.segment import make_segment
from mnv2_engines.tensorrt.builder import OPTIMIZATION_LEVEL, WORKSPACE_MIB
from mnv2_engines.tensors import TensorSpec
from mnv2_engines.tflite import ModelInterface, read_model_interface

__all__ = ["BuildOptions", "PreparedBuild", "prepare_build"]

_log = logging.getLogger(__name__)

_VALIDATION_FRAMES: Final = 500
"""What a validation folder is thinned to: agreement is then known to 2 %, and a Pi takes a minute over it."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What the user asks for; what `stated` (from flags) says about the model overrides MODEL.yaml."""

    model: Path
    output: Path
    name: str
    target: EngineKind
    precision: Precision
    calibration: str | None
    """URI; None for LiteRT's fp32, which needs no pictures. TensorRT verifies with them, without `validation`."""
    calibration_frames: int
    validation: Path | None
    stated: Sidecar
    limits: AccuracyLimits
    accept_loss: bool
    threads: int
    private: bool = False
    """Keep no picture."""
    workspace_mib: int = WORKSPACE_MIB
    optimization_level: int = OPTIMIZATION_LEVEL
    picture_limits: PictureLimits = DEFAULT_LIMITS
    """How large the pictures may be that are decoded."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedBuild:
    """A request that is ready to be built, and what the user should know about it."""

    request: BuildRequest
    warnings: tuple[str, ...]


def prepare_build(options: BuildOptions, environment: Environment, progress: BuildProgress) -> PreparedBuild:
    """Read the model's interface, its sidecar and labels, and take the pictures.

    Cheap mistakes are found before pictures are taken. Raises ModelError, ContractError, LabelsError, SourceError.
    """
    progress("check", 0, 1)
    interface = read_model_interface(options.model)
    stated = options.stated.over(read_sidecar(options.model))
    preprocess = choose_preprocess(stated)
    task = stated.task or _guess_task(stated, interface.outputs)
    labels, labels_source = _read_labels(stated, interface.outputs, task)
    _check_task(task, stated, interface, labels, labels_source)
    warnings = []
    if stated.mean is None:
        warnings.append(
            f"nothing states mean and std: {preprocess.color} (pixel - 127.5) / 127.5 is assumed; state them with "
            f"--mean and --std or in {sidecar_path(options.model).name}"
        )
    progress("check", 1, 1)
    calibration, validation = _take(options, interface.input, preprocess, environment, progress)
    if options.precision == "int8" and len(calibration.items) < FEW_PICTURES:
        warnings.append(
            f"calibrated on {len(calibration.items)} pictures only: 50 to 100 that look like what the camera will see "
            "make a good engine"
        )
    for warning in warnings:
        _log.warning("%s", warning)
    request = BuildRequest(
        model=options.model,
        output=options.output,
        preprocess=preprocess,
        calibration=calibration,
        validation=validation,
        name=options.name,
        target=options.target,
        precision=options.precision,
        task=task,
        labels=labels,
        detection=stated.detection if task == "detect" else None,
        segmentation=stated.segmentation if task == "segment" else None,
        limits=options.limits,
        accept_loss=options.accept_loss,
        private=options.private,
        threads=options.threads,
        cache_dir=environment.cache,
        workspace_mib=options.workspace_mib,
        optimization_level=options.optimization_level,
    )
    return PreparedBuild(request, tuple(warnings))


def _take(
    options: BuildOptions,
    spec: TensorSpec,
    preprocess: Preprocess,
    environment: Environment,
    progress: BuildProgress,
) -> tuple[Pictures, Pictures]:
    nothing = Pictures("", ())
    is_reference = options.target == "litert" and options.precision == "fp32"
    if is_reference or (options.calibration is None and options.validation is None):
        return nothing, nothing
    height, width = _picture_size(spec)
    judged = None
    if options.validation is not None:
        judged = open_pictures(
            options.validation,
            limit=_VALIDATION_FRAMES,
            height=height,
            width=width,
            preprocess=preprocess,
            limits=options.picture_limits,
            progress=lambda done, total: progress("validation", done, total),
        )
    if options.calibration is None:
        return nothing, judged or nothing
    taken = take_pictures(
        options.calibration,
        limit=options.calibration_frames,
        height=height,
        width=width,
        preprocess=preprocess,
        secret=environment.camera_password,
        limits=options.picture_limits,
        progress=lambda done, total: progress("pictures", done, total),
    )
    if options.precision != "int8":
        return nothing, taken
    return hold_out(taken) if judged is None else (taken, judged)


def _picture_size(spec: TensorSpec) -> tuple[int, int]:
    if spec.layout == "flat":
        raise ContractError(
            f"input {spec.name!r} of shape {list(spec.shape)} is not a picture: [1, 3, height, width] or "
            "[1, height, width, 3] was expected"
        )
    return spec.size_hw


def _guess_task(stated: Sidecar, outputs: tuple[TensorSpec, ...]) -> TaskName | None:
    if stated.detection is not None:
        return "detect"
    if stated.segmentation is not None:
        return "segment"
    where = class_axis(outputs, None)
    if where is None:
        return None
    return "classify" if where.unit == "pictures" else "segment"


def _check_task(
    task: TaskName | None,
    stated: Sidecar,
    interface: ModelInterface,
    labels: tuple[str, ...] | None,
    labels_source: str,
) -> None:
    """Make the task that `run` will make, as far as its contract stands in MODEL.yaml and not in the network alone."""
    makers = {"detect": make_detect, "segment": make_segment}
    if task in makers:
        makers[task](
            TaskOptions(
                outputs=interface.outputs,
                input=interface.input,
                labels=labels,
                labels_source=labels_source,
                detection=stated.detection,
                segmentation=stated.segmentation,
            )
        )


def _read_labels(
    stated: Sidecar, outputs: tuple[TensorSpec, ...], task: str | None
) -> tuple[tuple[str, ...] | None, str]:
    """Return the labels, if there are any, and where they come from."""
    classes = class_count(outputs, task)
    labels, source = stated.labels, "MODEL.yaml"
    if stated.labels_file is not None:
        labels, source = tuple(read_labels(stated.labels_file, classes)), str(stated.labels_file)
    if labels is not None and classes is not None:
        check_label_count(labels, classes, source)
    return labels, source
