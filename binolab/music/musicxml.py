"""Scores in MusicXML, read as MIDI: notes, names, programs, meters, keys and tempi.

A part of the score becomes a track; the two staves of a piano are one part. Notes sound at concert
pitch, tied ones as one. Left out are grace notes, cue notes, percussion without pitch, and all that
a page shows beside the notes.

Repeats are not played out: each bar stands once, so that bars have the numbers that are printed,
and no model learns a section twice. A first bar that is short is a pickup, and the time signatures
of the MIDI say so, as `meter` wants it.

Chapter: 02 *From MIDI to a roll*.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from html import unescape
from itertools import accumulate, pairwise, zip_longest
from math import ceil
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.parsers import expat

from binolab.music.events import (
    DRUMS,
    END_OF_TRACK,
    KEY,
    NAME,
    RESOLUTION,
    SIGNATURE,
    TEMPO_META,
    Event,
    Midi,
    MidiError,
    meta,
)

if TYPE_CHECKING:
    from music21.base import Music21Object
    from music21.stream import Measure, Part, Score

ENDINGS = (".musicxml", ".xml", ".mxl")
BYTES = 64_000_000  # of a score as plain text
ELEMENTS, NOTES = 2_000_000, 100_000
ZIP = b"PK\x03\x04"
VELOCITY = 80
CHANNELS = [channel for channel in range(16) if channel != DRUMS]

Span = tuple[int, int, int]  # pitch, first tick, one past the last
Timed = tuple[int, int, "Music21Object"]  # first tick, one past the last, what sounds


def is_score(data: bytes) -> bool:
    """Whether some bytes are to be read as a score: XML or a zip archive, and no MIDI."""
    head = data[:1024]
    plain = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")  # UTF-8 or UTF-16
    return b"MThd" not in head and (head.startswith(ZIP) or plain.startswith(b"<"))


def to_midi(data: bytes) -> Midi:
    """A score as MIDI, from the bytes of a .musicxml or .mxl file.

    `Midi.mended` says what was left out.

    Raises
    ------
    MidiError
        In one line: what is no score, is damaged, or has more than `BYTES`, `ELEMENTS` or `NOTES`.
    """
    root = _root(_unzipped(data) if data.startswith(ZIP) else data)
    from music21.musicxml.xmlToM21 import MusicXMLImporter

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            left = _mended(root)
            reader = MusicXMLImporter()
            reader.xmlRootToScore(root, reader.stream)
            reader.stream.toSoundingPitch(inPlace=True)
            midi = _midi(reader.stream)
    except MidiError:
        raise
    except Exception as error:  # music21 raises of every kind, where a score is not as it should be
        fault = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise MidiError(
            f"a damaged score ({fault}); open it in a notation program, and export it again"
        ) from None
    midi.mended.append(
        "a score: its notes, names, meters, keys and tempi are read, not its words and marks"
    )
    midi.mended += [f"{n} {kind} are left out" for kind, n in left.items()]
    if next(root.iter("repeat"), None) is not None:
        midi.mended.append("repeats are not played out: each bar stands once")
    return midi


# --- from bytes to elements ----------------------------------------------------------------------


def _unzipped(data: bytes) -> bytes:
    """The score in a compressed file: the one that its container names, or else the first."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            scores = [
                name
                for name in names
                if name.lower().endswith(ENDINGS[:2]) and not name.startswith("META-INF/")
            ]
            if "META-INF/container.xml" in names:
                with archive.open("META-INF/container.xml") as told:
                    found = re.search(rb"full-path\s*=\s*[\"']([^\"']+)", told.read(100_000))
                named = unescape(found[1].decode("utf-8", "replace")) if found else ""
                scores = [named] * (named in names) + scores
            if not scores:
                raise MidiError("a zip archive with no score in it; export it again as MusicXML")
            with archive.open(scores[0]) as opened:
                return opened.read(BYTES + 1)
    except MidiError:
        raise
    except Exception as error:  # zipfile, zlib and others raise a dozen kinds
        raise MidiError(
            f"a damaged .mxl file ({' '.join(str(error).split())}); export it again as MusicXML"
        ) from None


