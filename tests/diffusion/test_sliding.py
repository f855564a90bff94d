"""Longer than the window: every beat written once, what is known kept, cost linear, memory flat."""

from itertools import islice

import numpy as np
import pretty_midi
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TINY

from binolab import model as weights
from binolab.cli import main as cli
from binolab.diffusion import prompting, sampling
from binolab.diffusion import sliding as longer
from binolab.music import rolls
from binolab.show import plotting
from binolab.training import loop as training

P, BEAT, WINDOW = 6, 4, 16
CARD = {"prior": 0.2, "schedule": ["power", 2], "T": 40, "pitches": P, "length": WINDOW,
        "ticks": BEAT}


def model(x_t, alpha_bar_t, known=None):
    """Contradicts what it sees, so that nothing is kept by chance."""
    return 0.9 - 0.8 * x_t


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def bits(length, seed=0, n=1):
    return sampling.noise((n, 1, P, length), 0.3, seeded(seed))


def watched(seen):
    """The model, noting the shape and the known cells of what it is asked."""

    def ask(x_t, alpha_bar_t, known=None):
        seen.append((x_t.clone(), None if known is None else known.clone()))
        return model(x_t, alpha_bar_t, known)

    return ask


# --- the plan ------------------------------------------------------------------------------------


def test_windows_of_a_piece_from_nothing():
    nothing = torch.zeros(1, 1, P, 40, dtype=torch.bool)
    assert longer.plan(CARD, nothing) == [(0, 0, 16), (8, 16, 24), (16, 24, 32), (24, 32, 40)]
    # The last ends with the piece, so it keeps more than the overlap that was asked.
    assert longer.plan(CARD, nothing, overlap=4) == [(0, 0, 16), (12, 16, 28), (24, 28, 40)]
    assert longer.plan(CARD, nothing, overlap=12)[-1] == (24, 36, 40)
    assert longer.plan(CARD, nothing[..., :8]) == [(0, 0, 8)]


@given(st.data(), st.integers(1, 30), st.integers(1, 3))
def test_every_free_cell_is_written_once_with_its_context(data, beats, overlap):
    length = beats * BEAT
    free = data.draw(st.lists(st.booleans(), min_size=length, max_size=length))
    known = ~torch.tensor(free).expand(2, 1, P, length)
    written = np.zeros(length, int)
    for start, fresh, stop in longer.plan(CARD, known, overlap=overlap * BEAT):
        assert start % BEAT == fresh % BEAT == 0 and 0 <= start <= fresh < stop <= length
        assert stop - start == min(WINDOW, length)
        ahead = stop == length or not all(free[fresh + BEAT : stop])  # a hole that closes here
        assert fresh - start >= min(BEAT if ahead else overlap * BEAT, fresh)
        assert any(free[fresh : fresh + BEAT])
        written[fresh:stop] += 1
    assert written.max(initial=0) <= 1 and written[free].all()


@pytest.mark.parametrize("beats", [4, 16])
def test_a_hole_that_fits_in_a_window_sees_as_much_after_as_before(beats):
    """However long it is: what it sees differs by a beat at most, and a beat is seen before."""
    card, far = CARD | {"length": beats * BEAT}, 2 * beats * BEAT
    for overlap in range(1, beats):
        for hole in range(1, beats - overlap + 1):
            known = torch.ones(1, 1, P, 5 * beats * BEAT, dtype=torch.bool)
            known[..., far : far + hole * BEAT] = False
            ((start, fresh, stop),) = longer.plan(card, known, overlap=overlap * BEAT)
            before, after = far - start, stop - far - hole * BEAT
            assert fresh == far and before + hole * BEAT + after == beats * BEAT
            assert before >= BEAT and abs(before - after) <= BEAT


def test_a_hole_near_the_beginning_has_a_beat_before_it():
    known = torch.ones(1, 1, P, 20, dtype=torch.bool)
    known[..., 7:13] = False
    assert longer.plan(CARD, known, overlap=4) == [(0, 4, 16)]


def test_nothing_to_write_is_no_window():
    assert longer.plan(CARD, torch.ones(1, 1, P, 40, dtype=torch.bool)) == []


# --- painting ------------------------------------------------------------------------------------


