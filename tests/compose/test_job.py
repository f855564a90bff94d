"""What comes out: voices, programs, velocities, scores, the best of several."""

import io
from itertools import combinations

import numpy as np
import pretty_midi
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import HOW, chords, counted, piece, signature, through, tune

import binolab
from binolab.compose.job import VOICES, _velocities
from binolab.music import keys, midi, rolls, voices
from binolab.music.editing import New
from binolab.music.midi import Event, Note

LINE = tune(*[76, 77, 79, 77] * 4)


def by_voice(made, first=1):
    """The new notes of each voice's track."""
    found = {made.name(k): [] for k in range(first, len(made.tracks))}
    for n in made.notes():
        if n.track >= first:
            found[made.name(n.track)].append(n)
    return found


# --- 7: tracks, sounds, velocities ---------------------------------------------------------------


@settings(max_examples=20)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=9, unique=True))
def test_voices_are_tracks_in_order_from_high_to_low(rows):
    """However many notes sound at once: none lies above one of a voice that is above its own."""
    made = through(binolab.harmonize, piece(LINE), model=chords(rows=rows))
    found = by_voice(made)
    assert [v for v in VOICES if v in found] == [*found]
    for start in {n.start for notes in found.values() for n in notes}:
        own = [[n.pitch for n in notes if n.start == start] for notes in found.values()]
        own = [pitches for pitches in own if pitches]
        assert all(min(a) > max(b) for a, b in zip(own, own[1:])), own
    if len(rows) <= 3:  # the melody is the soprano
        assert len(found) == len(rows) and all(len(notes) == 16 for notes in found.values())
        assert "Soprano" not in found


def split_slowly(notes, given_, last):
    """`voices._assigned`, by trying all ways."""
    until = [0] * len(last)
    for start in sorted({n[1] for n in notes}):
        new = sorted((n for n in notes if n[1] == start), reverse=True)
        held = [v for v in range(len(last)) if until[v] > start]
        free = [v for v in range(len(last)) if v not in held]
        on = [last[v] for v in held]
        counted_ = [voices._counted(row, start, given_, new, on, len(last)) for row, *_ in new]

        def cost(pairs):
            total = 0.0
            for i, v in pairs:
                row = new[i][0]
                total += abs(row - last[v])
                total += voices.CROSSED * sum(
                    (row > last[h]) != (v < h) for h in held if row != last[h]
                )
                total += 0 if counted_[i] is None else voices.COUNTED * abs(v - counted_[i])
            return total

        most = min(len(new), len(free))
        chosen = combinations(range(len(new)), most)
        ways = [list(zip(some, order)) for some in chosen for order in combinations(free, most)]
        for i, v in min(ways, key=cost):
            last[v], until[v] = new[i][0], new[i][2]
            yield v, new[i]


@given(st.integers(0, 2**31), st.integers(2, 5))
def test_voices_are_assigned_fast_as_by_trying_all_ways(seed, several):
    rng = np.random.default_rng(seed)
    roll = np.repeat(rng.random((12, 8)) < rng.choice([0.15, 0.4]), 3, 1)
    told = np.repeat(rng.random((12, 8)) < 0.5, 3, 1) if rng.random() < 0.5 else roll & False
    middle = [*map(int, np.linspace(11, 0, several))]
    notes = rolls.notes(roll)
    assert list(voices._assigned(notes, told, [*middle])) == list(
        split_slowly(notes, told, [*middle])
    )


def test_new_tracks_have_the_program_of_the_given_one_and_a_channel_of_their_own():
    source = piece(LINE, [(36, 0, 1, 9)], told=[Event(0, b"\xc0\x28")])
    for more, program in ({}, 40), ({"program": 19}, 19):
        made = through(binolab.harmonize, source, **more)
        sounds = [made.programs(k) for k in range(2, len(made.tracks))]
        assert sounds and all(list(s.values()) == [program] for s in sounds)
        assert not {0, 9} & {c for s in sounds for c in s}
    with pytest.raises(ValueError, match="`program` must be 0 to 127, got 128"):
        through(binolab.harmonize, source, program=128)


