"""A piano roll as sound, and a player for the page.

A struck string is a sum of damped sinusoids, so a tone here is computed as one,

    tone(n) = Re sum_k  c_k z_k^n,      z_k = exp((-d_k + 2 pi i f_k) / rate),

with what a piano does to each term: stiffness stretches the partials (f_k grows a little faster
than k), the hammer leaves a node at an eighth of the string and rounds off the high partials,
high partials and high notes die sooner, and every partial is a pair (a loud one that dies quickly
and a soft one that rings), which gives the two-stage decay of strings that share a bridge. A felt
damper ends each note. Nothing is random: the same roll is the same sound.

Conventions: MIDI pitch, equal temperament, A4 = 440 Hz; mono; seconds and hertz.
Reference: N. Fletcher and T. Rossing, The Physics of Musical Instruments (Springer), ch. 12.
Chapter: 02, *From MIDI to a roll*.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from binolab.files import replacing
from binolab.music.midi import Midi
from binolab.music.rolls import LOW, TICKS, notes

if TYPE_CHECKING:
    from IPython.display import HTML

Source = str | Path | np.ndarray  # of a sound: an MP3 file, or a waveform
Box = tuple[float, float, float, float]  # left, top, width, height: shares of a picture

RATE = 22050  # samples a second
TAIL = 0.8  # seconds after the last tick, for the last sound to die
PEAK = 0.9  # of full scale: MP3 overshoots a little
DAMPER = 0.055  # seconds for a released string to fall by a factor e
RELEASE = 0.33  # seconds until it is silent: six times that
RING = 60.0  # seconds that a string is held at most: by then it is all but silent
MINUTES = 20  # that a sound lasts at most
BLOCK = 2**22  # samples that the room is computed for at once: three minutes
PARTIALS = 40
COMPRESSION = 0.7  # of the variable bit rate; 0 is the largest file, 1 the smallest


def synthesize(
    roll_or_notes: np.ndarray | list[tuple[int, int, int]],
    *,
    low: int = LOW,
    ticks: int = TICKS,
    tempo: float = 100.0,
    rate: int = RATE,
) -> np.ndarray:
    """The sound of a roll on a piano-like string instrument.

    Parameters
    ----------
    roll_or_notes : array of bits (pitches, length), or list of (row, start, end) in ticks
        A roll is read by `rolls.notes`: held bits are one note, a one-tick gap strikes again.
    low, ticks : int
        MIDI pitch of row 0; ticks a beat.
    tempo : float
        Beats a minute.
    rate : int
        Samples a second.

    Returns
    -------
    ndarray of float32, (samples,)
        Peak 0.9 (all zeros for a silent roll); lasts the roll and `TAIL` seconds.

    Raises
    ------
    ValueError
        For a roll that is not bits, a tempo that is not positive, or what `check` refuses.

    Chapter: 02.
    """
    if not tempo > 0:
        raise ValueError(f"tempo must be positive beats a minute, got {tempo}")
    if isinstance(roll_or_notes, list):
        struck = roll_or_notes
        length = max((end for *_, end in struck), default=0)
    else:
        struck, length = notes(roll_or_notes), np.shape(roll_or_notes)[1]
    second = ticks * tempo / 60  # in ticks
    check(max((low + row for row, *_ in struck), default=0), length / second, rate)
    release = int(RELEASE * rate)
    damper = np.exp(-np.arange(release) / (DAMPER * rate)).astype(np.float32)
    damper *= np.linspace(1, 0, release, dtype=np.float32)  # ends at silence, not near it
    dry = np.zeros(int((length / second + TAIL) * rate), np.float32)
    for row, start, end in struck:
        first, held = int(start / second * rate), int(min((end - start) / second, RING) * rate)
        tone = _tone(low + row, _bucket(held + release, rate), rate)[: held + release].copy()
        tone[held:] *= damper
        into = dry[first : first + len(tone)]
        into += tone[: len(into)]
    if not dry.any():
        return dry
    sound = _room(dry, rate)
    fade = int(0.1 * rate)
    sound[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    sound *= np.float32(PEAK / max(sound.max(), -sound.min()))
    return sound


def check(pitch: int, seconds: float, rate: int = RATE) -> None:
    """ValueError unless a piece with this highest MIDI note, so long, can be made a sound."""
    f1 = 440 * 2 ** ((pitch - 69) / 12)
    if not f1 < 0.45 * rate:
        raise ValueError(
            f"MIDI note {pitch} ({f1:.0f} Hz) is too high for rate={rate}: "
            f"use at least rate={int(f1 / 0.45) + 1}"
        )
    if seconds > 60 * MINUTES:
        raise ValueError(
            f"the piece lasts {seconds / 60:,.1f} minutes, and a sound {MINUTES} at most; "
            "play a shorter one"
        )


def _bucket(samples, rate):
    """Round a tone's length up to 1/2, 1, 2, 4, ... seconds, so that few lengths are cached."""
    half = rate // 2
    return half << max(0, -(-samples // half) - 1).bit_length()


@lru_cache(maxsize=128)
def _tone(pitch, samples, rate):
    """One undamped note of `samples` samples, float32; read-only because it is shared."""
    f1 = 440 * 2 ** ((pitch - 69) / 12)
    k = np.arange(1, PARTIALS + 1)
    stiffness = 7e-5 * 2 ** ((pitch - 45) / 14)  # B in f_k = k f sqrt(1 + B k^2)
    f = k * f1 * np.sqrt((1 + stiffness * k**2) / (1 + stiffness))  # keeps partial 1 in tune
    k, f = k[f < 0.45 * rate], f[f < 0.45 * rate]
    height = (pitch - 60) / 12  # octaves above middle C
    loud = np.sin(np.pi * k / 8.3) / k**0.75 * np.exp(-f / (900 + 1.5 * f1))
    loud *= 2 ** (-height / 10) / np.sqrt(np.sum(loud**2))  # a melody is not lost over its bass
    slow = 0.35 * 2 ** (0.8 * height) * (1 + (f / 1500) ** 1.3)  # decay, nepers a second
    fast = 2.5 * 2 ** (0.3 * height) + 2 * slow
    d, f = np.r_[fast, slow], np.r_[f, f * (1 + 2e-4)]  # a third of a cent apart: a slow beat
    c = -1j * np.r_[0.7 * loud, 0.3 * loud]  # a phase of -i is a sine: starts from rest

    # z^(j + b J) = z^j z^(b J): every sample at once as one small matrix product
    log_z = (-d + 2j * np.pi * f) / rate
    short = 256
    fine = np.exp(np.outer(log_z, np.arange(short)))  # (2K, 256)
    coarse = np.exp(np.outer(np.arange(-(-samples // short)) * short, log_z)) * c  # (blocks, 2K)
    tone = (coarse.real @ fine.real - coarse.imag @ fine.imag).reshape(-1)[:samples]

    n = np.arange(samples)
    rise = int((0.0012 + 0.0015 * 2**-height) * rate)  # the felt leaves a low string later
    tone[:rise] *= 0.5 - 0.5 * np.cos(np.pi * n[:rise] / rise)
    knock = int(0.05 * rate)  # hammer and key: noise, dull, gone in a twentieth of a second
    noise = np.random.default_rng(pitch).standard_normal(knock)
    noise = np.convolve(noise, np.hanning(14))[:knock] * np.exp(-n[:knock] / (0.009 * rate))
    noise *= np.sin(np.minimum(n[:knock] / (0.002 * rate), 1) * np.pi / 2)
    tone[:knock] += 0.02 * noise * np.hanning(2 * knock)[knock:]
    tone = tone.astype(np.float32)
    tone.flags.writeable = False
    return tone


@lru_cache(maxsize=4)
def _echo(rate, size):
    """Spectrum of a small room: 1, then 0.8 s of dull noise that dies away exponentially."""
    n = np.arange(int(0.8 * rate))
    noise = np.random.default_rng(0).standard_normal(len(n)) * np.exp(-n / (0.16 * rate))
    noise = np.convolve(noise, [0.25, 0.5, 0.25], mode="same")
    noise *= np.minimum(n / (0.012 * rate), 1)  # walls are some metres away
    noise *= 0.3 / np.sqrt(np.sum(noise**2))
    noise[0] = 1
    return np.fft.rfft(noise, size)


def _room(dry, rate):
    tail = int(np.ceil(0.8 * rate))
    size = min(2 ** int(np.ceil(np.log2(len(dry) + tail))), BLOCK)  # no wrap-around
    wet = np.zeros_like(dry)
    for first in range(0, len(dry), size - tail):
        part = dry[first : first + size - tail]
        into = wet[first : first + size]
        into += np.fft.irfft(np.fft.rfft(part, size) * _echo(rate, size), size)[: len(into)]
    return wet


def mp3(waveform: np.ndarray, rate: int = RATE) -> bytes:
    """A waveform, (samples,) from -1 to 1, as an MP3 file; about 4 kB a second.

    The same waveform gives the same bytes each time.
    """
    import soundfile

    waveform = np.asarray(waveform, np.float32)
    if waveform.ndim != 1 or not len(waveform):
        raise ValueError(f"waveform must be (samples,), got shape {waveform.shape}")
    if not np.abs(waveform).max() <= 1:
        raise ValueError("waveform must lie in [-1, 1]: divide it by its peak")
    file = io.BytesIO()
    soundfile.write(
        file,
        waveform,
        rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="VARIABLE",
        compression_level=COMPRESSION,
    )
    return file.getvalue()


def write_mp3(waveform: np.ndarray, path: str | Path, rate: int = RATE) -> None:
    """Write a waveform as MP3, whole or not at all; the folder must exist."""
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}; make it first")
    data = mp3(waveform, rate)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def player(
    source: Source,
    *,
    label: str = "Piano roll as sound",
    over: Sequence[Box] | None = None,
    inline: bool = True,
    rate: int = RATE,
) -> HTML:
    """An audio element for a notebook or a page.

    Parameters
    ----------
    source : path of an MP3 file, or waveform (samples,)
    label : str
        What a screen reader says.
    over : list of (left, top, width, height), optional
        Where in the picture that stands before it the page's playhead moves, as `plotting.boxes`
        returns it; several boxes are rows, one after the other.
    inline : bool
        Carry the sound in the page; otherwise `source` is an address relative to the page.
    rate : int
        Samples a second of a waveform.
    """
    from IPython.display import HTML

    return HTML(_audio(source, label, over, inline, rate))


def players(
    table: dict[str, Source],
    *,
    heading: str = "Listen",
    over: Sequence[Box | None] | None = None,
    inline: bool = True,
    rate: int = RATE,
) -> HTML:
    """A table of players, one labelled row each: `table` is a dict of label to source.

    `heading` is the table's caption. `over` has a box of the picture for each player, or None for
    one that is not drawn there. Sources, boxes, `inline` and `rate` are those of `player`.
    """
    from IPython.display import HTML

    boxes = [None] * len(table) if over is None else [box and [box] for box in over]
    if len(boxes) != len(table):
        raise ValueError(f"over must be one for each player: {len(table)}, got {len(boxes)}")
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(str(label))}</th>'
        f"<td>{_audio(source, str(label), box, inline, rate)}</td></tr>"
        for (label, source), box in zip(table.items(), boxes)
    )
    return HTML(f"<table><caption>{html.escape(heading)}</caption><tbody>{rows}</tbody></table>")


def _audio(source, label, over, inline, rate):
    is_path = isinstance(source, (str, Path))
    if inline:
        data = Path(source).read_bytes() if is_path else mp3(source, rate)
        address = "data:audio/mpeg;base64," + base64.b64encode(data).decode()
    elif is_path:
        address = source if isinstance(source, str) else source.as_posix()
    else:
        raise ValueError("inline=False needs the path of a file: write_mp3 the waveform first")
    return (
        f'<audio controls preload="metadata" aria-label="{html.escape(label)}" {under(over)}'
        f'src="{html.escape(address)}"></audio>'
    )


def under(over: Sequence[Box] | None) -> str:
    """The attribute by which a player tells the page where its playhead moves: see `player`."""
    if over is None:
        return ""
    rounded = [[round(float(share), 4) for share in box] for box in over]
    return f'data-over="{json.dumps(rounded)}" '


def play(midi: Midi) -> np.ndarray:
    """The waveform of a MIDI file at its own tempo: its notes on a grid of milliseconds."""
    clock, found = midi.clock(), []
    for note in midi.notes():
        start, end = (round(clock[tick] * 1000) for tick in (note.start, note.end))
        found.append((note.pitch, start, max(end, start + 1)))
    return synthesize(found, low=0, ticks=1000, tempo=60.0)
