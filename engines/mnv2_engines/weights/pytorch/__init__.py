"""Files that PyTorch saves, read without PyTorch: state dicts in .pth and .safetensors files."""
