"""A given piece: what comes back untouched, what the model is shown, and where it writes."""

import warnings
from collections import Counter
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import HOW, by_track, chords, counted, piece, signature, through, told, tune

import binolab
from binolab.compose import Remark, runs
from binolab.compose.task import highest, quantity
from binolab.music import meter, midi
from binolab.music.midi import Event, Note

CASES = Path(__file__).parents[1] / "music" / "cases"
REFUSED = {"smpte_25x40", "tick_9_million"}
FILES = sorted(p for p in CASES.glob("*.mid") if p.stem not in REFUSED)
NOTE = (0x80, 0x90)


def remarks(command, source, **asked):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made = through(command, source, **asked)
    return made, [str(w.message) for w in said if w.category is Remark]


quietly = partial(lambda *a, **k: remarks(*a, **k)[0])


def new_notes(made, source):
    given_ = len(midi.read(source).tracks)
    return [n for n in made.notes() if n.track >= given_]


# --- 1: the file comes back ----------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_harmony_adds_and_takes_nothing_away(path):
    before = midi.read(path)
    try:
        made = quietly(binolab.harmonize, path)
    except ValueError as error:
        assert "no room to write" in str(error) and path.stem == "melody_at_floor"
        return
    assert made.tracks[: len(before.tracks)] == midi.finer(before, 24).tracks
    assert new_notes(made, path)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_strength_0_is_the_same_file(path):
    made, before = quietly(binolab.vary, path, strength=0), midi.finer(midi.read(path), 24)
    assert (made.resolution, made.tracks, made.kind) == (
        before.resolution,
        before.tracks,
        before.kind,
    )


WRITES = {
    "complete": {"keep": 3.5},
    "infill": {"begin": 2, "end": 5.5},
    "vary": {"strength": 0.5, "at": 1, "beats": 4},
    "harmonize": {"replace": True},
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_only_notes_in_cells_that_were_to_be_written_differ(path, name):
    try:
        made = quietly(getattr(binolab, name), path, **WRITES[name])
    except ValueError as error:
        assert "no room to write" in str(error) and path.stem == "melody_at_floor"
        return
    before = midi.finer(midi.read(path), 24)
    for lost, got in by_track(made, path):
        assert {e.kind for e in [*lost, *got]} <= {*NOTE}
    grid = meter.grid(before, pickup="auto", least=16)
    first, last = {"complete": (84, 1e9), "infill": (48, 132), "vary": (24, 120)}.get(name, (0, 0))
    away = Counter(
        told(n)
        for n in before.notes()
        if name != "harmonize"
        and (grid.nearest(n.end) <= first and grid.nearest(n.start) < first
             or grid.nearest(n.start) >= last)
    )  # fmt: skip
    assert not away - Counter(told(n) for n in made.notes())
    kept = Counter(told(n) for n in before.notes())
    for note in made.notes():
        if not kept[told(note)] and name != "harmonize":
            assert grid.nearest(note.end) >= first - 1 and grid.nearest(note.start) < last


TIMES = st.tuples(st.integers(40, 84), st.integers(0, 3000), st.integers(0, 900))


@settings(max_examples=20)
@given(
    st.lists(TIMES, min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 2)), max_size=10),
    st.sampled_from(sorted(WRITES)),
    st.sampled_from([(4, 4), (6, 8), (7, 8), (3, 2)]),
)
def test_any_piece_comes_back_but_for_the_notes_of_free_cells(notes, others, name, meter_):
    """Overlaps, notes of no length, events at the ticks of notes: all as it was."""
    kinds = (b"\xb0\x40\x7f", b"\xe0\x00\x40", b"\xff\x05\x02la")
    events = [signature(0, *meter_), *(Event(tick, kinds[kind]) for tick, kind in others)]
    source = piece(
        [(p, s / 480, (s + d) / 480) for p, s, d in notes[::2]],
        [(p, s / 480, (s + d) / 480) for p, s, d in notes[1::2]],
        told=events,
        last=12,
    )
    try:
        made = quietly(getattr(binolab, name), source, **WRITES[name])
    except ValueError as error:
        assert "the piece" in str(error)
        return
    before = midi.read(source)
    for lost, got in by_track(made, source):
        assert {e.kind for e in [*lost, *got]} <= {*NOTE}
    assert midi.parse(made.bytes()).tracks == made.tracks
    assert quietly(binolab.vary, source, strength=0).tracks == before.tracks


