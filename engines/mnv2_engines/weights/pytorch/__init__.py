"""Read what PyTorch saves, without PyTorch: state dicts in .pth and .safetensors files."""
