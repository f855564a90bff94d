"""How long things take on this machine.

    python benchmarks/speed.py            everything but the two cold builds
    python benchmarks/speed.py --cold     also `make book` and `make test` in a fresh clone

Writes benchmarks/speed.md.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]


def best_of(times, action):
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        found.append(time.perf_counter() - begun)
    return min(found)


def cold(command, times=3, **options):
    run = partial(subprocess.run, command, check=True, capture_output=True, **options)
    return best_of(times, run)


def commands(rows):
    python = sys.executable
    rows["`import binolab`"] = cold([python, "-c", "import binolab"])
    rows["`import binolab.diffusion.prompting` (torch with it)"] = cold(
        [python, "-c", "import binolab.diffusion.prompting"]
    )
    with tempfile.TemporaryDirectory() as folder:
        from binolab.music import rolls

        melody = Path(folder, "melody.mid")
        pitches = (67, 67, 69, 71, 72, 71, 69, 67)
        line = [(p - 33, 24 * i, 24 * i + 24) for i, p in enumerate(pitches)]
        rolls.to_midi(rolls.from_notes(line)).write(melody)
        rows["`binolab harmonize`, 100 steps, from cold"] = cold(
            [
                python,
                "-m",
                "binolab",
                "harmonize",
                str(melody),
                "-o",
                f"{folder}/out.mid",
                "--seed",
                "0",
            ]
        )


def networks(rows):
    import torch

    from binolab.datasets import chorales
    from binolab.diffusion import prompting, sampling
    from binolab.model import load
    from binolab.training.batches import Bank
    from binolab.training.config import PRESETS
    from binolab.training.step import Run

    pieces = chorales.load("train", progress=False)
    for name in ("best", "unet"):
        model = load(name)
        nothing, _ = model.encode(torch.zeros(1, 1, model.pitches, model.length))
        x = sampling.noise(nothing.shape, model.prior, torch.Generator().manual_seed(0))
        level = torch.full((1,), 0.1)
        with torch.no_grad():
            model(x, level)
            rows[f"{name}: one forward call, one roll"] = best_of(10, lambda: model(x, level))
        for sampler in sampling.SAMPLERS:
            for steps in (100, 25, 10):
                rows[f"{name}: one roll, {sampler}, {steps} steps"] = best_of(
                    2,
                    lambda: prompting.generate(
                        model,
                        sampler=sampler,
                        steps=steps,
                        generator=torch.Generator().manual_seed(0),
                    ),
                )
        config = PRESETS[name].fitted(pieces)
        run = Run(config, model.card.prior, 56, torch.device("cpu"))
        bank = Bank(pieces, config, torch.device("cpu"))
        run.advance(bank)
        seconds = best_of(5, lambda: run.advance(bank))
        rows[f"{name}: training, samples a second"] = f"{config.batch / seconds:.1f}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows["peak memory of all this"] = f"{peak:.0f} MB"


def builds(rows):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "-q", str(ROOT), f"{folder}/clone"], check=True)
        clean = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        for target in ("book", "test"):
            name = f"`make {target}` " + ("from nothing" if target == "book" else "after it")
            try:
                rows[name] = cold(["make", target], times=1, cwd=f"{folder}/clone", env=clean)
            except subprocess.CalledProcessError as error:
                sys.exit(f"make {target} failed:\n{error.stdout.decode()[-5000:]}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cold", action="store_true", help="also build and test a fresh clone")
    options = parser.parse_args()
    import torch

    rows = {}
    commands(rows)
    networks(rows)
    if options.cold:
        builds(rows)
    lines = [f"| {k} | {v if isinstance(v, str) else f'{v:.3f} s'} |" for k, v in rows.items()]
    text = (
        f"# Speed\n\n`python benchmarks/speed.py{' --cold' if options.cold else ''}`, "
        f"{date.today()}: {os.cpu_count()} cores ({platform.machine()}), "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"Python {platform.python_version()}. Best of several.\n\n| what | |\n|---|---|\n"
        + "\n".join(lines)
        + "\n"
    )
    (ROOT / "benchmarks" / "speed.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