def test_notes_off_the_grid_are_cut_by_no_new_note():
    """A kept note ends a little late and the next begins a little early, as played music does:
    what a player hears of them, whose note-off ends every note of its pitch, is as it was."""
    source = piece([(36, 0, 1.015), (36, 2.985, 4), (60, 0, 16)], [(84, 0, 16)])
    made = quietly(
        binolab.infill, source, begin=1, end=3, model=chords(rows=(3,), length=24), pickup=0
    )
    low = sorted((n for n in made.notes() if n.pitch == 36), key=lambda n: n.start)
    assert [n.start for n in low if n.velocity and n.end > n.start][0] == 0
    assert all(a.end <= b.start for a, b in zip(low, low[1:])) and len(low) > 2
    assert {(n.start, n.end) for n in low} >= {(0, 487), (1433, 1920)}


def test_two_that_play_the_same_note_stop_together():
    source = piece([(60, 0, 8)], [(60, 0, 8)], [(84, 0, 16)])
    made = quietly(binolab.complete, source, keep=4, model=chords(rows=()))
    assert [n.end for n in made.notes() if n.pitch == 60] == [4 * 480, 4 * 480]


# --- 3: the range --------------------------------------------------------------------------------


def test_what_is_out_of_range_is_carried_along_and_said():
    source = piece(tune(*[72] * 32), [(20, 0, 4), (110, 4, 8)])
    made, said = remarks(binolab.vary, source, strength=1)
    assert said == ["the piece: 2 notes outside MIDI 33 to 88 are kept, and not shown to the model"]
    left = {told(n) for n in made.notes()}
    assert {told(n) for n in midi.read(source).notes() if n.track == 1} <= left
    assert not {72} & {n.pitch for n in made.notes() if n.track == 0}


@pytest.mark.parametrize("octaves, far", [(0, 0), (2, -1), (3, -2), (-3, 1)])
def test_a_tune_out_of_range_is_moved_by_octaves_and_back(octaves, far):
    line = [72 + 12 * octaves + i % 5 for i in range(16)]
    made, said = remarks(binolab.harmonize, piece(tune(*line)))
    assert [n.pitch for n in made.notes() if n.track == 0] == line
    assert said == (
        [f"the piece: moved by {12 * far:+} semitones for the model, and back"] if far else []
    )
    new = {n.pitch for n in made.notes() if n.track}
    assert new <= {33 - 12 * far + row for row in (0, 7, 12, 16)} and new


@settings(max_examples=15)
@given(st.lists(st.integers(0, 127), min_size=1, max_size=8), st.sampled_from(["auto", 24, "-24"]))
def test_no_new_note_lies_outside_the_piano(line, transpose):
    source = piece(tune(*line))
    every = chords(rows=range(0, 56, 5))
    for command, asked in ((binolab.vary, {"strength": 1}), (binolab.harmonize, {"rests": "fill"})):
        try:
            made = quietly(command, source, transpose=transpose, model=every, **asked)
        except ValueError as error:
            assert "no room" in str(error) or "no row" in str(error)
            continue
        assert {n.pitch for n in new_notes(made, source)} <= {*range(21, 109)}


def test_that_there_is_no_room_is_said():
    for source, more in (
        (piece(tune(21, 21)), {}),
        (piece(tune(72, 72), [(p, 0, 2) for p in range(21, 72)]), {}),
        (piece(tune(72, 72)), {"transpose": -39}),
        (piece(tune(60)), {"transpose": 60}),
    ):
        with pytest.raises(ValueError, match="the piece: .* (no room|no row).*`transpose`"):
            quietly(binolab.harmonize, source, **more)
    beside = piece(tune(72, 72), [(p, 1, 2) for p in range(33, 72)])
    made, said = remarks(binolab.harmonize, beside)  # in the first beat there is
    assert {n.start for n in made.notes() if n.track > 1} == {0} and not said


# --- 4: which notes are given --------------------------------------------------------------------

