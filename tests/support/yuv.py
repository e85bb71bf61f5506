"""Write colours as YUV by the recommendations' own formulas."""

import numpy as np

BRIGHTNESS = {"Rec601": (0.299, 0.587, 0.114), "Rec709": (0.2126, 0.7152, 0.0722), "Rec2020": (0.2627, 0.6780, 0.0593)}


def encode_yuv(rgb: np.ndarray, encoding: str, *, full_range: bool) -> np.ndarray:
    """Return Y, Cb and Cr of colours [..., 3], quantised to 8 bits."""
    red, blue = rgb[..., 0] / 255, rgb[..., 2] / 255
    weights = BRIGHTNESS[encoding]
    luma = (rgb / 255) @ np.array(weights)
    differences = [(blue - luma) / (2 * (1 - weights[2])), (red - luma) / (2 * (1 - weights[0]))]
    scale, black, wide = (255, 0, 255) if full_range else (219, 16, 224)
    values = [scale * luma + black, *(wide * difference + 128 for difference in differences)]
    return np.clip(np.round(np.stack(values, -1)), 0, 255).astype(np.uint8)
