"""The published yardstick (benchmarks/jsb.py): its file format, its loss, its bound, its runs."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from binolab.diffusion import kernel, likelihood

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import jsb
import jsb_network
import jsb_training

TINY = ["--width", "16", "--depth", "1", "--batch", "3", "--quiet", "--levels", "4", "--draws", "1"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Three-note chords that walk up and down, and a rest."""
    rng = np.random.default_rng(0)

    def piece(frames):
        roots = 48 + np.cumsum(rng.integers(-1, 2, frames))
        return [[int(root), int(root) + 4, int(root) + 7] for root in roots] + [[]]

    path = tmp_path_factory.mktemp("jsb") / "chords.json"
    path.write_text(
        json.dumps({"train": [piece(n) for n in (5, 8, 6, 9)], "valid": [piece(7), piece(4)]})
    )
    return path


@pytest.fixture(scope="module")
def trained(file):
    path = file.with_name("w.safetensors")
    assert jsb.main([str(file), "--weights", str(path), "--minutes", "0.01", *TINY]) == 0
    return path


def network(**more):
    torch.manual_seed(0)
    settings = {"prior": [0.05] * 88, "keys": (20, 60), "width": 16, "depth": 1, "heads": 2}
    model = jsb_network.ChordTransformer(**settings | {"filters": 4} | more).eval()
    for p in model.parameters():  # what an untrained network leaves at 0 would hide mistakes
        torch.nn.init.normal_(p, std=0.05)
    return model


def test_reads_frames_of_pitches(file):
    pieces = jsb.read(file, "valid")
    assert [piece.shape for piece in pieces] == [(88, 8), (88, 5)]
    document = json.loads(file.read_text())
    for piece, frames in zip(pieces, document["valid"], strict=True):
        for column, frame in zip(piece.T, frames, strict=True):
            assert sorted(frame) == [21 + int(key) for key in np.flatnonzero(column)]


