"""The report of a build as one HTML file that needs nothing else: no script, no server, no network."""

from html import escape
from typing import Final

from mnv2_engines.building.diagnosis import worst_layers
from mnv2_engines.building.request import BuildRequest, BuildResult
from mnv2_engines.building.verification import Verification
from mnv2_engines.engine.facts import AgreementFacts, LayerFacts, OutputFacts, TensorRtFacts, VerificationFacts
from mnv2_engines.report.gallery import draw_gallery
from mnv2_engines.report.loss_plot import draw_layers
from mnv2_engines.report.page import describe_preprocess, fill_page, make_list, make_rows

__all__ = ["render_report"]

_WORST: Final = 10


def render_report(request: BuildRequest, result: BuildResult) -> str:
    """Return the report: verdict, figures, a plot of the loss per layer, pictures on which the networks disagree."""
    manifest, found = result.manifest, result.verification
    facts = found.facts
    return fill_page(
        "build.html",
        title=escape(f"{manifest.name}: {'installed' if result.installed else 'rejected'}"),
        state="good" if not result.faults else "bad",
        verdict=escape(_verdict(result)),
        findings=make_list([*result.faults, *(f"Likely: {cause}" for cause in result.causes)]),
        figures=make_rows(_figures(result)),
        agreement=escape(_agreement(facts.agreement))
        if facts.agreement
        else "The outputs are not classes to agree on.",
        plot=draw_layers(facts.layers) if facts.layers else "<p>Not compared: layers are those of an int8 engine.</p>",
        layers=make_rows([(_name(layer), _decibels(layer.sqnr_db)) for layer in worst_layers(facts.layers, _WORST)]),
        gallery=_gallery(request, found),
        provenance=make_rows(_provenance(request, result)),
    )


def _gallery(request: BuildRequest, found: Verification) -> str:
    if request.private:
        return "<p>Left out: this engine was built with --private.</p>"
    return draw_gallery(found.pictures, request.validation.items, request.preprocess.color, request.labels)


def _verdict(result: BuildResult) -> str:
    if not result.faults:
        return f"Verified and installed as {result.path.name}"
    if result.installed:
        return f"Failed verification and was installed all the same (--accept-loss) as {result.path.name}"
    return f"Failed verification; the candidate is kept aside as {result.path.name}"


def _figures(result: BuildResult) -> list[tuple[str, str]]:
    facts = result.verification.facts
    rows = [(f"Output {output.name}", _level(output)) for output in facts.outputs]
    rows.append(("Runs on", _runtime(facts)))
    if result.verification.confidence is not None:
        rows.append(("Float network's mean top-1", f"{result.verification.confidence:.3f}"))
    rows.append(("Size", f"{result.manifest.engine.bytes:,} bytes"))
    rows += [(f"Time: {phase}", f"{spent:.2f} s") for phase, spent in result.seconds.items()]
    return rows


def _runtime(facts: VerificationFacts) -> str:
    if facts.runtime.startswith("TensorRT"):
        return facts.runtime
    return f"{facts.runtime}, {'XNNPACK as a whole' if facts.accelerated else 'not all on XNNPACK'}"


def _agreement(found: AgreementFacts) -> str:
    bound = "" if found.lower_95 is None else f" With 95 % confidence at least {100 * found.lower_95:.1f} %."
    return (
        f"{found.same} of {found.judged} {found.unit} have the float network's top-1 class "
        f"({100 * found.share:.2f} %).{bound} {found.near_ties} near ties are not judged."
    )


def _provenance(request: BuildRequest, result: BuildResult) -> list[tuple[str, str]]:
    manifest = result.manifest
    calibration = manifest.calibration
    images = result.verification.facts.images
    rows = [
        ("Engine", f"{manifest.engine.file}, SHA-256 {manifest.engine.sha256}"),
        ("Model", f"{manifest.model.file}, SHA-256 {manifest.model.sha256}"),
        ("Precision", manifest.precision),
        ("Model's pictures", describe_preprocess(request.preprocess)),
        ("Engine's pictures", describe_preprocess(manifest.preprocess_engine.value())),
        ("Calibration", f"{calibration.images} pictures of {calibration.source}" if calibration else "none"),
        (
            "Verification",
            f"{images} picture{'s' * (images != 1)} of {result.verification.facts.source or 'none'}",
        ),
        ("Built", f"{manifest.created} by {manifest.builder}"),
        ("On", f"{manifest.built_on.board}, {manifest.built_on.cpu}, {manifest.built_on.machine}"),
        ("With", ", ".join(f"{name} {version}" for name, version in manifest.runtimes.items())),
    ]
    if manifest.tensorrt is not None:
        rows.append(("Bound to", _bounds(manifest.tensorrt)))
    return rows


def _bounds(facts: TensorRtFacts) -> str:
    named = (
        ("TensorRT", facts.tensorrt),
        ("CUDA", facts.cuda),
        ("L4T", facts.l4t),
        ("GPU", facts.gpu),
        ("compute capability", facts.compute_capability),
    )
    return ", ".join(f"{name} {value}" for name, value in named if value)


def _name(layer: LayerFacts) -> str:
    return f"{layer.name} ({layer.operator})"


def _level(output: OutputFacts) -> str:
    if output.holds == "classes":
        return "class numbers"
    if output.mean_sqnr_db is None:
        return _decibels(output.sqnr_db)
    return (
        f"{_decibels(output.sqnr_db)} over all pictures, {_decibels(output.mean_sqnr_db)} as the mean of each picture"
    )


def _decibels(sqnr_db: float | None) -> str:
    return "equal to the last bit" if sqnr_db is None else f"{sqnr_db:.1f} dB"