@settings(max_examples=10)
@given(st.integers(1, 9), st.integers(1, 3), st.integers(0, 2**31))
def test_known_cells_come_back_untouched(beats, overlap, seed):
    x = bits(beats * BEAT, seed, n=2)
    known = torch.rand(x.shape, generator=seeded(seed)) < 0.5
    before = x.clone()
    found = longer.paint(model, x, known, overlap=overlap * BEAT, steps=2,
                         generator=seeded(seed))
    assert found.shape == x.shape and set(found.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(found[known], x[known]) and torch.equal(x, before)


@pytest.mark.parametrize("sampler", sampling.SAMPLERS)
def test_one_window_is_prompting(sampler):
    x, how = bits(WINDOW), {"sampler": sampler, "steps": 4}
    known = prompting.before(x, 7)
    assert torch.equal(
        longer.paint(model, x, known, generator=seeded(1), **how),
        prompting.paint(model, x, known, generator=seeded(1), **how),
    )


def test_generate_is_a_plain_loop_of_completions():
    generator = seeded(3)
    x = prompting.generate(model, 2, steps=3, generator=generator)
    while x.shape[-1] < 40:
        window = torch.cat([x[..., -8:], torch.zeros(2, 1, P, 8)], -1)
        new = prompting.complete(model, window, 8, steps=3, generator=generator)
        x = torch.cat([x, new[..., 8:]], -1)
    found = longer.generate(model, 2, length=40, steps=3, generator=seeded(3))
    assert torch.equal(found, x)
    endless = longer.stream(model, 2, steps=3, generator=seeded(3))
    assert torch.equal(torch.cat(list(islice(endless, 4)), -1), x)


def test_a_window_sees_its_overlap_and_no_more():
    seen = []
    found = longer.generate(watched(seen), CARD, length=40, overlap=4, steps=2, generator=seeded())
    calls = len(seen) // 3
    assert all(x.shape[-1] == WINDOW for x, _ in seen)
    for k, (start, fresh, _) in enumerate(longer.plan(CARD, torch.zeros(1, 1, P, 40).bool(),
                                                      overlap=4)):
        for x_t, known in seen[k * calls : (k + 1) * calls]:
            tick = torch.arange(start, start + WINDOW)
            assert (known == (tick < fresh)).all()
            kept = x_t[..., : fresh - start]
            assert torch.equal(kept, found[..., start:fresh])


def test_extend_keeps_the_piece_and_reads_its_end_only():
    x = bits(24)
    found = longer.extend(model, x, 48, steps=2, generator=seeded(1))
    assert found.shape[-1] == 48 and torch.equal(found[..., :24], x)
    other = torch.cat([1 - x[..., :16], x[..., 16:]], -1)  # another beginning
    again = longer.extend(model, other, 48, steps=2, generator=seeded(1))
    assert torch.equal(found[..., 24:], again[..., 24:])
    assert torch.equal(longer.extend(model, x, 24), x)


def test_a_long_hole_hears_both_sides():
    x, seen = bits(48), []
    known = prompting.outside(x, 12, 36)
    assert longer.plan(CARD, known) == [(4, 12, 20), (12, 20, 28), (24, 28, 40)]
    longer.paint(watched(seen), CARD, x, known, steps=1, generator=seeded())
    last = seen[-1][1][0, 0, 0]
    assert last[:4].all() and last[-4:].all() and not last[4:-4].any()


def test_the_callback_counts_windows():
    told = []
    longer.generate(model, length=32, steps=2, generator=seeded(),
                    callback=lambda k, t, x_t, x0_hat: told.append((k, t)))
    assert told == [(k, t) for k in range(3) for t in (2, 1, 0)]


@pytest.mark.parametrize("wrong, says", [
    ({"length": 30}, "length must be whole beats of 4"),
    ({"length": 0}, "length must be whole beats"),
    ({"length": 32, "overlap": 0}, "overlap must be whole beats .* from 4 to 12"),
    ({"length": 32, "overlap": 16}, "overlap must be"),
    ({"length": 32, "overlap": 6}, "got 6 ticks"),
    ({"length": 32, "window": 18}, "window must be whole beats"),
])
def test_nonsense_is_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        longer.generate(model, steps=1, **wrong)
    with pytest.raises(ValueError, match="at least the 32 ticks given"):
        longer.extend(model, bits(32), 16)


# --- joint windows -------------------------------------------------------------------------------


def test_joint_windows_that_agree_say_what_each_says():
    """A network that looks at one tick at a time does not notice that it is cut into windows."""
    x = bits(44, n=2)
    together = longer.joint(model, hop=4)
    assert torch.allclose(together(x, torch.tensor([0.5, 0.5])), model(x, None))


def test_joint_windows_vote_towards_their_middles():
    def places(x_t, alpha_bar_t, known=None):  # says where in its window a tick lies
        return torch.arange(x_t.shape[-1]).float().expand(x_t.shape)

    said = longer.joint(places, CARD)(bits(24), torch.tensor([0.5]))[0, 0, 0]
    triangle = [min(i + 1, 16 - i) for i in range(16)]
    for tick in range(24):
        votes = [(tick - s, triangle[tick - s]) for s in (0, 8) if 0 <= tick - s < 16]
        mean = sum(w * place for place, w in votes) / sum(w for _, w in votes)
        assert said[tick].item() == pytest.approx(mean)


@pytest.mark.parametrize("length", [8, 16, 20, 44])
def test_joint_windows_take_any_length_and_prompt(length):
    seen = []
    together = longer.joint(watched(seen), CARD)
    x = bits(length)
    known = prompting.before(x, 4)
    found = prompting.paint(together, x, known, steps=2, generator=seeded())
    assert torch.equal(found[known], x[known]) and not torch.equal(found, x)
    assert {s.shape[-1] for s, _ in seen} == {min(length, WINDOW)}


# --- the picture ---------------------------------------------------------------------------------


def test_a_long_piece_is_drawn_in_rows():
    import matplotlib.pyplot as plt

    roll = np.zeros((56, 40 * 24), bool)
    roll[20, 36 * 24 :] = True
    axes = plotting.plot_rows(roll, beats_per_row=16)
    assert [ax.get_xlim() for ax in axes] == [(0, 16), (16, 32), (32, 48)]  # beats of one width
    assert [ax.child_axes[0].get_xticks().tolist() for ax in axes][2] == [32, 36]
    assert axes[2].child_axes[0].get_xticklabels()[0].get_text() == " 9"  # bars count on
    assert not axes[0].images[0].get_array().max() > 1 and axes[2].images[0].get_array().max() == 4
    plt.close("all")


# --- the command line ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    run = training.Run(TINY, 0.07, 56, torch.device("cpu"))
    weights.save(path, run.model, run.card)
    return str(path)


def run(tiny, *arguments):
    how = ["--model", tiny, "--steps", "2", "--sampler", "posterior", "--seed", "1"]
    return cli.main([str(a) for a in (*arguments, *how)])


@pytest.fixture
def piece(tmp_path):
    """Four beats in the violin, and a last note at beat 20."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=60.0)
    track = pretty_midi.Instrument(program=40, name="Violin")
    track.notes = [pretty_midi.Note(90, 60 + i, i, i + 1) for i in (0, 1, 2, 3, 20)]
    midi.instruments.append(track)
    midi.write(str(tmp_path / "piece.mid"))
    return tmp_path / "piece.mid"


def last_beat(path):
    return rolls.from_midi(rolls.read_midi(path)).shape[1] / rolls.TICKS


def test_generate_beats_writes_a_long_piece_with_its_picture(tiny, tmp_path, capsys):
    assert run(tiny, "generate", "--beats", 40, "-o", tmp_path / "long.mid", "--plot") == 0
    assert 39 < last_beat(tmp_path / "long.mid") <= 40
    from PIL import Image

    assert Image.open(tmp_path / "long.png").height > 435  # two rows, not one
    assert run(tiny, "generate", "--beats", 4, "-o", tmp_path / "short.mid") == 0
    assert last_beat(tmp_path / "short.mid") <= 4
    run(tiny, "generate", "-o", tmp_path / "usual.mid")
    run(tiny, "generate", "--beats", 16, "-o", tmp_path / "sixteen.mid")
    assert (tmp_path / "usual.mid").read_bytes() == (tmp_path / "sixteen.mid").read_bytes()
    capsys.readouterr()


def test_complete_beats_writes_on_past_the_window(tiny, piece, tmp_path):
    out = tmp_path / "out.mid"
    assert run(tiny, "complete", piece, "-o", out, "--keep", 4, "--beats", 32) == 0
    tracks = {i.name: i.notes for i in pretty_midi.PrettyMIDI(str(out)).instruments}
    assert [n.pitch for n in tracks["Violin"]] == [60, 61, 62, 63]  # beat 20 was not kept
    assert min(n.start for n in tracks["binolab"]) > 3.9
    assert 31 < last_beat(out) <= 32
    run(tiny, "complete", piece, "-o", out, "--beats", 32)  # all of it kept
    tracks = {i.name: i.notes for i in pretty_midi.PrettyMIDI(str(out)).instruments}
    assert len(tracks["Violin"]) == 5 and min(n.start for n in tracks["binolab"]) > 20.9


@pytest.mark.parametrize("beats", ["nan", "inf"])
def test_a_length_that_is_no_number_is_refused(beats, tiny, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:  # by the parser
        run(tiny, "generate", f"--beats={beats}", "-o", tmp_path / "x.mid")
    assert stopped.value.code == 2 and "--beats" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("beats", ["0", "-16", "7.5", "1e9"])
def test_a_length_that_is_not_whole_beats_is_refused(beats, tiny, tmp_path, capsys):
    assert run(tiny, "generate", f"--beats={beats}", "-o", tmp_path / "x.mid") == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("binolab: --beats must be a whole number") and "\n" not in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong, says", [
    (["--beats", 4, "--keep", 4], "--keep must be more than 0 and less than --beats"),
    (["--beats", 20], "the whole piece"),
    (["--beats", 32, "--at", 4], "--at"),
    (["--beats", 32, "--keep", 0], "--keep"),
    (["--at", 0], "--keep is needed"),
])
def test_completions_that_make_no_sense_are_refused(wrong, says, tiny, piece, tmp_path, capsys):
    assert run(tiny, "complete", piece, "-o", tmp_path / "x.mid", *wrong) == 2
    said = capsys.readouterr().err.strip()
    assert says in said and "\n" not in said and not (tmp_path / "x.mid").exists()
