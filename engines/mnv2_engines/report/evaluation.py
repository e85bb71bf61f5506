"""The report of an evaluation as one HTML file that needs nothing else: no script, no server, no network."""

from mnv2_engines.evaluation.result import ClassificationResult, DetectionResult, EvaluationResult
from mnv2_engines.report.classification import render_classification
from mnv2_engines.report.spatial import render_detection, render_segmentation

__all__ = ["render_evaluation"]


def render_evaluation(result: EvaluationResult) -> str:
    """Return the report on whatever was judged."""
    if isinstance(result, ClassificationResult):
        return render_classification(result)
    if isinstance(result, DetectionResult):
        return render_detection(result)
    return render_segmentation(result)