BAND = piece(
    [(48 + 12 * (i % 2), i, i + 1, 2) for i in range(16)],
    [(64 + i % 5, i, i + 1, 0) for i in range(16)],
    [(36, i, i + 0.1, 9) for i in range(16)],
    [(88 - i % 3, i, i + 1, 4) for i in range(8)],
    names=["Bass", "Voice", "Kit", "Flute"],
)


@pytest.mark.parametrize("melody", ["Voice", 2, "2"])
def test_the_melody_is_named_or_numbered_among_the_tracks_with_notes(melody):
    made = quietly(binolab.harmonize, BAND, melody=melody)
    assert made.tracks[:4] == midi.read(BAND).tracks
    new = new_notes(made, BAND)
    sung = {n.start: n.pitch for n in midi.read(BAND).notes() if n.track == 1}
    assert new and all(n.pitch < sung[n.start] for n in new)
    names = [made.name(k) for k in range(4, len(made.tracks))]
    assert names == [v for v in ("Soprano", "Alto", "Tenor", "Bass") if v in names]


def test_a_track_that_there_is_not_is_answered_with_those_that_there_are():
    for melody in ("Kit", 4, 0, "violin"):
        with pytest.raises(ValueError, match=r"\(1 Bass, 2 Voice, 3 Flute\), got " + str(melody)):
            quietly(binolab.harmonize, BAND, melody=melody)


def test_in_a_file_of_one_track_the_channels_are_the_tracks():
    both = [(52 + i % 5, i, i + 1, 3) for i in range(16)] + [(36, i, i + 4, 5) for i in (0, 4, 8)]
    source = piece([*both, (36, 0, 1, 9)], kind=0)
    low = quietly(binolab.harmonize, source, melody=2)
    assert {n.pitch for n in low.notes() if n.track} == {21, 28, 33} and low.kind == 1
    assert max(n.end for n in low.notes() if n.track) <= 12 * 480  # where the tune ends
    assert low.tracks[0] == midi.read(source).tracks[0]
    on = quietly(binolab.complete, source, keep=8)  # as two hands of a piano
    assert len(on.tracks) == 1 and on.kind == 0
    assert {n.channel for n in on.notes() if n.start >= 8 * 480} == {3, 5}


def test_all_other_notes_stay_unless_they_are_to_be_written_anew():
    source = piece(tune(*[76, 77] * 8), [(36, 0, 8), (52, 8, 16)], [(20, 0, 16)])
    kept, said = remarks(binolab.harmonize, source)
    assert kept.tracks[:3] == midi.read(source).tracks
    assert len(said) == 1 and "outside MIDI" in said[0]  # and none were removed
    new, said = remarks(binolab.harmonize, source, replace=True)
    assert "the piece: 2 notes below the melody are removed, and written anew" in said
    assert [t for k, t in enumerate(new.tracks[:3]) if k != 1] == [
        t for k, t in enumerate(midi.read(source).tracks) if k != 1
    ]
    assert not [n for n in new.notes() if n.track == 1]
    _, said = remarks(binolab.harmonize, piece(tune(72, 74)), replace=True)
    assert not said


def test_replace_takes_only_what_lies_in_the_part_that_is_written():
    source = piece(tune(*[76] * 24), [(48, i, i + 1) for i in range(24)])
    made, said = remarks(binolab.harmonize, source, replace=True, at=4, beats=8)
    assert said == ["the piece: 8 notes below the melody are removed, and written anew"]
    assert {n.start // 480 for n in made.notes() if n.track == 1} == {*range(4), *range(12, 24)}
    assert {n.start // 480 for n in new_notes(made, source)} == {*range(4, 12)}


@pytest.mark.parametrize(
    "rests, where", [("lead", {*range(4, 16)}), ("keep", {4, 5, 6, 7, 12}), ("fill", {*range(16)})]
)
def test_where_the_tune_rests(rests, where):
    """Four beats before it, and four inside it; it ends with half a beat's rest."""
    source = piece(tune(72, 74, 76, 77, start=4) + [(72, 12, 15.5)])
    made = quietly(binolab.harmonize, source, rests=rests)
    starts = {n.start / 480 for n in made.notes() if n.track}
    assert where <= starts <= {*range(16)} and (rests == "fill" or min(starts) == 4)
    if rests == "keep":
        assert not starts & {0, 1, 2, 3, 8, 9, 10, 11}


@pytest.mark.parametrize("name", ["silence_first_20", "eighth_pickup_44", "jig_68"])
def test_no_note_comes_before_the_tune(name):
    path = CASES / f"{name}.mid"
    first = min(n.start for n in midi.read(path).notes())
    assert min(n.start for n in new_notes(quietly(binolab.harmonize, path), path)) >= first


def simply_highest(notes):
    """`highest`, the slow and plain way."""
    found = []
    for i, note in enumerate(notes):
        sounding = [n for n in notes[:i] if n.end > note.start]
        if all(n.pitch <= note.pitch for n in sounding):
            found = [n for n in found if n.start < note.start] + [note]
    return found


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(60, 66), st.integers(0, 5)), max_size=12))
def test_the_highest_line_fast_and_slow(spans):
    spans.sort()
    notes = [Note(0, 0, p, 80, s, s + d, i, None) for i, (s, p, d) in enumerate(spans)]
    assert highest(notes) == simply_highest(notes)