def test_a_program_asked_for_brings_tracks_of_its_own_into_a_piece_of_several():
    source = piece([(76, 0, 4)], [(40, 0, 4)])
    tracks = len(midi.read(source).tracks)
    for program in (None, 73):
        made = through(binolab.complete, source, keep=1, beats=4, seed=3, program=program)
        new = [made.programs(k) for k in range(tracks, len(made.tracks))]
        assert bool(new) == (program is not None)
        assert all(list(sounds.values()) == [73] for sounds in new)
        old = [note for note in made.notes() if note.track < tracks]
        assert (len(old) == 2) == (program is not None)


@pytest.mark.parametrize("program, channel", [(None, 0), (23, 3), (99, 0)])
def test_where_no_channel_is_free_every_given_one_keeps_its_sound(program, channel):
    lines = [[(pitch, *rest, c) for pitch, *rest in LINE] for c in range(16)]
    told = [Event(0, bytes([0xC0 | c, 20 + c])) for c in range(16)]
    source = piece(*lines, told=told)
    made = through(binolab.harmonize, source, program=program)
    new = [e for track in made.tracks[16:] for e in track if e.kind < 0xF0]
    assert {(e.kind, e.data[0] & 15) for e in new} == {(0x80, channel), (0x90, channel)}
    assert made.tracks[:16] == midi.read(source).tracks


def test_new_notes_are_as_loud_as_the_given_ones():
    source = piece([(76, i, i + 1, 0, 20 + 6 * i) for i in range(16)])
    made = through(binolab.harmonize, source)
    new = [n for n in made.notes() if n.track]
    assert new and all(n.velocity == 20 + 6 * (n.start // 480) for n in new)
    on = through(binolab.complete, source, beats=24)  # past the end: as the last
    assert {n.velocity for n in on.notes() if n.start >= 16 * 480} == {110}


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 127)), min_size=1),
    st.integers(0, 20),
)
def test_how_loud_a_note_is_fast_and_slow(given_, start):
    notes = [Note(0, 0, 60, v, s, s + d, 0, 0) for s, d, v in sorted(given_)]
    now = [n.velocity for n in notes if n.start <= start < n.end]
    before = [n.velocity for n in notes if n.start <= start] or [notes[0].velocity]
    expected = round(float(np.mean(now))) if now else before[-1]
    assert _velocities(notes)(New(60, start, start + 1)) == expected


@pytest.mark.parametrize("name", ["complete", "infill", "vary"])
def test_two_hands_go_on_in_their_two_tracks(name):
    asked = {"complete": {"keep": 8}, "infill": {"begin": 8, "end": 12}, "vary": {"strength": 1}}
    source = piece(LINE, [(40 + i % 3, i, i + 1, 5) for i in range(16)], names=["Right", "Left"])
    model = chords(rows=(3, 12, 40, 44))
    made = through(getattr(binolab, name), source, model=model, **asked[name])
    assert [made.name(k) for k in range(len(made.tracks))] == ["Right", "Left"]
    new = [n for n in made.notes() if 8 * 480 <= n.start < 12 * 480]
    assert {(n.track, n.channel, n.pitch) for n in new} == {
        (0, 0, 77), (0, 0, 73), (1, 5, 36), (1, 5, 45)
    }  # fmt: skip


def test_a_piece_of_one_track_gets_voices():
    made = through(binolab.complete, piece(LINE), keep=8)
    assert {*by_voice(made)} <= {*VOICES} and len(made.tracks) > 1
    assert made.tracks[0][:-1] == midi.read(piece(LINE)).tracks[0][:16]  # eight notes


