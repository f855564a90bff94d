"""A piano for a voice: the voice is heard and kept, and the piano comes on a track of its own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pieces import CARD, HOW, chords, piece

import binolab
from binolab.model import Model
from binolab.music import midi

VOICE = [(72, 0, 1), (74, 1, 2), (76, 2, 4)]
BITS = {"network": "BeatTransformer", "arguments": {"pitches": 56, "kinds": 2}, "prior": 0.07}
SONGS = replace(CARD, **BITS, planes=2, parts="piano,others")


def echo(seen=None):
    """A model that plays on the piano, an octave lower, what the voice sings."""

    def network(x_t, alpha_bar_t, known):
        if seen is not None:
            seen.append((x_t[:, 1].clone(), known[:, 1].clone()))
        sure = torch.full_like(x_t, 0.001)
        sure[:, 0, :-12] = torch.where(x_t[:, 1, 12:] > 0, 0.999, 0.001)
        return sure

    return Model(network, SONGS)


def notes(made, name):
    """(pitch, first beat, last beat) of the tracks of that name, at 120 beats a minute."""
    found = [n for i in made.instruments if i.name == name for n in i.notes]
    return sorted((n.pitch, round(2 * n.start, 3), round(2 * n.end, 3)) for n in found)


def test_the_voice_is_heard_and_kept_and_the_piano_is_new():
    seen: list = []
    given = piece(VOICE, names=["Voice"])
    made = binolab.accompany(given, model=echo(seen), **HOW)
    assert notes(made, "Voice") == VOICE
    assert notes(made, "Piano") == [(p - 12, a, b) for p, a, b in VOICE]
    sung, told = seen[0]
    assert told.all() and sung[0].nonzero()[:, 0].unique().tolist() == [39, 41, 43]


def test_what_is_not_the_voice_is_kept_and_not_heard():
    seen: list = []
    flute = [(84, 0, 4)]
    given = piece(VOICE, flute, names=["Voice", "Flute"])
    with pytest.warns(binolab.compose.Remark, match="not the voice is kept, and not heard"):
        made = binolab.accompany(given, model=echo(seen), melody="Voice", **HOW)
    assert (notes(made, "Voice"), notes(made, "Flute")) == (VOICE, flute)
    assert not seen[0][0][0, 84 - 33].any()
    both = binolab.accompany(given, model=echo(), **HOW)  # all that sounds is the voice
    assert (72, 0, 4) in notes(both, "Piano")


def test_a_long_song_is_accompanied_window_by_window():
    song = [(60 + k % 12, k, k + 1) for k in range(40)]
    made = binolab.accompany(piece(song, names=["Voice"]), model=echo(), **HOW)
    assert notes(made, "Piano") == sorted((p - 12, a, b) for p, a, b in song)


def test_a_model_of_one_part_is_refused():
    with pytest.raises(ValueError, match="hears no voice"):
        binolab.accompany(piece(VOICE), model=chords(), **HOW)


def test_such_a_model_writes_its_piano_on_one_track_beside_silence():
    seen: list = []
    hum = echo(seen)

    def network(x_t, alpha_bar_t, known):
        sure = hum.network(x_t, alpha_bar_t, known)
        sure[:, 0, 10, :24] = 0.999
        return sure

    made = binolab.generate(model=Model(network, SONGS), **HOW)
    assert [i.name for i in made.instruments] == ["Piano"] and len(made.instruments[0].notes) == 1
    sung, told = seen[0]
    assert told.all() and not sung.any()


def test_the_voice_of_a_file_is_to_the_letter_whatever_the_grid():
    """Late by a hair, and longer than a window's sixteenths: it comes back as it was."""
    rubato = [(72, 0.013, 0.97), (74, 1.021, 1.99), (76, 2.007, 3.51)]
    given = midi.read(piece(rubato, names=["Voice"]))
    made = binolab.accompany(given, model=echo(), **HOW)
    for new, old in zip(notes(made, "Voice"), rubato):
        assert np.allclose(new, old, atol=0.002)