def _root(text: bytes) -> ElementTree.Element:
    """The elements of a score, once it is known that they are few, and make no entities."""
    if len(text) > BYTES:
        raise MidiError(f"has more than {BYTES:,} bytes of text; split the score")
    counts: Counter[str] = Counter()

    def begun(name, _):
        if not counts and name != "score-partwise":
            kind = "is a score by time" if name == "score-timewise" else "is XML, but no score"
            raise MidiError(f"{kind} (its root is {name[:40]}); export it as MusicXML, by parts")
        counts[name] += 1
        counts[""] += 1
        if counts["note"] > NOTES or counts[""] > ELEMENTS:
            raise MidiError(f"has more than {NOTES:,} notes, or is as long; split the score")

    def entity(*_):
        raise MidiError("declares entities, which no score needs; export it again as MusicXML")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EntityDeclHandler = begun, entity
    try:
        parser.Parse(text, True)
        return ElementTree.fromstring(text)
    except (expat.ExpatError, ElementTree.ParseError, LookupError, ValueError) as error:
        if isinstance(error, MidiError):
            raise
        raise MidiError(f"not a readable score ({error}); export it again as MusicXML") from None


def _mended(root: ElementTree.Element) -> dict[str, int]:
    """Mend what music21 takes amiss. Returns how many notes of each kind are left out."""
    left: Counter[str] = Counter()
    for note in root.iter("note"):
        if note.find("grace") is not None:
            left["grace notes"] += 1
        elif note.find("unpitched") is not None:
            left["notes without a pitch"] += 1
        elif note.find("cue") is not None and (pitch := note.find("pitch")) is not None:
            left["cue notes"] += 1  # they are silent
            pitch.clear()
            pitch.tag = "rest"
    for moved in root.iter("transpose"):
        if moved.find("diatonic") is None:
            steps = ElementTree.SubElement(moved, "diatonic")
            steps.text = str(round(int(moved.findtext("chromatic", "0")) * 7 / 12))
    for beats in root.iter("beats"):
        if sum(map(int, re.findall(r"\d+", beats.text or ""))) > 255:
            raise MidiError(f"has a meter of {(beats.text or '')[:20]} beats; 255 are the most")
    return left


# --- from a score to MIDI ------------------------------------------------------------------------


def _midi(score: Score) -> Midi:
    parts = [list(part.getElementsByClass("Measure")) for part in score.parts]
    columns = list(zip_longest(*parts))  # the measures that sound together
    lengths = [max(m.highestTime for m in column if m is not None) for column in columns]
    starts = [round(start * RESOLUTION) for start in accumulate(lengths, initial=0)]
    tracks = defaultdict(list)  # of the staves of a part
    for part, measures in zip(score.parts, parts):
        tracks[re.sub(r"-Staff\d+$", "", str(part.id))].append((part, measures))
    midi = Midi(tracks=[_closed(_told(columns, starts))])
    for channel, staves in enumerate(tracks.values()):
        timed = sorted(
            (one for _, measures in staves for one in _timed(measures, starts)), key=lambda t: t[:2]
        )
        first, *_ = staves
        midi.tracks.append(_track(first[0], spans(timed), CHANNELS[channel % len(CHANNELS)]))
    return midi


def _timed(measures: Iterable[Measure], starts: Iterable[int]) -> Iterator[Timed]:
    """What sounds in some measures, and when; `starts` are theirs."""
    for measure, at in zip(measures, starts):
        for one in measure.flatten().notes:
            start = at + round(one.offset * RESOLUTION)
            if start < 0:
                raise ValueError("a note before the first bar")
            yield start, at + round((one.offset + one.quarterLength) * RESOLUTION), one


def spans(timed: Iterable[Timed]) -> list[Span]:
    """The notes of what sounds, given in order of time; those that a tie joins are one.

    Left out is what has no pitch, or no length: grace notes, chord symbols.
    """
    from music21.note import Note

    found: list[Span] = []
    open_: dict[tuple[int, int], int] = {}  # by pitch and end: the note that a tie may make longer
    for start, end, one in timed:
        if end <= start:
            continue
        for note in getattr(one, "notes", (one,)):
            if not isinstance(note, Note):
                continue
            pitch, tie = note.pitch.midi, note.tie and note.tie.type
            k = open_.pop((pitch, start), None) if tie in ("continue", "stop") else None
            if k is None:
                k = len(found)
                found.append((pitch, start, end))
            found[k] = (*found[k][:2], end)
            open_[pitch, end] = k
    return found


