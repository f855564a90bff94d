"""What the tests of the door share: a model that is a formula, pieces, and what has come of one."""

import io
from collections import Counter

import torch

from binolab.card import Card
from binolab.model import Model
from binolab.music import midi
from binolab.music.midi import Event

CARD = Card("UNet", {}, 0.07, ["power", 2], T=40, low=33, pitches=56, ticks=24, length=384)


def chords(low=33, pitches=56, rows=(0, 7, 12, 16), length=18):
    """A model that writes these rows on every beat of its window, for so many ticks."""

    def network(x_t, alpha_bar_t, known=None):
        sure = torch.full_like(x_t, 0.001)
        for row in rows:
            for tick in range(length):
                sure[..., row, tick::24] = 0.999
        return sure

    card = Card(**{**vars(CARD), "low": low, "pitches": pitches})
    return Model(network, card)


def counted(model):
    """The model, and a list that has an item for each call of its network: its shape."""
    calls = []

    def network(x_t, *more):
        calls.append(tuple(x_t.shape))
        return model.network(x_t, *more)

    return Model(network, model.card), calls


HOW = {"steps": 1, "sampler": "posterior", "bit": "threshold", "seed": 1}


def piece(*tracks, told=(), resolution=480, kind=1, names=None, last=None):
    """The bytes of a file: tracks of (pitch, first beat, last beat[, channel[, velocity]]).

    Beats are quarter notes. `told` are further events, of the first track.
    """
    made = midi.Midi(resolution, kind=kind)
    for k, notes in enumerate(tracks):
        events = list(told) if not k else []
        if names and names[k]:
            events.append(midi.meta(0, midi.NAME, names[k].encode()))
        for pitch, start, end, *more in notes:
            channel, velocity = (*more, *(k % 9, 80)[len(more) :])
            events += [
                Event(round(start * resolution), bytes([0x90 | channel, pitch, velocity])),
                Event(round(end * resolution), bytes([0x80 | channel, pitch, 64])),
            ]
        events.sort(key=lambda e: (e.tick, e.data[0] & 0xF0 == 0x90))
        end = max([e.tick for e in events] + [round((last or 0) * resolution)])
        made.tracks.append([*events, Event(end, midi.END_OF_TRACK)])
    return made.bytes()


def signature(tick, numerator, denominator):
    """A time signature, as an event."""
    return midi.meta(tick, midi.SIGNATURE, bytes([numerator, denominator.bit_length() - 1, 24, 8]))


def tune(*pitches, length=1.0, start=0.0, **more):
    """A track of notes that follow one another."""
    return [(p, start + i * length, start + (i + 1) * length) for i, p in enumerate(pitches)]


def through(command, source, **asked):
    """What a command makes of a file, read again as the events that it has."""
    out = io.BytesIO()
    command(source, out, **HOW | {"model": chords()} | asked)
    return midi.parse(out.getvalue())


def by_track(made, given):
    """Of each track of the given file, the events that it lost and those that it got: Counters."""
    given = midi.finer(midi.read(given), 24)
    assert made.resolution == given.resolution
    pairs = []
    for before, after in zip(given.tracks, made.tracks, strict=False):
        was, now = ([e for e in t if e.data != midi.END_OF_TRACK] for t in (before, after))
        assert after[-1].tick >= before[-1].tick
        others = [[e for e in t if e.kind not in (0x80, 0x90)] for t in (was, now)]
        assert others[0] == others[1]  # in order
        pairs.append((Counter(was) - Counter(now), Counter(now) - Counter(was)))
    return pairs


def told(note):
    """What of a note is heard."""
    return note.channel, note.pitch, note.velocity, note.start, note.end
