"""Beats: what one taps the foot to, and where the bars are."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from binolab.music import meter, midi
from binolab.music.midi import Event

CASES = Path(__file__).parent / "cases"
BEATS = {  # of time signatures, in quarter notes
    (4, 4): 1, (3, 4): 1, (2, 4): 1, (6, 4): 1, (2, 2): 2, (3, 2): 2, (4, 2): 2,
    (6, 8): 1.5, (9, 8): 1.5, (12, 8): 1.5, (3, 8): 1.5, (6, 16): 0.75, (5, 8): 0.5, (7, 8): 0.5,
    (4, 8): 1, (2, 8): 1, (5, 4): 1,
}  # fmt: skip


def piece(*signatures, notes=((0, 480),), resolution=480):
    """A file of time signatures (tick, numerator, denominator) and notes (start, length)."""
    made = midi.Midi(resolution)
    told = [
        midi.meta(t, midi.SIGNATURE, bytes([n, d.bit_length() - 1, 24, 8]))
        for t, n, d in signatures
    ]
    played = sorted(
        e
        for start, length in notes
        for e in (Event(start, b"\x90\x3c\x50"), Event(start + length, b"\x80\x3c\x00"))
    )
    last = max(e.tick for e in [*told, *played])
    made.tracks = [
        [*told, Event(last, midi.END_OF_TRACK)],
        [*played, Event(last, midi.END_OF_TRACK)],
    ]
    return made


@pytest.mark.parametrize("signature", BEATS)
def test_the_beat_is_that_of_the_time_signature(signature):
    grid = meter.grid(piece((0, *signature), notes=[(0, 9600)]))
    assert set(np.diff(grid.beats)) == {int(480 * BEATS[signature])}
    assert grid.thirds.all() == (signature[0] % 3 == 0 and signature[1] >= 8)


@pytest.mark.parametrize(
    "pickup, meter_, beats",
    [
        ((1, 8), (4, 4), [-240, 240, 720]),
        ((1, 4), (4, 4), [0, 480, 960]),
        ((3, 8), (4, 4), [-240, 240, 720]),
        ((1, 8), (6, 8), [-480, 240, 960]),
        ((1, 16), (3, 4), [-360, 120, 600]),
        ((2, 4), (3, 4), [0, 480, 960]),
    ],
)
def test_a_pickup_ends_where_its_bar_ends(pickup, meter_, beats):
    first = 4 * 480 * pickup[0] // pickup[1]
    grid = meter.grid(piece((0, *pickup), (first, *meter_), notes=[(0, first), (first, 2400)]))
    assert grid.beats[:3].tolist() == beats and first in grid.beats
    assert grid.bars[0] == first  # bar 1 is the first whole one


@pytest.mark.parametrize(
    "signature, late", [((4, 4), 240), ((4, 4), 120), ((6, 8), 240), ((6, 8), 480), ((3, 4), 240)]
)
def test_a_pickup_that_is_not_told_of_is_heard(signature, late):
    unit = 720 if signature == (6, 8) else 480
    notes = [(0, late), *((late + k * unit, unit) for k in range(16))]
    grid = meter.grid(piece((0, *signature), notes=notes), pickup="auto")
    told = meter.grid(piece((0, *signature), notes=notes), pickup=Fraction(late, 480))
    assert told.beats.tolist() == grid.beats.tolist()
    assert meter.grid(piece((0, *signature), notes=notes)).beats[0] == 0
    assert late in grid.beats and grid.beats[0] == late - unit
    on_the_beat = [(k * unit, unit) for k in range(16)]
    assert meter.grid(piece((0, *signature), notes=on_the_beat), pickup="auto").beats[0] == 0


def test_eighth_notes_are_no_pickup():
    notes = [(k * 240, 240) for k in range(32)]
    assert meter.grid(piece((0, 4, 4), notes=notes), pickup="auto").beats[0] == 0


def test_the_meter_may_change_inside_a_piece():
    grid = meter.grid(piece((0, 4, 4), (3840, 6, 8), (6720, 3, 4), notes=[(0, 9600)]))
    assert grid.beats.tolist() == [
        *range(0, 3840, 480),
        *range(3840, 6720, 720),
        *range(6720, 9601, 480),
    ]
    assert grid.bars == (0, 1920, 3840, 5280, 6720, 8160)


SIGNATURES = st.lists(
    st.tuples(st.integers(1, 4000), st.integers(1, 12), st.sampled_from([2, 4, 8, 16])), max_size=4
)


@given(SIGNATURES, st.sampled_from([24, 96, 480, 960]), st.integers(0, 20_000))
def test_the_grid_and_back_for_any_meter(changes, resolution, tick):
    told, now = [], 0
    for wait, n, d in changes:
        told.append((now, n, d))
        now += wait
    grid = meter.grid(piece(*told or [(0, 4, 4)], notes=[(0, 24_000)], resolution=resolution))
    assert (np.diff(grid.beats) > 0).all() and grid.beats[0] <= 0
    assert grid.beats[-1] >= 24_000 and len(grid) == 24 * (len(grid.beats) - 1)
    wide = [i for i, n in enumerate(np.diff(grid.beats)) if n >= 24]
    for beat in wide[:3] + wide[-3:]:
        for place in range(24 * beat, 24 * beat + 25):
            assert grid.nearest(grid.tick(place)) == place
    at = grid.at(min(tick, int(grid.beats[-1])))
    assert 0 <= at <= len(grid)


def test_a_grid_is_as_long_as_is_asked():
    assert len(meter.grid(piece((0, 4, 4)), least=100)) == 2400


@pytest.mark.parametrize(
    "text, value",
    [("4", 1), ("4.", 1.5), ("2", 2), ("2.", 3), ("8", 0.5), ("8.", 0.75), ("16", 0.25), ("1", 4)],
)
def test_a_beat_is_named_as_in_print(text, value):
    assert meter.named(text) == Fraction(value)
    grid = meter.grid(piece((0, 4, 4), notes=[(0, 9600)]), beat=meter.named(text))
    assert set(np.diff(grid.beats)) == {int(480 * value)}


@pytest.mark.parametrize("text", ["", "3", "4..", "quarter", "0", "-4"])
def test_what_is_no_note_value_is_refused(text):
    with pytest.raises(ValueError, match="must be a note value"):
        meter.named(text)


def test_the_cases_fall_on_their_beats():
    for name, first in (("eighth_pickup_44", 0.5), ("jig_68", 0.0), ("silence_first_20", 20.0)):
        told = midi.read(CASES / f"{name}.mid")
        grid = meter.grid(told)
        places = [grid.nearest(n.start) / 24 for n in told.notes()]
        assert places[0] == first and np.mean([p % 1 == 0 for p in places]) > 0.3
