"""The shipped model for a browser: its network as ONNX, and what the page must know of it as JSON.

    python scripts/export_onnx.py [FOLDER]            # _build/html/play, as `make book` does

The network takes x_t (1, K, P, C), alpha_bar_t (1,) and known (1, K, P, C), for one window of the
card's length, and answers with `logits`. It computes in single precision. In the file the weights
of linear layers have eight bits, with a scale for each output, and those of convolutions have
sixteen. So it is a quarter as large, and one call costs the same: the weights are unpacked when it
is loaded.
"""

from __future__ import annotations

import copy
import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

import binolab
from binolab.model import Model
from binolab.networks import Denoiser

FOLDER = Path(__file__).parents[1] / "_build" / "html" / "play"
INPUTS = ["x_t", "alpha_bar_t", "known"]


def eight_bits(weight: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """A matrix as whole numbers from -127 to 127, and a scale for each place on axis `outputs`."""
    scale = np.abs(weight).max(1 - outputs, keepdims=True).clip(min=1e-12) / 127
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)


def rounded(network: Denoiser) -> Denoiser:
    """A copy of a network with the weights that the file will hold."""
    network = copy.deepcopy(network)
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            whole, scale = eight_bits(layer.weight.detach().numpy(), outputs=0)
            layer.weight.data = torch.from_numpy(whole * scale)
        elif isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.half().float()
    return network


class Logits(nn.Module):
    """A network as a module whose `forward` is its `logits`."""

    def __init__(self, network: Denoiser) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_t: Tensor, alpha_bar_t: Tensor, known: Tensor) -> Tensor:
        return self.network.logits(x_t, alpha_bar_t, known)


def shape(model: Model) -> tuple[int, int, int, int]:
    """(1, K, P, C) of one window."""
    card = model.card
    return 1, card.kinds, card.pitches, card.length // card.codec.span


def graph(model: Model) -> onnx.ModelProto:
    """The network with rounded weights, as torch exports it."""
    module = Logits(rounded(model.network)).eval()
    x_t = torch.zeros(shape(model))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it says that there is no torchvision
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch itself will do otherwise one day
        program = torch.onnx.export(
            module,
            (x_t, torch.full((1,), 0.5), x_t > 0),
            dynamo=True,
            opset_version=18,
            input_names=INPUTS,
            output_names=["logits"],
            verbose=False,
        )
    return program.model_proto


def pack(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Store the weights in fewer bits, each with a node that unpacks it, and drop all remarks."""
    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    unpack = []
    for node in proto.graph.node:
        name = node.input[1] if node.op_type in ("MatMul", "Gemm", "Conv") else None
        if name not in constants:
            continue
        tensor = constants.pop(name)
        weight = numpy_helper.to_array(tensor)
        if node.op_type == "Conv":
            parts = {f"{name}_16": weight.astype(np.float16)}
            unpack.append(helper.make_node("Cast", list(parts), [name], to=TensorProto.FLOAT))
        elif weight.ndim == 2:
            outputs = 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
            whole, scale = eight_bits(weight, outputs)
            parts = {f"{name}_8": whole, f"{name}_scale": scale}
            # Not DequantizeLinear: a runtime would take it for leave to compute in eight bits.
            cast = f"{name}_whole"
            unpack.append(helper.make_node("Cast", [f"{name}_8"], [cast], to=TensorProto.FLOAT))
            unpack.append(helper.make_node("Mul", [cast, f"{name}_scale"], [name]))
        else:
            continue
        proto.graph.initializer.remove(tensor)
        proto.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in parts.items())
    nodes = [*unpack, *proto.graph.node]
    for part in [*nodes, *proto.graph.initializer, proto.graph, proto]:
        del part.metadata_props[:]  # where in the source each node comes from
    del proto.graph.node[:], proto.graph.value_info[:]
    proto.graph.node.extend(nodes)
    onnx.checker.check_model(proto)
    return proto


def card(model: Model) -> dict:
    """What sampling needs of the card. `prior` is ρ of each kind of bit and pitch, (K, P)."""
    names = "network schedule T low pitches ticks length grid planes".split()
    _, K, P, C = shape(model)
    return {name: getattr(model.card, name) for name in names} | {
        "kinds": K,
        "columns": C,
        "exclusive": model.exclusive,
        "prior": np.broadcast_to(model.card.prior, (K, P)).tolist(),
    }


def main(folder: str | Path = FOLDER, name: str | Path = "best") -> None:
    model, folder = binolab.load(name), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data = pack(graph(model)).SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    (folder / "model.json").write_text(json.dumps(card(model)) + "\n", encoding="utf-8")
    print(f"{folder}: model.onnx, {len(data) / 1e6:.2f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
