"""From a frame to the bytes in a backend's buffer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnv2_engines.errors import ContractError
from mnv2_engines.preprocessing.frame_path import FramePreparer, default_preprocess, fit_picture
from mnv2_engines.preprocessing.pixel_table import pixel_table, table_kind
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.tensors import DTYPES, Quantization, TensorSpec

INT8 = Quantization(float(np.float32(1 / 127.5)), -1)
UINT8 = Quantization(0.0078125, 128)
IMAGENET = Preprocess(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))


def make_spec(dtype, layout="NHWC", quantization=None, height=32, width=48):
    shape = (1, height, width, 3) if layout == "NHWC" else (1, 3, height, width)
    return TensorSpec("input", shape, dtype, layout, quantization)


def prepared(spec, preprocess, pixels, color, quality="antialias"):
    """Return the buffer as reals, height x width x 3, whatever its type and layout."""
    out = np.full(spec.shape, 77, DTYPES[spec.dtype])
    FramePreparer(spec, preprocess, quality).prepare(pixels, color, out)
    picture = out[0] if spec.layout == "NHWC" else out[0].transpose(1, 2, 0)
    if spec.quantization is None:
        return picture.astype(np.float64)
    return (picture.astype(np.float64) - spec.quantization.zero_point) * spec.quantization.scale


def chart(color, height=720, width=1280):
    """Red on the left, blue on the right, in either channel order."""
    picture = np.zeros((height, width, 3), np.uint8)
    red, blue = (0, 2) if color == "RGB" else (2, 0)
    picture[:, : width // 2, red] = 255
    picture[:, width // 2 :, blue] = 255
    return picture


SPECS = [
    make_spec("int8", "NHWC", INT8),
    make_spec("uint8", "NHWC", UINT8),
    make_spec("int8", "NHWC", Quantization(0.02, 5)),
    make_spec("float32", "NHWC"),
    make_spec("float32", "NCHW"),
    make_spec("float16", "NCHW"),
    make_spec("float16", "NHWC"),
    make_spec("int8", "NCHW", INT8),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.dtype}-{spec.layout}")
@pytest.mark.parametrize("network_color", ["RGB", "BGR"])
@pytest.mark.parametrize("frame_color", ["RGB", "BGR"])
@pytest.mark.parametrize("policy", ["stretch", "center-crop", "letterbox"])
def test_red_stays_red_and_left(spec, network_color, frame_color, policy):
    preprocess = Preprocess(color=network_color, resize=ResizePolicy.parse(policy))
    real = prepared(spec, preprocess, chart(frame_color), frame_color)
    red, blue = (0, 2) if network_color == "RGB" else (2, 0)
    for column, high, low in ((4, red, blue), (43, blue, red)):
        pixel = real[16, column]
        assert pixel[high] == pytest.approx(1.0, abs=0.02)
        assert pixel[[1, low]] == pytest.approx(-1.0, abs=0.02)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.dtype}-{spec.layout}")
@pytest.mark.parametrize("preprocess", [Preprocess(), IMAGENET], ids=["mobilenet", "imagenet"])
def test_every_pixel_value_becomes_its_real_value(spec, preprocess):
    values = np.arange(32 * 48 * 3, dtype=np.uint32).reshape(32, 48, 3).astype(np.uint8)
    real = prepared(spec, preprocess, values, preprocess.color)
    expected = (values - np.array(preprocess.mean)) / np.array(preprocess.std)
    if spec.quantization is None:
        tolerance = 1e-6 if spec.dtype == "float32" else 2e-3
    else:
        limits = np.iinfo(spec.dtype)
        zero_point, scale = spec.quantization.zero_point, spec.quantization.scale
        expected = expected.clip((limits.min - zero_point) * scale, (limits.max - zero_point) * scale)
        tolerance = scale * 0.502
    assert np.abs(real - expected).max() <= tolerance


def test_the_compilers_int8_input_is_the_pixel_with_its_top_bit_flipped():
    table = pixel_table(make_spec("int8", quantization=INT8), Preprocess())
    assert table[:, 0].tolist() == list(range(-128, 128))
    assert table_kind(table) == "flip-sign"


@given(st.sampled_from(["int8", "uint8"]), st.integers(-128, 255), st.floats(1e-4, 10.0))
def test_without_a_stated_mean_a_quantised_network_gets_the_pixels_themselves(dtype, zero_point, scale):
    limits = np.iinfo(dtype)
    quantization = Quantization(scale, min(max(zero_point, int(limits.min)), int(limits.max)))
    spec = make_spec(dtype, quantization=quantization)
    assert table_kind(pixel_table(spec, default_preprocess(spec))) == ("identity" if dtype == "uint8" else "flip-sign")


def test_without_a_stated_mean_a_float_network_is_taken_for_a_mobilenet():
    assert default_preprocess(make_spec("float32")) == Preprocess(mean=(127.5,) * 3, std=(127.5,) * 3)


def test_integers_without_a_quantisation_stand_for_themselves():
    spec = make_spec("uint8")
    values = np.arange(32 * 48 * 3, dtype=np.uint32).reshape(32, 48, 3).astype(np.uint8)
    out = np.zeros(spec.shape, np.uint8)
    FramePreparer(spec, default_preprocess(spec)).prepare(values, "RGB", out)
    assert np.array_equal(out[0], values)


def test_letterbox_bars_are_about_zero_for_the_network():
    spec = make_spec("float32")
    for color in ("RGB", "BGR"):
        preprocess = Preprocess(color="RGB", mean=(10.0, 120.0, 250.0), std=(1.0, 1.0, 1.0))
        preprocess = Preprocess("RGB", preprocess.mean, preprocess.std, ResizePolicy("letterbox"))
        real = prepared(spec, preprocess, chart(color, 400, 400), color)
        assert np.abs(real[:, :7]).max() <= 0.5
        assert np.abs(real[:, -7:]).max() <= 0.5


def test_bars_are_restored_when_the_frame_changes_its_size():
    spec = make_spec("float32", height=40, width=40)
    preparer = FramePreparer(spec, Preprocess(resize=ResizePolicy("letterbox")))
    out, fresh = np.zeros(spec.shape, np.float32), np.zeros(spec.shape, np.float32)
    wide, tall = np.full((100, 400, 3), 255, np.uint8), np.full((400, 100, 3), 255, np.uint8)
    preparer.prepare(wide, "RGB", out)
    preparer.prepare(tall, "RGB", out)
    FramePreparer(spec, Preprocess(resize=ResizePolicy("letterbox"))).prepare(tall, "RGB", fresh)
    assert np.array_equal(out, fresh)


def test_frames_of_both_colour_orders_may_follow_each_other():
    spec = make_spec("int8", quantization=INT8)
    preparer = FramePreparer(spec, Preprocess())
    first, second = np.zeros(spec.shape, np.int8), np.zeros(spec.shape, np.int8)
    preparer.prepare(chart("RGB"), "RGB", first)
    preparer.prepare(chart("BGR"), "BGR", second)
    assert np.array_equal(first, second)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.sampled_from(["stretch", "center-crop", "center-crop:0.3", "letterbox"]),
    st.sampled_from(["antialias", "fast"]),
)
def test_any_frame_fits_any_network_and_keeps_a_flat_colour(frame_hw, net_hw, policy, quality):
    color = (200, 127, 60)
    preprocess = Preprocess(mean=(200.0, 127.0, 60.0), resize=ResizePolicy.parse(policy))
    picture, view = fit_picture(np.full((*frame_hw, 3), color, np.uint8), "RGB", *net_hw, preprocess, quality)
    assert picture.shape == (*net_hw, 3)
    assert np.abs(picture.astype(int) - color).max() <= 1
    assert 0 <= view.left < view.left + view.width <= frame_hw[1]
    assert 0 <= view.top < view.top + view.height <= frame_hw[0]


@settings(max_examples=150, deadline=None)
@given(st.integers(96, 2200), st.integers(96, 2200), st.sampled_from(["stretch", "center-crop", "letterbox"]))
def test_the_view_says_where_a_point_of_the_picture_came_from(height, width, policy):
    """Each frame pixel holds its own x and y, so the picture shows where it was taken, halved or not."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = (np.arange(width) * (255.0 / width))[np.newaxis, :]
    pixels[..., 1] = (np.arange(height) * (255.0 / height))[:, np.newaxis]
    picture, view = fit_picture(pixels, "RGB", 40, 40, Preprocess(resize=ResizePolicy.parse(policy)))
    for share in (0.0, 0.5, 1.0):
        row = view.net_top + round(share * (view.net_height - 1))
        column = view.net_left + round(share * (view.net_width - 1))
        x, y = view.to_source(column + 0.5, row + 0.5)
        # Of 256 values a pixel of the picture spans 6 or more; each halving rounds.
        assert picture[row, column, 0] == pytest.approx((x - 0.5) * 255.0 / width, abs=2.5)
        assert picture[row, column, 1] == pytest.approx((y - 0.5) * 255.0 / height, abs=2.5)


