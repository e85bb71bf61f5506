"""Text of an evaluation's result: tables for people, one object for programs."""

from pathlib import Path

from mnv2_edge.cli.text.evaluation import classification, detection, segmentation
from mnv2_edge.cli.text.evaluation.figures import describe_unreadable
from mnv2_engines.evaluation.result import ClassificationResult, DetectionResult, EvaluationResult

__all__ = ["summarise", "to_json"]


def summarise(result: EvaluationResult, report: Path | None = None) -> str:
    """Return the figures, and the worst of everything."""
    if isinstance(result, ClassificationResult):
        parts = classification.summarise(result)
    elif isinstance(result, DetectionResult):
        parts = detection.summarise(result)
    else:
        parts = segmentation.summarise(result)
    closing = [*describe_unreadable(result.unreadable), *(f"note: {note}" for note in result.notes)]
    if report is not None:
        closing.append(f"report: {report}")
    return "\n\n".join(part for part in (*parts, "\n".join(closing)) if part)


def to_json(result: EvaluationResult) -> dict[str, object]:
    """Return everything but the pictures as plain values."""
    if isinstance(result, ClassificationResult):
        return classification.to_json(result)
    if isinstance(result, DetectionResult):
        return detection.to_json(result)
    return segmentation.to_json(result)
