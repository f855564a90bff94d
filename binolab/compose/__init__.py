"""MIDI in, MIDI out: what the command line and a Python caller both call.

    binolab.harmonize("melody.mid", "out.mid", seed=1)

A MIDI file is edited: every event of it stands in the result as it stood, but for the notes in the
cells that were to be written. New notes come on tracks of their own, one for each voice, or on the
piece's own tracks (`Job.placed` says when). A score is read as the MIDI that it sounds
like (`music.musicxml`), and that is edited.

Chapters: 12 *Completing and infilling*, 13 *Harmonizing*, 14 *Variations*, 17 *Longer*.
"""

from __future__ import annotations

import dataclasses
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from binolab.compose.job import How, Job, Pieces, Target, numbered, whole_beats
from binolab.compose.task import Remark, Source, Task, Where
from binolab.diffusion import prompting
from binolab.music import keys, meter, midi
from binolab.music.editing import Given

__all__ = [
    "How",
    "Remark",
    "Where",
    "accompany",
    "complete",
    "generate",
    "harmonize",
    "infill",
    "numbered",
    "vary",
]


def generate(
    out: Target = None,
    *,
    tempo: float = 100.0,
    beats: int | None = None,
    key: str | None = None,
    mode: str | None = None,
    **how: Unpack[How],
) -> Pieces:
    """Write a piece from nothing.

    Parameters
    ----------
    out
        A file to write, MIDI (.mid) or MusicXML (.musicxml, .mxl), or a binary file that is open;
        by default nothing is written.
    tempo : beats a minute, 10 to 1000.
    beats : length; by default the model's window. A longer piece is written window by window.
    key, mode : a tonic, "G" or "Bb", and "major" or "minor". The piece is moved to the tonic; of
        `candidates`, 8 by default where a mode is asked, one of that mode is kept.
    how : see `How`.

    Returns
    -------
    The piece as a `PrettyMIDI`, or a list of `n` where `n` is more than one.

    Raises
    ------
    ValueError
        In one line that names the fault and the remedy, before any work is done.

    Chapters: 11, 17.
    """
    if mode not in (None, *keys.PROFILES):
        raise ValueError(f"`mode` must be major or minor, got {mode!r}")
    wanted = None if key is None else keys.tonic(key)
    job = Job(out, **{"candidates": 1 if mode is None else 8} | how)
    if not 10 <= tempo <= 1000:
        raise ValueError(f"`tempo` must be between 10 and 1000, got {tempo:g}")
    model = job.loaded()
    length = whole_beats(beats, model)
    nothing = midi.blank(tempo)
    grid = meter.grid(nothing, model.ticks, least=length // model.ticks)
    whole = torch.zeros(model.pitches, length)

    def move(roll):
        tonic, its = keys.find(roll > 0, model.low)
        away = 0 if wanted is None else (wanted - tonic + 6) % 12 - 6
        return int(mode not in (None, its)), keys.moved(roll, away)

    given = Given(nothing, grid, [], model.low)
    return job.write(
        model, given, whole, whole > 0, 0, length, move=move if key or mode else lambda r: (0, r)
    )


def complete(
    piece: Source, out: Target = None, *, keep: float | None = None, **where: Unpack[Where]
) -> Pieces:
    """Keep the beginning of a piece and write the rest.

    Parameters
    ----------
    piece
        A MIDI file or a score (.musicxml, .mxl), its bytes, or a `PrettyMIDI`.
    out
        A file to write, as for `generate`; by default nothing is written.
    keep : beats to keep, counted from `at`; by default, where `beats` is given, all of them.
    where : see `Where`. The piece is written until it has `beats`; what it held after `keep` is
        replaced. By default it keeps its length, and has at least that of the model's window.

    Returns, raises: as `generate`. Chapter: 12.
    """
    task = Task(piece, out, **where)
    start, stop, model = task.start, task.stop, task.model
    ticks = model.ticks
    if keep is None and task.beats is None:
        raise ValueError("`keep` is needed: how many beats are to stay")
    kept = (task.end - start) / ticks if keep is None else keep
    if not 1 / ticks <= kept < (stop - start) / ticks:
        raise ValueError(
            f"`keep` must be more than 0 and less than the {(stop - start) / ticks:g} beats that "
            f"the piece is to have, got {kept:g}" + " (the whole piece)" * (keep is None)
        )
    first = start + round(kept * ticks)
    free = task.columns(first, stop)
    if task.beats is not None and task.options["at"] is None:  # nothing is left behind the end
        free |= task.columns(stop, None)
    return task.write(free)


def infill(
    piece: Source,
    out: Target = None,
    *,
    begin: float | str,
    end: float | str,
    **where: Unpack[Where],
) -> Pieces:
    """Write the beats from `begin` to `end` of a piece; the rest is kept.

    begin, end : a beat, counted from 0, or "bar:9". Other parameters as in `complete`.

    Returns, raises: as `generate`. Chapter: 12.
    """
    task = Task(piece, out, **where)
    first, last = task.place(begin, "begin"), task.place(end, "end")
    if not task.start <= first < last <= task.stop:
        ticks = task.model.ticks
        raise ValueError(
            f"`begin` and `end` must be rising beats of the piece, {task.start / ticks:g} to "
            f"{task.stop / ticks:g}; got {begin} and {end}"
        )
    return task.write(task.columns(first, last))


def harmonize(
    piece: Source,
    out: Target = None,
    *,
    melody: str | int | None = None,
    replace: bool = False,
    rests: str = "lead",
    **where: Unpack[Where],
) -> Pieces:
    """Write what lies below a melody.

    Parameters
    ----------
    melody : the track that has it, by name or by number, from 1, among those with notes; by default
        the highest line of all tracks.
    replace : write all that lies below the melody anew; by default other notes are kept, and the
        harmony is written around them.
    rests : "lead" leaves the silence before the melody and after it; "keep" also its rests of a
        beat or more; "fill" writes everywhere.
    Other parameters as in `complete`.

    Returns, raises: as `generate`. Chapter: 13.
    """
    if rests not in ("lead", "keep", "fill"):
        raise ValueError(f"`rests` must be lead, keep or fill, got {rests!r}")
    task = Task(piece, out, melody=melody, harmony=True, **where)
    free = task.columns(task.start, min(task.end, task.stop))
    line = task.line()
    known = prompting.whole_notes(line, prompting.above_melody(line))
    sung = (line > 0).any(0)
    if not sung.any():
        raise ValueError(
            f"{task.name}: the model has no row for the melody; choose another `transpose`"
        )
    first, last = ends(sung)
    if rests != "fill":
        known[:, :first] = True
        known[:, -(-(last + 1) // task.model.ticks) * task.model.ticks :] = True
    if rests == "keep":
        for begin, end in runs(~sung):
            if end - begin >= task.model.ticks:
                known[:, begin:end] = True
    free &= ~known
    if not replace:
        free &= ~task.covered()
    elif anew := sum(bool(free[row, start]) for row, start, _ in task.given.spans()):
        task.remarks.append(f"{anew} notes below the melody are removed, and written anew")
    if not free[:, first : last + 1].any():
        raise ValueError(
            f"{task.name}: there is no room to write below the melody; move it up, "
            "with `transpose` 12 say, or name another `melody`"
        )
    return task.write(free, harmony=True)


def accompany(
    piece: Source,
    out: Target = None,
    *,
    melody: str | int | None = None,
    **where: Unpack[Where],
) -> Pieces:
    """Write a piano for a voice.

    The model hears the voice beside the piano, and writes the piano alone: above the voice, below
    it, and where it rests. The new notes come on a track of their own. By default the `model` is
    "piano", which learned from songs; another must know such parts too.

    `melody` is the track that has the voice, by name or by number, from 1, among those with notes;
    by default all notes are the voice. What else the piece holds is kept, and not heard. Other
    parameters as in `complete`; returns, raises: as `generate`. Chapter: 13.
    """
    task = Task(piece, out, melody=melody, **{"model": "piano"} | where)
    if task.model.card.channels < 2:
        raise ValueError("`model` hears no voice beside what it writes; choose piano")
    voice = task.line()
    if not voice.any():
        raise ValueError(
            f"{task.name}: the model has no row for the voice; choose another `transpose`"
        )
    if len(task.sung) < len(task.midi.notes(where.get("pedal", False))):
        task.remarks.append("what is not the voice is kept, and not heard")
    task.given = dataclasses.replace(task.given, notes=[])
    free = task.columns(task.start, min(task.end, task.stop))
    return task.write(free, voice[None])


def vary(
    piece: Source, out: Target = None, *, strength: float = 0.75, **where: Unpack[Where]
) -> Pieces:
    """Write a variation of a piece.

    `strength` is the place on the noise schedule, 0 to 1: 0 leaves the piece as it is, 1 is all
    new. Other parameters as in `complete`; returns, raises: as `generate`. Chapter: 14.
    """
    if not 0 <= strength <= 1:
        raise ValueError(
            f"`strength` must be between 0 (as it is) and 1 (all new), got {strength:g}"
        )
    task = Task(piece, out, **where)
    stop = min(task.end, task.stop) if strength else task.start
    return task.write(task.columns(task.start, stop), strength=strength)


def ends(lit) -> tuple[int, int]:
    """The first and the last place that is True, of a mask that has one."""
    places = lit.nonzero()
    return int(places[0]), int(places[-1])


def runs(mask: Tensor) -> list[tuple[int, int]]:
    """(first, one past the last) of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.pad(mask.numpy().astype(np.int8), 1)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))