def test_halving_drops_what_does_not_halve_on_both_sides_and_says_so(rng):
    pixels = rng.integers(0, 256, (1283, 1283, 3), np.uint8)
    picture, view = fit_picture(pixels, "RGB", 224, 224, Preprocess(), "antialias")
    inner, _ = fit_picture(pixels[1:1281, 1:1281], "RGB", 224, 224, Preprocess(), "antialias")
    assert (view.left, view.top, view.width, view.height) == (1, 1, 1280, 1280)
    assert np.array_equal(picture, inner)


@pytest.mark.parametrize("quality", ["antialias", "fast"])
@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_calibration_sees_the_pixels_that_the_camera_gives(quality, color, rng):
    pixels = rng.integers(0, 256, (480, 640, 3), np.uint8)
    spec = make_spec("uint8", quantization=UINT8)
    out = np.zeros(spec.shape, np.uint8)
    view = FramePreparer(spec, default_preprocess(spec), quality).prepare(pixels, color, out)
    picture, same_view = fit_picture(pixels, color, 32, 48, default_preprocess(spec), quality)
    assert np.array_equal(out[0], picture)
    assert view == same_view


def test_antialias_averages_what_fast_skips(rng):
    """A fine checkerboard is grey from afar; sampling bilinearly at a quarter of its size sees only some squares."""
    board = np.indices((256, 256)).sum(axis=0) % 2
    pixels = np.repeat((board * 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)
    pixels[::4] = 0
    smooth, _ = fit_picture(pixels, "RGB", 48, 48, Preprocess(), "antialias")
    sharp, _ = fit_picture(pixels, "RGB", 48, 48, Preprocess(), "fast")
    mean = pixels.mean()
    assert np.abs(smooth.astype(float) - mean).mean() < np.abs(sharp.astype(float) - mean).mean() / 2


def test_a_strided_frame_gives_what_its_copy_gives(rng):
    pixels = rng.integers(0, 256, (300, 400, 3), np.uint8)
    flipped = pixels[::-1, ::-1]
    strided, _ = fit_picture(flipped, "RGB", 64, 64, Preprocess())
    copied, _ = fit_picture(np.ascontiguousarray(flipped), "RGB", 64, 64, Preprocess())
    assert np.array_equal(strided, copied)


def test_the_frame_is_left_alone(rng):
    pixels = rng.integers(0, 256, (32, 48, 3), np.uint8)
    before = pixels.copy()
    prepared(make_spec("int8", quantization=INT8), Preprocess(resize=ResizePolicy("stretch")), pixels, "BGR")
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
    ids=["grey", "alpha", "float", "empty"],
)
def test_what_is_no_picture_is_refused(pixels):
    spec = make_spec("uint8", quantization=UINT8)
    preparer = FramePreparer(spec, Preprocess())
    with pytest.raises(ContractError, match="height x width x 3 of uint8 was expected"):
        preparer.prepare(pixels, "RGB", np.zeros(spec.shape, np.uint8))