# --- scores --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["musicxml", "mxl"])
@pytest.mark.parametrize("meter_", [(4, 4), (6, 8), (3, 4), (7, 8)])
def test_a_score_is_read_again_by_music21(ending, meter_, tmp_path):
    from music21 import converter

    told = [signature(0, *meter_), midi.meta(0, midi.KEY, b"\xfd\x01")]
    source = piece(tune(*[75, 72, 74, 77] * 6), told=told, names=["Tune"])
    out = tmp_path / f"out.{ending}"
    binolab.harmonize(source, out, **HOW, model=chords())
    made, score = through(binolab.harmonize, source), converter.parse(out)
    names = [part.partName for part in score.parts]
    assert names == ["Tune", *by_voice(made)]
    for k, part in enumerate(score.parts):
        found = part.recurse()
        (one,) = list(found.getElementsByClass("TimeSignature"))
        (key,) = list(found.getElementsByClass("KeySignature"))
        assert (one.numerator, one.denominator) == meter_ and key.sharps == -3
        found = [
            (note.pitch.midi, float(note.offset), float(note.quarterLength))
            for note in part.stripTies().flatten().notes
        ]
        own = [n for n in made.notes() if n.track == k]
        assert found == [(n.pitch, n.start / 480, (n.end - n.start) / 480) for n in own]
    assert sorted(p.name for p in tmp_path.iterdir()) == [out.name]


@pytest.mark.parametrize("ending", ["musicxml", "mxl"])
def test_silence_is_a_score_too(ending, tmp_path):
    from music21 import converter

    binolab.generate(tmp_path / f"a.{ending}", **HOW, model=chords(rows=()))
    assert not converter.parse(tmp_path / f"a.{ending}").flatten().notes


# --- parallels -----------------------------------------------------------------------------------