# --- 5: meter and place --------------------------------------------------------------------------

METERS = {  # quarter notes between the beats
    (2, 4): 1, (3, 4): 1, (4, 4): 1, (6, 8): 1.5, (9, 8): 1.5, (12, 8): 1.5, (2, 2): 2, (3, 2): 2,
    (5, 8): 0.5, (7, 8): 0.5,
}  # fmt: skip


@pytest.mark.parametrize("signature_", METERS, ids=lambda s: f"{s[0]}-{s[1]}")
@pytest.mark.parametrize("pickup", [0, 0.5, 1])
def test_a_harmony_lies_on_the_beats_of_the_meter(signature_, pickup):
    """The pickup is told by a short first bar, or by the option."""
    unit, n = METERS[signature_], signature_[0] * 4 / signature_[1]
    line = tune(*[72, 76, 74, 77] * 6, length=n / 3, start=pickup)
    line = ([(71, 0, pickup)] if pickup else []) + line
    short = [signature(0, int(2 * pickup), 8)] if pickup else []
    source = piece(line, told=[*short, signature(round(480 * pickup), *signature_)])
    option = piece(line, told=[signature(0, *signature_)])
    for made in (
        quietly(binolab.harmonize, source),
        quietly(binolab.harmonize, option, pickup=pickup),
    ):
        new = [n for n in made.notes() if n.track]
        on = [(n.start / 480 - pickup) % unit in (0, unit) for n in new if n.start]
        assert len(new) > 20 and np.mean(on) == 1


def test_a_beat_of_one_s_own():
    made = quietly(binolab.harmonize, piece(tune(*[72] * 16)), beat="2", pickup=0)
    assert {n.start / 480 % 2 for n in made.notes() if n.track} == {0}
    with pytest.raises(ValueError, match="`beat` must be a note value"):
        quietly(binolab.harmonize, piece(tune(72)), beat="x")


def test_the_meter_changes_from_bar_to_bar():
    told_ = [(0, 4, 4), (1920, 6, 8), (3360, 3, 4), (4800, 7, 8), (6480, 2, 2)]
    source = piece(tune(*[72 + i % 7 for i in range(36)], length=0.5), told=[
        signature(*one) for one in told_
    ])  # fmt: skip
    made = quietly(binolab.harmonize, source)
    starts = {n.start for n in made.notes() if n.track}
    assert starts >= {tick for tick, *_ in told_}
    assert starts == {
        *range(0, 1920, 480),
        *range(1920, 3360, 720),
        *range(3360, 4800, 480),
        *range(4800, 6480, 240),
        *range(6480, 8640, 960),
    }