def test_a_frame_of_another_type_is_refused_after_good_ones():
    preparer = FramePreparer(spec := make_spec("uint8", quantization=UINT8), Preprocess())
    out = np.zeros(spec.shape, np.uint8)
    preparer.prepare(np.zeros((8, 8, 3), np.uint8), "RGB", out)
    with pytest.raises(ContractError, match="uint16"):
        preparer.prepare(np.zeros((8, 8, 3), np.uint16), "RGB", out)


def test_another_buffer_is_refused():
    preparer = FramePreparer(make_spec("int8", quantization=INT8), Preprocess())
    with pytest.raises(ContractError, match="allocate_input"):
        preparer.prepare(chart("RGB"), "RGB", np.zeros((1, 32, 48, 3), np.uint8))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (TensorSpec("x", (1, 8, 8, 1), "float32", "NHWC"), r"\[1, 8, 8, 1\]"),
        (TensorSpec("x", (1, 10), "float32"), "flat"),
        (TensorSpec("x", (4, 8, 8, 3), "float32", "NHWC"), r"\[4, 8, 8, 3\]"),
        (TensorSpec("x", (1, 8, 8, 3), "int32", "NHWC"), "int32"),
        (TensorSpec("x", (1, 8, 8, 3), "int8", "NHWC", Quantization(0.0, 0)), "scale 0.0"),
    ],
)
def test_a_network_that_takes_no_picture_is_refused(spec, message):
    with pytest.raises(ContractError, match=message):
        FramePreparer(spec, Preprocess())


@pytest.fixture
def rng():
    return np.random.default_rng(7)
