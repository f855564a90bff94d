"""Fig. 2 against the rows that it is drawn from."""

import subprocess
import sys
from collections import Counter

import pytest
from matplotlib.colors import to_hex

from binolab.networks import anatomy
from binolab.networks.transformer import FrameTransformer
from binolab.networks.unet import UNet
from binolab.show import architecture, plotting


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plotting.plt.close("all")


@pytest.mark.parametrize("time", [False, True])
def test_a_unet_is_drawn_with_an_arrow_for_each_source(time):
    rows = anatomy.trace(UNet(widths=(4, 6, 8, 10), time=time), (16, 32))
    axes = architecture.draw_unet(rows)
    depths = [text.get_text() for text in axes.texts]
    assert depths.count("10") == 4 and depths.count("20") == 0 and "2 × 4" in depths
    arrows = Counter(
        to_hex(text.arrow_patch.get_edgecolor()) for text in axes.texts
        if getattr(text, "arrow_patch", None)
    )  # fmt: skip
    hues = {kind: hue for kind, (_, hue) in architecture.ARROWS.items()}
    expected = Counter(hues[row.kind] for row in rows for _ in row.sources)
    assert arrows == expected and expected.total() == 30
    assert architecture.draw_unet(rows, ax=axes) is axes


def test_only_a_unet_is_drawn():
    net = FrameTransformer(16, fold=8, width=16, depth=1, heads=2, filters=8)
    with pytest.raises(ValueError, match="read is a linear layer: only a UNet"):
        architecture.draw_unet(anatomy.trace(net, (16, 32)))
    assert not plotting.plt.get_fignums()  # refused before a figure is opened


def test_drawing_needs_no_network():
    code = "import sys, binolab.show.architecture; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
