"""Export one tiny network in each way that PyTorch can, for the tests of the compiler.

Run in an environment with torch, onnx and onnxscript:

    python tools/export_fixtures.py tests/engines/tflite/fixtures
"""

import sys
from pathlib import Path

import onnx
import torch
from torch import nn


def block(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, *, linear: bool = False
) -> nn.Sequential:
    """Return a convolution with BatchNorm and, unless linear, ReLU6."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([] if linear else [nn.ReLU6()]))


class Bottleneck(nn.Module):
    """Expand, filter, project, and add where shapes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.adds = stride == 1 and inputs == outputs
        hidden = 2 * inputs
        self.layers = nn.Sequential(
            block(inputs, hidden, 1), block(hidden, hidden, 3, stride, hidden), block(hidden, outputs, 1, linear=True)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        return x + self.layers(x) if self.adds else self.layers(x)


class Tiny(nn.Module):
    """Be a MobileNetV2 of three bottlenecks for 32x32 pictures."""

    def __init__(self) -> None:
        super().__init__()
        bottlenecks = [Bottleneck(8, 8, 1), Bottleneck(8, 12, 2), Bottleneck(12, 12, 1)]
        self.features = nn.Sequential(block(3, 8, 3, 2), *bottlenecks, block(12, 24, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(24, 7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, flattened with the batch taken from the input's shape as exporters see it in the wild."""
        pooled = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(pooled.reshape(x.shape[0], -1))


def make_network() -> nn.Module:
    """Return the network with statistics that make every BatchNorm matter."""
    torch.manual_seed(0)
    network = Tiny()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def export_all(network: nn.Module, picture: torch.Tensor, folder: Path) -> list[Path]:
    """Write each kind of export and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {"input_names": ["input"], "output_names": ["logits"]}
    script = {**names, "dynamo": False}
    torch.onnx.export(network, (picture,), folder / "torchscript.onnx", opset_version=13, **script)
    free = {"input": {0: "N"}, "logits": {0: "N"}}
    torch.onnx.export(
        network, (picture,), folder / "torchscript_free_batch.onnx", opset_version=17, dynamic_axes=free, **script
    )
    torch.onnx.export(
        network,
        (picture,),
        folder / "torchscript_unfolded.onnx",
        opset_version=11,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        **script,
    )
    dynamo = {**names, "dynamo": True, "verbose": False}
    torch.onnx.export(network, (picture,), folder / "dynamo.onnx", external_data=False, **dynamo)
    batch = ({0: torch.export.Dim("batch", min=1, max=64)},)
    torch.onnx.export(
        network, (picture,), folder / "dynamo_free_batch.onnx", external_data=True, dynamic_shapes=batch, **dynamo
    )
    paths = sorted(folder.glob("*.onnx"))
    for path in paths:
        drop_traces(path)
    return paths


def drop_traces(path: Path) -> None:
    """Remove the stack traces that the exporter leaves in a file: they name folders of this machine."""
    model = onnx.load(str(path), load_external_data=False)
    for holder in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        holder.ClearField("metadata_props")
        holder.ClearField("doc_string")
    path.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    for path in export_all(make_network(), torch.zeros(1, 3, 32, 32), Path(sys.argv[1])):
        print(path, path.stat().st_size)
