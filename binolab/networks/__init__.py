"""Networks that guess the clean roll. All are called alike (`denoiser`).

    denoiser      what they share
    unet          the paper's network                                           §5, Fig. 2
    transformer   attention over beats, convolutions over pitches: the default
    beats         the same for bits of a coarser grid and several voices
    activation    what a filter would most like to see                          §7, Fig. 3
    anatomy       what each layer takes, gives, holds and costs

A network of your own is a `Denoiser`, and a line in `NETWORKS`.

Chapters: 06 *The UNet*, 09 *Drawing bits*, 15 *What the network sees*.
"""

from binolab.networks.beats import BeatTransformer
from binolab.networks.denoiser import Denoiser
from binolab.networks.transformer import FrameTransformer
from binolab.networks.unet import UNet

__all__ = ["NETWORKS", "BeatTransformer", "Denoiser", "FrameTransformer", "UNet"]

NETWORKS: dict[str, type[Denoiser]] = {
    network.__name__: network for network in (UNet, FrameTransformer, BeatTransformer)
}