@pytest.mark.parametrize(
    "text, says",
    [
        (None, "cannot be read"),
        ("[1, 2", "is not JSON"),
        ("[]", "no splits"),
        ('{"train": []}', "no split 'valid' there; it has train"),
        ('{"valid": []}', "no pieces"),
        ('{"valid": [[[60], [109]]]}', "pitch 109 is not in 21..108"),
        ('{"valid": [[[60.5]]]}', "pitch 60.5"),
        ('{"valid": [[60, 62]]}', "valid piece 0"),
    ],
)
def test_bad_files_get_one_line_and_status_2(tmp_path, capsys, text, says):
    path = tmp_path / "file.json"
    if text is not None:
        path.write_text(text)
    assert jsb.main([str(path), "--weights", "none", "--evaluate", "valid"]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_bad_weights_and_settings_get_one_line_and_status_2(file, trained, tmp_path, capsys):
    def fails(*arguments):
        capsys.readouterr()
        try:
            status = jsb.main([str(file), *arguments])
        except SystemExit as left:
            status = left.code
        assert status == 2
        return capsys.readouterr().err

    weights = ["--weights", str(trained)]
    assert "no such file" in fails("--weights", str(tmp_path / "no"), "--evaluate", "valid")
    assert "not made by" in fails("--weights", str(file), "--evaluate", "valid")
    checkpoint = str(jsb_training.checkpoint(trained))
    assert "not its checkpoint" in fails("--weights", checkpoint, "--evaluate", "valid")
    assert "a run is there" in fails(*weights, *TINY)
    assert "another decay" in fails(*weights, *TINY, "--resume", "--decay", "0.3")
    assert "cannot be written" in fails("--weights", str(tmp_path / "no" / "w"), *TINY)
    assert "must be above 0" in fails(*weights, "--minutes", "0")
    evaluate = [*weights, "--evaluate", "valid", "--shifts", "1"]
    assert "was transposed by 0 at most" in fails(*evaluate)
    assert "goes with --evaluate" in fails(*weights, *TINY, "--shifts", "1")
    assert "between 2 and T" in fails(*weights, "--levels", "1")


def test_baseline_is_its_closed_form():
    """Half the frames lit: near ln 2 a frame for that key; keys never lit cost next to nothing."""
    roll = np.zeros((88, 400), np.float32)
    roll[40, ::2] = 1
    found = jsb.baselines([roll], [roll])
    silent = -87 * np.log1p(-0.5 / 401)
    assert found["each key at random"] == pytest.approx(np.log(2) + silent, abs=1e-5)
    assert found["each key given itself a frame before"] < 0.25  # on after off after on: sure


def test_loss_is_the_limit_of_the_bounds_own_terms():
    """KL over a small step, a unit of ᾱ, is the divergence of the two flipping rates."""
    generator = torch.Generator().manual_seed(0)
    x0 = torch.rand(4, 1, 88, 9, generator=generator).round()
    prior = torch.rand(1, 1, 88, 1, generator=generator).clamp(0.01, 0.6)
    level = torch.tensor([0.05, 0.3, 0.6, 0.95])
    x_t = kernel.forward(x0, level, prior, generator)
    logits = torch.randn(x0.shape, generator=generator)
    step = 1e-5
    term = likelihood.step_term(
        torch.sigmoid(logits.double()), x0, x_t, level.double() + step, level.double(), prior
    )
    rate = jsb_training.rate_term(logits, x0, x_t, level, prior)
    assert torch.allclose((term / step).float(), rate, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("span", [1, 2])
def test_an_untrained_network_answers_with_prior_and_evidence(span):
    torch.manual_seed(0)
    prior = torch.rand(88).clamp(0.01, 0.5)
    model = jsb_network.ChordTransformer(prior.tolist(), (20, 60), 16, 1, 2, 4, span=span).eval()
    model.last.bias.data.zero_()
    x_t = torch.rand(2, 1, 88, 7).round()
    level = torch.tensor([0.2, 0.7])
    prior = prior.view(1, 1, -1, 1)
    expected = torch.logit(prior) + kernel.evidence(x_t, level, prior)
    assert torch.allclose(model.logits(x_t, level), expected, atol=1e-5)


@pytest.mark.parametrize("span", [1, 4])
def test_padding_does_not_matter(span):
    model = network(span=span)
    x = torch.rand(2, 1, 88, 12).round()
    padding = torch.zeros(2, 1, 88, 12, dtype=torch.bool)
    padding[0, ..., 7:] = True
    level = torch.tensor([0.4, 0.4])
    both = model.logits(x * ~padding, level, padding)
    alone = model.logits(x[:1, ..., :7], level[:1])
    assert torch.allclose(both[:1, ..., :7], alone, atol=1e-5)
    assert torch.allclose(both[1:], model.logits(x[1:], level[1:]), atol=1e-5)


def test_a_frame_hears_all_frames_of_a_piece_whatever_its_token():
    model = network(span=4)
    x = torch.rand(1, 1, 88, 11).round()
    before = model.logits(x, torch.tensor([0.4]))
    for frame in range(11):
        other = x.clone()
        other[..., 30, frame] = 1 - other[..., 30, frame]
        change = (model.logits(other, torch.tensor([0.4])) - before).abs()[0, 0, 20:60]
        assert (change.amax(0) > 0).all()


def test_the_whole_range_of_levels_is_finite():
    model = network()
    x_t = torch.rand(3, 1, 88, 5).round()
    assert model.logits(x_t, torch.tensor([0.0, 0.5, 1.0])).isfinite().all()


def test_a_mixture_of_one_network_twice_is_that_network():
    model = network()
    x_t = torch.rand(1, 1, 88, 5).round()
    twice = jsb.Mixture([model, model])
    assert torch.allclose(twice.logits(x_t, 0.5), model.logits(x_t, 0.5), atol=1e-5)


def test_a_piece_is_also_read_in_other_keys():
    """The mean, by hand, of what the network says of the piece a semitone down, as it is and up."""
    prior = torch.linspace(0.02, 0.1, 88).tolist()
    model, level = network(prior=prior), torch.tensor([0.5])
    x_t = (torch.rand(1, 1, 88, 5) < 0.1).float()
    chances = []
    for by in (-1, 0, 1):
        moved = model.prior.roll(by, 2)
        said = model.logits(x_t.roll(by, 2), level, None, torch.tensor([by]), moved)
        chances.append(torch.sigmoid(said).roll(-by, 2))
    found = torch.sigmoid(jsb.Mixture([model], 1).logits(x_t, level))
    assert torch.allclose(found, torch.stack(chances).mean(0), atol=1e-5)
    assert not torch.allclose(found, chances[1], atol=1e-3)


def test_a_network_that_knows_nothing_is_bounded_by_the_marginal():
    """All noise at once, then the prior alone: the bound is the Bernoulli baseline, and no less."""
    prior = torch.full((1, 1, 88, 1), 0.1)

    class Nothing:
        def __init__(self):
            self.prior = prior

        def logits(self, x_t, alpha_bar_t, known=None):
            return torch.logit(prior) + kernel.evidence(x_t, alpha_bar_t, prior)

    pieces = [np.random.default_rng(0).integers(0, 2, (88, 6)).astype(np.float32)]
    exact = -np.where(pieces[0] > 0, np.log(0.1), np.log(0.9)).sum() / 6
    found = jsb.evaluate(Nothing(), pieces, T=40, steps=40, draws=40, progress=False)
    assert found["bound"] == pytest.approx(exact, abs=5 * found["standard_error"])


def test_training_learns_and_evaluation_is_deterministic(file, trained, tmp_path, capsys):
    results, text = tmp_path / "r.json", tmp_path / "r.md"
    command = [
        str(file),
        "--weights",
        str(trained),
        "--evaluate",
        "valid",
        "--results",
        str(results),
        "--table",
        str(text),
        *TINY,
    ]
    assert jsb.main(command) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert jsb.main(command) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == first
    document = json.loads(results.read_text())
    assert document["splits"]["valid"] == first and first["bound"] > 0
    assert first["terms"]["prior"] == 0 and document["steps"] > 0
    assert str(file.parent) not in results.read_text()
    assert "**binomial diffusion**" in text.read_text()


def test_a_resumed_run_goes_on(file, trained):
    before, _ = jsb_training.load(trained)
    minutes = str(before["seconds"] / 60 + 0.01)  # the clock goes on where it stood
    command = [str(file), "--weights", str(trained), "--resume", "--minutes", minutes, *TINY]
    assert jsb.main(command) == 0
    after, tensors = jsb_training.load(trained)
    assert after["steps"] > before["steps"] and len(after["curve"]) == len(before["curve"]) + 1
    assert all(value.isfinite().all() for value in tensors.values())


def test_muon_moves_all_directions_alike():
    """The singular values of a step are near 1, whatever those of the gradient."""
    p = torch.nn.Parameter(torch.zeros(6, 4))
    p.grad = torch.diag(torch.tensor([1.0, 0.3, 0.1, 0.05])).repeat(2, 1)[:6]
    jsb_network.Muon([p], lr=1.0).step()
    values = torch.linalg.svdvals(p.detach()) / (6 / 4) ** 0.5
    assert 0.5 < values.min() and values.max() < 1.5


def test_nothing_is_transposed_while_a_run_settles(file):
    options = jsb.parse([str(file), "--weights", "w", *TINY, "--shift", "5", "--settle", "1"])
    run = jsb_training.Run(options, jsb.read(str(file), "train"))
    generator = torch.Generator().manual_seed(0)
    options.minutes = 2
    assert any(run.batch(generator)[2].any() for _ in range(20))
    run.seconds = 61
    assert not any(run.batch(generator)[2].any() for _ in range(20))
