"""Fine-tune with real PyTorch, then do what the guide's notebook does: run by a Python that has torch and torchvision.

Usage: notebook_torch.py TOOLS_FOLDER PRETRAINED.pth GUIDE_CODE.py, in the folder that holds photos/.
"""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.transforms import v2

sys.path.insert(0, sys.argv[1])
from demo_network import MobileNetV2

torch.manual_seed(0)
augment = v2.Compose(
    [
        v2.Resize(96),
        v2.CenterCrop(96),
        v2.ColorJitter(0.3, 0.3, 0.2),
        v2.GaussianBlur(5, (0.1, 2.0)),
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.5] * 3, [0.5] * 3),
    ]
)
train = datasets.ImageFolder("photos/train", augment)
model = MobileNetV2(len(train.classes), 0.35)
pretrained = torch.load(sys.argv[2], weights_only=True)
model.load_state_dict({name: value for name, value in pretrained.items() if "classifier" not in name}, strict=False)

optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for _ in range(3):
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # a few hundred pictures are too few for statistics of one's own
    for images, truth in DataLoader(train, batch_size=32, shuffle=True):
        loss = torch.nn.functional.cross_entropy(model(images), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

exec(compile(Path(sys.argv[3]).read_text(), sys.argv[3], "exec"))  # the guide's block: it measures and saves
