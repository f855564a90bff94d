"""The paper's network on the paper's data, in sittings: train, sample, measure, pack.

    python scripts/paper_run.py --data maestro:ROOT --minutes 60
    python scripts/paper_run.py --join runs/paper/keep paper.safetensors

The same command again goes on where the last one stopped, each time for `--sitting` minutes at
most, until the run is done; it says what is left to do. Nothing is fetched. At the end RUN/keep
holds all that is worth keeping: the weights in bfloat16, in files below 16 MB, the log, the report,
the samples, and on what machine it ran.
"""

import argparse
import dataclasses
import json
import platform
import shutil
import sys
import time
from pathlib import Path

LARGEST = 16_000_000  # bytes a file
AGAIN = 75  # exit status: not done, run it again


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="maestro", help="maestro[:ROOT], chorales or a folder")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--minutes", type=float, default=60.0, help="of training, in all")
    parser.add_argument("--sitting", type=float, default=9.5, help="minutes this command may take")
    parser.add_argument("--out", default="runs/paper", metavar="RUN")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--join", nargs=2, metavar=("KEEP", "FILE"),
                        help="make one file of packed weights, and do nothing else")
    return parser.parse_args(arguments)


def split(folder, model, largest=LARGEST):
    """Write a network in bfloat16 as files of at most so many bytes, each with the card."""
    import torch
    from safetensors.torch import save_file

    parts, size = [{}], 0
    for name, value in model.state_dict().items():
        value = value.detach().to("cpu", torch.bfloat16).contiguous()
        if parts[-1] and size + value.nbytes > 0.99 * largest:  # a little for the names
            parts.append({})
            size = 0
        parts[-1][name] = value
        size += value.nbytes
    for i, part in enumerate(parts, 1):
        path = folder / f"model-{i}-of-{len(parts)}.safetensors"
        save_file(part, str(path), metadata={"card": json.dumps(card)})
    return len(parts)


def join(folder, path):
    """One file, as `weights.load` takes it, of what `split` wrote."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    found, card = {}, None
    files = sorted(Path(folder).glob("model-*-of-*.safetensors"))
    if not files or len(files) != int(files[0].stem.split("-")[-1]):
        raise ValueError(f"{folder}: {len(files)} files of packed weights, some are missing")
    for file in files:
        with safe_open(str(file), framework="pt") as part:
            card = part.metadata()["card"]
            found |= {name: part.get_tensor(name) for name in part.keys()}
    save_file(found, str(path), metadata={"card": card})


def pack(folder):
    """RUN/keep: everything worth keeping. Returns its size in bytes."""
    from binolab import model as weights

    keep = folder / "keep"
    shutil.rmtree(keep, ignore_errors=True)
    keep.mkdir()
    split(keep, *weights.load(folder))
    for name in ("config.json", "log.jsonl", "machine.json", "curve.png", "report.md",
                 "report.json", "report.png"):
        if (folder / name).exists():
            shutil.copy(folder / name, keep)
    shutil.copytree(folder / "samples", keep / "samples")
    return sum(p.stat().st_size for p in keep.rglob("*") if p.is_file())


def machine(run):
    import torch

    cuda = run.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(run.device) if cuda else platform.machine(),
        "peak_memory": torch.cuda.max_memory_allocated(run.device) if cuda else None,
        "precision": str(run.precision or torch.float32), "processes": run.team.size,
        "torch": torch.__version__, "cuda": torch.version.cuda, "python": platform.python_version(),
        "step": run.step, "seconds": round(run.elapsed, 1),
    }


def main(arguments=None):
    options, begun = parse(arguments), time.monotonic()
    if options.join:
        join(*options.join)
        return 0

    from binolab import datasets
    from binolab.cli import results
    from binolab.training import checkpoints
    from binolab.training import config as presets
    from binolab.training import loop as training

    def left():
        return 60 * options.sitting - (time.monotonic() - begun)

    folder = Path(options.out)
    music = datasets.load(options.data, progress=sys.stderr.isatty())
    changes = {k: v for k in ("batch", "rate") if (v := getattr(options, k)) is not None}
    config = dataclasses.replace(
        presets.PRESETS[options.preset], low=music.low, minutes=options.minutes, **changes)
    run = training.train(
        config, music.training, music.held_out, folder, prior=datasets.density(music.training),
        resume=(folder / checkpoints.NAME).exists() or (folder / checkpoints.PREVIOUS).exists(),
        device=options.device, sitting=0.95 * left(), progress=sys.stderr.isatty(),
    )
    if not run.team.first:
        return 0
    print(f"{folder}: step {run.step}, {run.elapsed / 60:.1f} of {options.minutes:g} minutes")
    if not run.finished:
        print("run the same command again to go on")
        return AGAIN
    if not results.left(folder):
        if left() < 30 * options.sitting:  # measuring needs the better half of a sitting
            print("trained; run the same command again to sample, measure and pack")
            return AGAIN
        text = json.dumps(machine(run), indent=1) + "\n"
        (folder / "machine.json").write_text(text, encoding="utf-8")
        share = min(0.1, 0.5 * left() / run.elapsed)
        for line in results.leave(folder, music, name=options.data, share=share, device=run.device,
                               progress=sys.stderr.isatty()):
            print(line)
    print(f"{folder / 'keep'}: {pack(folder) / 1e6:.1f} MB, done")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, OSError) as error:
        sys.exit(f"paper_run: {error}")
