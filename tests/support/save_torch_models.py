"""Save networks with real PyTorch, in every format, with what they compute: run by a Python that has torch.

Usage: save_torch_models.py TOOLS_FOLDER OUTPUT_FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

sys.path.insert(0, sys.argv[1])
from demo_network import MobileNetV2

output = Path(sys.argv[2])
torch.manual_seed(0)
for width, size, classes in ((0.35, 96, 12), (0.5, 128, 5), (1.0, 224, 1000), (1.4, 96, 7)):
    model = MobileNetV2(classes, width)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after training: no BatchNorm is the identity
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0.0, 0.3)
            torch.nn.init.normal_(module.running_mean, 0.0, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    torch.nn.init.normal_(model.classifier[1].weight, 0.0, 0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)  # its state is in the checkpoint; nothing moves
    model.eval()
    image = torch.randn(1, 3, size, size)
    logits = model(image)
    logits.sum().backward()
    optimizer.step()
    np.savez(output / f"{width}.npz", image=image.numpy(), logits=logits.detach().numpy())

    state = model.state_dict()
    torch.save(state, output / f"{width}-zip.pth")
    torch.save(state, output / f"{width}-legacy.pth", _use_new_zipfile_serialization=False)
    save_file(state, output / f"{width}.safetensors")
    parallel = torch.nn.DataParallel(model).state_dict()
    training = {"epoch": 7, "best": 0.71, "model": parallel, "optimizer": optimizer.state_dict(), "args": {"lr": 0.1}}
    torch.save(training, output / f"{width}-checkpoint.pth")
    torch.save(dict(model.named_parameters()) | dict(model.named_buffers()), output / f"{width}-parameters.pth")
    torch.save(model, output / f"{width}-module.pth")