@pytest.mark.parametrize(
    "how, first", [({"at": "bar:3"}, 8), ({"at": 8}, 8), ({"at": "7/2"}, 3.5), ({"at": 2.5}, 2.5)]
)
def test_work_begins_at_a_bar_or_at_a_part_of_a_beat(how, first):
    """... and what is written lies on the beats all the same."""
    source = piece(tune(*[76, 72] * 20))
    made = quietly(binolab.vary, source, strength=1, pickup=0, **how)
    new = {n.start / 480 for n in made.notes() if n.track}
    assert new >= {*range(int(first) + 1, int(first) + 16)} and new <= {*range(40)} | {first}
    assert {n.start / 480 for n in made.notes() if not n.track} == {
        *range(-int(-first // 1)), *range(int(first) + 16, 40)
    }  # fmt: skip


@pytest.mark.parametrize("pickup", [0, 0.5, 1, 1.5, 3])
def test_bar_1_is_the_first_whole_one(pickup):
    """By the option, by the file, and heard by ear where it is less than a beat."""
    line = [(71, 0, pickup)] if pickup else []
    line += tune(*[76, 72] * 16, start=pickup)
    bar = {"at": "bar:2", "beats": 4, "strength": 1}
    told_ = [signature(0, int(2 * pickup), 8)] if pickup else []
    ways = [({}, [*told_, signature(round(480 * pickup), 4, 4)]), ({"pickup": pickup}, [])]
    if pickup < 1:
        ways += [({}, [])]
        ways += [({"pickup": pickup}, [signature(round(480 * (pickup + 12)), 3, 4)])]
    for more, events in ways:
        made = quietly(binolab.vary, piece(line, told=events), **bar, **more)
        starts = {n.start / 480 for n in made.notes() if n.track}
        assert starts == {pickup + k for k in range(4, 8)}, (more, events)


@pytest.mark.parametrize("pickup", ["-1", "x", "nan", 1e300, "1e999999999", "1/0"])
def test_a_pickup_that_is_none_is_refused(pickup):
    with pytest.raises(ValueError, match="`pickup` must be auto, or 0 to 100 quarter notes"):
        quietly(binolab.vary, piece(tune(72)), pickup=pickup)


@pytest.mark.parametrize(
    "typed, number",
    [("0.7", (7, 10)), ("3/2", (3, 2)), (1.25, (5, 4)), ("1e-999999999", (0, 1))],
)
def test_a_number_is_what_is_typed(typed, number):
    assert quantity(typed) == Fraction(*number)


# --- 6: whole pieces -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["harmonize", "vary", "infill", "complete"])
def test_a_whole_piece_costs_a_window_for_each_half_of_one(name):
    """... and no more is shown to the network at once than a window."""
    cost = {}
    for beats in (64, 128, 256):
        model, calls = counted(chords())
        source = piece(tune(*[76, 72] * (beats // 2)))
        asked = {"infill": {"begin": 0, "end": beats}, "complete": {"keep": 8}}.get(name, {})
        made = quietly(getattr(binolab, name), source, model=model, **asked)
        assert {shape for shape in calls} == {(1, 1, 56, 384)}
        assert max(n.start for n in made.notes() if n.track) >= (beats - 1) * 480
        cost[beats] = len(calls)
    assert cost[64] in (7, 8) and cost[256] - cost[128] == 2 * (cost[128] - cost[64]) == 16


def test_a_part_is_written_and_no_more():
    model, calls = counted(chords())
    source = piece(tune(*[76, 72] * 64))
    quietly(binolab.infill, source, model=model, begin=60, end=64)
    assert len(calls) == 1


def test_many_notes_take_their_time_and_no_more():
    """Twenty thousand of them, and sixteen clusters of all keys: seconds, not minutes."""
    import time

    fast = piece([(60 + i % 20, i / 64, i / 64 + 0.1) for i in range(20_000)])
    begun = time.process_time()
    quietly(binolab.harmonize, piece([(p, b, b + 1) for b in range(16) for p in range(40, 109)]),
            replace=True)  # fmt: skip
    quietly(binolab.infill, piece([(p, b, b + 1) for b in range(16) for p in range(21, 109)]),
            begin=1, end=3)  # fmt: skip
    quietly(binolab.infill, fast, begin=1, end=3)
    assert time.process_time() - begun < 15


# --- odd pieces ----------------------------------------------------------------------------------

ODD = {
    "one note": piece([(60, 0, 1)]),
    "one late note": piece([(60, 100, 100.01)]),
    "one note of no length": piece([(60, 0, 0)]),
    "the lowest and the highest": piece([(0, i, i + 1) for i in range(4)], [(127, 0, 16)]),
    "drums and one note": piece([(36, i / 2, i / 2 + 0.1, 9) for i in range(32)], [(72, 3, 4)]),
    "notes over themselves": piece([(72, 0, 4), (72, 1, 2), (72, 1, 6), (72, 2, 3), (72, 8, 16)]),
    "one channel in three tracks": piece([(72, 0, 8, 0)], [(60, 0, 4, 0)], [(72, 2, 9, 0)]),
    "a clock of one tick": piece(tune(72, 74, 76), resolution=1),
    "the slowest": piece(tune(72, 74, 76), told=[midi.meta(0, 0x51, b"\xff\xff\xff")]),
    "the fastest": piece(tune(72, 74, 76), told=[midi.meta(0, 0x51, b"\0\0\1")]),
    "255/64": piece(tune(72, 74, 76), told=[signature(0, 255, 64)]),
    "a meter in the middle of a beat": piece(tune(*[72] * 9), told=[
        signature(777, 7, 8), signature(778, 3, 4), signature(1000, 6, 8)
    ]),
    "all channels": piece(*[[(60 + k, 0, 4, k), (72 - k, 4, 8, k)] for k in range(16)]),
    "tracks one after another": piece(tune(72), tune(74)).replace(b"\0\6\0\1", b"\0\6\0\2"),
    "silence after it": piece(tune(72, 74, 76), last=900),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_pieces_go_through_every_command(name):
    source = ODD[name]
    for command, asked in (
        ("harmonize", {}),
        ("harmonize", {"replace": True, "rests": "fill"}),
        ("complete", {"keep": 0.5}),
        ("infill", {"begin": "1/3", "end": 2}),
        ("vary", {"strength": 1}),
        ("vary", {"strength": 0}),
    ):
        made = quietly(getattr(binolab, command), source, **asked)
        for lost, got in by_track(made, source):
            assert {e.kind for e in [*lost, *got]} <= {*NOTE}
            assert command != "harmonize" or asked or not lost + got
        assert {n.pitch for n in new_notes(made, source)} <= {*range(21, 109)}
        assert made.pretty()


def test_a_fault_is_told_alone_and_names_the_piece(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="the piece: there is no room"):
            through(binolab.harmonize, piece(tune(21, 21)))
        with pytest.raises(ValueError, match="^the piece: the file is empty"):
            through(binolab.harmonize, b"")
        (tmp_path / "x.mid").write_bytes(b"")
        with pytest.raises(ValueError, match="/x.mid: the file is empty"):
            through(binolab.harmonize, tmp_path / "x.mid")


def test_a_piece_of_pretty_midi_that_is_no_file_is_refused_in_one_line():
    import pretty_midi

    for wrong in ({"resolution": 60_000}, {"initial_tempo": 1.0}, {}):
        given_ = pretty_midi.PrettyMIDI(**wrong)
        track = pretty_midi.Instrument(0)
        track.notes = [pretty_midi.Note(80, 60 if wrong else 60.5, 0, 1)]
        given_.instruments.append(track)
        with pytest.raises(ValueError, match="^the piece: the PrettyMIDI cannot be a file"):
            through(binolab.vary, given_)


@pytest.mark.parametrize("semitones", [-120, 10**6, "99999999999999999999"])
def test_a_piece_is_not_moved_beyond_the_piano(semitones):
    for command in (binolab.vary, binolab.harmonize):
        with pytest.raises(
            ValueError, match=f"`transpose` .?{abs(int(semitones))} leaves the model no"
        ):
            command(piece(tune(60, 62)), transpose=semitones, **HOW, model=chords())


def test_that_a_score_has_no_drums_is_said(tmp_path):
    source = piece(tune(60, 62), [(36, 0, 1, 9)])
    for ending, is_told in (("musicxml", True), ("mid", False)):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            binolab.vary(source, tmp_path / f"a.{ending}", **HOW, model=chords())
        assert any("drums are left out" in str(one.message) for one in said) == is_told


def test_a_remark_is_python_s_and_names_the_line_that_called():
    with pytest.warns(Remark) as said:
        binolab.harmonize(piece(tune(*[100] * 8)), **HOW, model=chords())
    assert said[0].filename == __file__


def test_runs():
    import torch

    mask = torch.tensor([True, False, True, True])
    assert runs(mask) == [(0, 1), (2, 4)] and runs(~mask) == [(1, 2)]