def careless(moves=4):
    """A model that writes fifths in parallel from beat to beat; asked again, it stands still."""

    def network(x_t, alpha_bar_t, known=None):
        sure, steps = torch.full_like(x_t, 0.001), not known.any()
        for beat in range(x_t.shape[-1] // 24):
            for row in (0, 7, 16, 21):
                up = 2 * (beat % 2) if steps and beat < moves else 0
                sure[..., row + up, 24 * beat : 24 * beat + 24] = 0.999
        return sure

    return chords().__class__(network, chords().card)


@pytest.mark.parametrize("revise, stands", [(0, False), (1, True), (3, True), (None, False)])
def test_parallels_are_written_anew_when_asked(revise, stands):
    """`None` asks for it where a model writes voices, and this one does not."""
    made = binolab.generate(model=careless(), revise=revise, **HOW)
    assert ({n.pitch for i in made.instruments for n in i.notes} == {33, 40, 49, 54}) == stands


def test_parallels_that_are_given_are_kept():
    given_ = piece(tune(*[40, 42, 40, 42]), tune(*[47, 49, 47, 49]))
    made = binolab.complete(given_, keep=4, beats=8, model=careless(), revise=5, **HOW)
    found = {(n.pitch, round(n.start, 3)) for i in made.instruments for n in i.notes}
    for note in (n for i in midi.read(given_).pretty().instruments for n in i.notes):
        assert (note.pitch, round(note.start, 3)) in found


# --- candidates, keys ----------------------------------------------------------------------------


def drawn(low=33):
    """A model that leaves everything to chance."""
    return chords(rows=()).__class__(lambda x, *_: torch.full_like(x, 0.02), chords(low=low).card)


CHANCE = {"steps": 1, "sampler": "posterior", "seed": 3}


def written(made):
    return sorted((n.pitch, n.start, n.end) for i in made.instruments for n in i.notes)


def test_of_several_candidates_the_best_is_kept():
    liked = []

    def fewest(bits):
        liked.append(int(bits.sum()))
        return liked[-1]

    how = CHANCE | {"model": drawn(), "beats": 4, "candidates": 5}
    made = binolab.generate(judge=fewest, **how)
    assert len(liked) == 5 == len({*liked})
    most = binolab.generate(judge=lambda bits: -bits.sum(), **how)

    def sounding(piece_):
        return sum(end - start for _, start, end in written(piece_))

    assert sounding(made) < sounding(most)
    assert written(made) == written(binolab.generate(judge=fewest, **how))  # same seed
    first = binolab.generate(judge=lambda _: 0, **how)
    assert written(first) == written(binolab.generate(**how | {"candidates": 1}))
    model, calls = counted(drawn())
    binolab.generate(**how | {"model": model, "n": 2})
    assert len(calls) == 10


@pytest.mark.parametrize("judge", ["parallels", "dissonance", "scale"])
def test_the_judges_are_the_library_s_own_statistics(judge):
    """Fifths that move together, a cluster, all twelve notes: each is liked less by its own."""
    from binolab.compose.job import JUDGES

    axes = {"low": 33, "ticks": 24}

    def roll(*beats):
        bits = np.zeros((56, 24 * len(beats)), bool)
        for k, rows in enumerate(beats):
            bits[[*rows], 24 * k : 24 * k + 24] = True
        return bits

    good, bad = {
        "parallels": (roll((3, 7, 10, 15), (2, 7, 11, 14)), roll((3, 10, 15, 19), (5, 12, 17, 21))),
        "dissonance": (roll((3, 7, 10)), roll((3, 4, 5))),
        "scale": (roll((3, 5, 7, 8, 10, 12, 14)), roll(range(3, 15))),
    }[judge]
    assert JUDGES[judge](axes, good) < JUDGES[judge](axes, bad)
    made = binolab.generate(model=drawn(), candidates=3, judge=judge, **CHANCE)
    assert isinstance(made, pretty_midi.PrettyMIDI)
    with pytest.raises(ValueError, match="`judge` must be one of parallels, dissonance, scale"):
        binolab.generate(model=drawn(), judge="beauty", **CHANCE)


@pytest.mark.parametrize("tonic, mode", [("G", "major"), ("Bb", "minor"), ("f#", None)])
def test_a_piece_in_a_key(tonic, mode):
    """A scale of one key by chance, brought to another."""
    rows = [12 + step for step in (0, 2, 4, 5, 7, 9, 11, 12)]

    def network(x, *_):
        sure = torch.full_like(x, 1e-6)
        sure[..., rows, :] = 0.5
        sure[..., [12, 16, 19], :] = 0.97
        if len(asked) % 2:  # every other candidate is minor
            sure[..., [16], :], sure[..., [15], :] = 1e-6, 0.97
        asked.append(1)
        return sure

    asked = []
    model = chords().__class__(network, chords().card)
    made = binolab.generate(model=model, key=tonic, mode=mode, **CHANCE)
    bits = rolls.from_midi(made)
    found = keys.find(bits, 33)
    assert found[0] == keys.tonic(tonic) and (mode is None or found[1] == mode)
    assert len(asked) == (1 if mode is None else 8)


@pytest.mark.parametrize("more, says", [
    ({"key": "H"}, "`key` must be a tonic"), ({"mode": "dorian"}, "`mode` must be major or minor"),
])  # fmt: skip
def test_a_key_that_there_is_not(more, says):
    with pytest.raises(ValueError, match=says):
        binolab.generate(model=drawn(), **more)


# --- sound ---------------------------------------------------------------------------------------


def test_a_note_that_cannot_be_played_is_refused_before_the_work(tmp_path):
    """... though the model does not see it."""
    model, calls = counted(chords())
    source = piece(LINE, [(127, 0, 1)])
    with pytest.raises(ValueError, match="`audio`: MIDI note 127 .* or leave it out"):
        binolab.harmonize(source, tmp_path / "a.mid", audio=True, **HOW, model=model)
    assert not calls and not [*tmp_path.iterdir()]


def test_a_stream_gets_the_bytes_of_the_file(tmp_path):
    out = io.BytesIO()
    made = binolab.harmonize(piece(LINE), out, **HOW, model=chords())
    binolab.harmonize(piece(LINE), tmp_path / "a.mid", **HOW, model=chords())
    assert out.getvalue() == (tmp_path / "a.mid").read_bytes()
    assert written(made) == written(pretty_midi.PrettyMIDI(str(tmp_path / "a.mid")))
    with pytest.raises(ValueError, match="write several files: name a MIDI file"):
        binolab.harmonize(piece(LINE), out, n=2, **HOW, model=chords())
