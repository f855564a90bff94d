"""binolab: binomial diffusion on binary piano rolls.

Import the module you need: ``from binolab import rolls, kernel, sampling``. Nothing heavy is
imported here, so ``import binolab`` is instant and each module pays only for what it uses.
"""

__version__ = "0.1.0"