def _apart(notes: Iterable[Span]) -> list[Span]:
    """Notes of one pitch that overlap, in two voices say, parted: the later one strikes it again.

    It then sounds as long as either.
    """
    by_pitch: dict[int, list[Span]] = defaultdict(list)
    for pitch, start, end in sorted(notes):
        line = by_pitch[pitch]
        if line and start < line[-1][2]:
            _, before, until = line.pop()
            line += [(pitch, before, start)] * (before < start)
            end = max(end, until)
        line.append((pitch, start, end))
    return [note for line in by_pitch.values() for note in line]


def _track(part: Part, notes: Iterable[Span], channel: int) -> list[Event]:
    """The track of a part: its name, its program, its notes."""
    events = []
    if part.partName:
        events.append(meta(0, NAME, part.partName.encode()))
    sound = part.getInstrument(returnDefault=False)
    if sound is not None and sound.midiChannel == DRUMS:
        channel = DRUMS
    if sound is not None and sound.midiProgram is not None:
        events.append(Event(0, bytes([0xC0 | channel, sound.midiProgram])))
    for pitch, start, end in _apart(notes):
        events += [
            Event(start, bytes([0x90 | channel, pitch, VELOCITY])),
            Event(end, bytes([0x80 | channel, pitch, 64])),
        ]
    return _closed(events)


def _closed(events: list[Event]) -> list[Event]:
    """Events in order, what ends before what begins, and the end of the track."""
    rank = {0xFF: 0, 0xC0: 1, 0x80: 2, 0x90: 3}
    events = sorted(events, key=lambda e: (e.tick, rank[e.kind]))
    return [*events, Event(events[-1].tick if events else 0, END_OF_TRACK)]


def _told(columns: Iterable[tuple[Measure | None, ...]], starts: list[int]) -> list[Event]:
    """Time signatures, keys and tempi: each where it changes."""
    events: list[Event] = []
    meter, begin, due, key = (4, 4), 0, True, None
    tempi: dict[int, Event] = {}  # each part may tell the same
    for k, (column, (start, stop)) in enumerate(zip(columns, pairwise(starts))):
        measures = [measure for measure in column if measure is not None]
        for signature in [m.timeSignature for m in measures if m.timeSignature is not None][:1]:
            told = signature.numerator, signature.denominator
            if told != meter and told[1] in (1, 2, 4, 8, 16, 32, 64, 128):
                meter, due = told, True
        bar = 4 * RESOLUTION * meter[0] // meter[1]
        if k == 0 and stop - start < bar and len(starts) > 2:  # a pickup
            events.append(_signature(start, *_as_meter(stop - start)))
        elif due or stop - start == bar and (start - begin) % bar:
            events.append(_signature(start, *meter))
            begin, due = start, False
        for found in [m.keySignature for m in measures if m.keySignature is not None][:1]:
            mode = getattr(found, "mode", None) == "minor"
            if found.sharps in range(-7, 8) and (found.sharps, mode) != key:
                key = found.sharps, mode
                events.append(meta(start, KEY, bytes([found.sharps % 256, mode])))
        for measure in measures:
            for mark in measure.recurse().getElementsByClass("MetronomeMark"):
                speed = None if mark.numberImplicit else mark.getQuarterBPM()
                if speed is not None and 4 <= speed <= 1000:  # a MIDI file holds no slower one
                    at = start + round(mark.getOffsetInHierarchy(measure) * RESOLUTION)
                    held = round(6e7 / speed).to_bytes(3, "big")
                    tempi.setdefault(at, meta(at, TEMPO_META, held))
    return [*events, *tempi.values()]


def _signature(tick: int, numerator: int, denominator: int) -> Event:
    return meta(tick, SIGNATURE, bytes([numerator, denominator.bit_length() - 1, 24, 8]))


def _as_meter(ticks: int) -> tuple[int, int]:
    """The time signature of a bar of so many ticks, in the longest notes that fit; rounded up."""
    whole = Fraction(ticks, 4 * RESOLUTION)
    fit = (note for note in (4, 8, 16, 32) if (whole * note).denominator == 1)
    note = next(fit, 64)
    return min(ceil(whole * note), 255), note
