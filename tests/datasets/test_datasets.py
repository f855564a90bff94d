"""The chorales: split by melody, parsed once, kept where one says; and folders of one's own."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from binolab import datasets, files
from binolab.datasets import chorales, folders
from binolab.diffusion import prompting
from binolab.music import midi, rolls, scores
from binolab.music.midi import Event

LISTED = json.loads(chorales.LISTED.read_text())


@pytest.fixture(scope="module")
def score():
    return chorales.score("bwv269")


@pytest.fixture
def two(monkeypatch, tmp_path):
    """A list of two chorales, one to learn from, and an empty cache."""
    few = {"music21": "0", "train": ["bwv269"], "valid": ["bwv347"], "test": []}
    (tmp_path / "chorales.json").write_text(json.dumps(few))
    monkeypatch.setattr(chorales, "LISTED", tmp_path / "chorales.json")
    monkeypatch.setenv("BINOLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def soprano_runs(roll, size=12):
    """All runs of successive intervals of the top line, repeated notes counted."""
    line = prompting.melody_line(torch.from_numpy(roll)).numpy()
    tick = np.arange(len(line))
    before = np.where(tick > 0, roll[line, tick - 1], False)  # was its row lit a tick ago?
    struck = (line >= 0) & roll[line, tick] & ((np.roll(line, 1) != line) | ~before)
    steps = np.diff(line[struck]).tolist()
    return {tuple(steps[i : i + size]) for i in range(len(steps) - size + 1)}


# --- the split -----------------------------------------------------------------------------------


def test_the_split_is_written_down_and_disjoint():
    assert [len(LISTED[s]) for s in chorales.SPLITS] == [281, 39, 45]
    names = [n for s in chorales.SPLITS for n in LISTED[s]]
    assert len(set(names)) == 365


def test_tunes_that_bach_set_many_times_lie_in_one_split():
    home = {n: s for s in chorales.SPLITS for n in LISTED[s]}
    for family in (
        ["bwv244.15", "bwv244.17", "bwv244.44", "bwv244.54", "bwv244.62"],  # O Haupt voll Blut
        ["bwv13.6", "bwv44.7", "bwv244.10", "bwv244.37", "bwv245.11", "bwv392"],  # O Welt
        ["bwv227.1", "bwv227.7", "bwv81.7", "bwv64.8"],  # Jesu, meine Freude
    ):
        assert len({home[n] for n in family}) == 1, {n: home[n] for n in family}


def test_no_split_shares_a_run_of_its_sopranos():
    """On all 365, where an earlier use has parsed them (a minute of work otherwise)."""
    cache = files.cache_folder() / f"chorales-{LISTED['music21']}-{chorales.PARSER}.npz"
    if not cache.exists():
        pytest.skip("the chorales are not parsed yet: chorales.load() does it")
    pieces = {s: chorales.load(s, progress=False) for s in chorales.SPLITS}
    assert [len(p) for p in pieces.values()] == [281, 39, 45]
    assert len(chorales.load(progress=False)) == 365
    runs = {s: set().union(*(soprano_runs(p.roll) for p in pieces[s])) for s in chorales.SPLITS}
    for a, b in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not runs[a] & runs[b], (a, b)
    every = [p.roll for s in pieces.values() for p in s]
    assert all(r.shape[0] == 56 and r.dtype == bool for r in every)
    assert abs(datasets.density(chorales.load(progress=False)) - 0.0693) < 0.001
    lit = np.logical_or.reduce([r.any(1) for r in every]).nonzero()[0]
    assert (lit[0] + 33, lit[-1] + 33) == (36, 81)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="train, valid, test"):
        chorales.load("dev")


# --- one chorale ---------------------------------------------------------------------------------


def test_a_chorale_has_four_voices_in_range_and_on_the_grid(score):
    roll = scores.score_roll(score)
    assert roll.shape == (56, round(float(score.highestTime) * 24))
    voices = roll.sum(0)
    assert voices.max() == 4 and (voices == 4).mean() > 0.8
    lit = roll.any(1).nonzero()[0] + 33
    assert lit.min() >= 36 and lit.max() <= 81
    onsets = [start for _, start, _ in rolls.notes(roll)]
    assert np.mean([s % 12 == 0 for s in onsets]) > 0.9


def test_the_notes_of_a_roll_are_the_notes_of_its_score(score):
    """Every onset of the score strikes a cell, and no other cell is struck."""
    expected = {
        (p.midi - 33, round(float(n.offset) * 24))
        for part in score.parts
        for n in part.flatten().notes
        for p in n.pitches
        if n.tie is None or n.tie.type == "start"
    }
    roll = scores.score_roll(score)
    found = {(row, start) for row, start, _ in rolls.notes(roll)}
    assert found == expected


@pytest.mark.parametrize("name", ["bwv112.5", "bwv190.7", "bwv244.3", "bwv248.5"])
def test_a_name_means_that_file_alone(name):
    """music21 takes a name for a beginning: bwv190.7-inst, with trumpets, came for bwv190.7."""
    score = chorales.score(name)
    assert len(score.parts) == 4
    roll = scores.score_roll(score)
    assert roll.sum(0).max() <= 4 and roll.any(1).nonzero()[0].max() + 33 <= 81


def test_a_tied_note_is_one_note_and_a_repeated_one_two():
    from music21 import note, stream, tie

    part = stream.Part()
    for offset, kind in ((0, "start"), (1, "stop"), (2, None)):
        struck = note.Note("C4", quarterLength=1)
        struck.tie = tie.Tie(kind) if kind else None
        part.insert(offset, struck)
    whole = stream.Score([part])
    assert rolls.notes(scores.score_roll(whole)) == [(27, 0, 48), (27, 48, 72)]


def test_voices_that_meet_are_kept_once():
    from music21 import note, stream

    parts = [stream.Part([note.Note("C4", quarterLength=2)]) for _ in range(2)]
    assert rolls.notes(scores.score_roll(stream.Score(parts))) == [(27, 0, 48)]


# --- the cache -----------------------------------------------------------------------------------


def test_the_cache_lies_where_the_variable_says_and_spares_the_parsing(two, monkeypatch):
    first = chorales.load(progress=False)
    parsed = [scores.score_roll(chorales.score(p.name)) for p in first]
    assert [p.name for p in first] == ["bwv269", "bwv347"]
    assert [p.name for p in two.iterdir()] == [f"chorales-0-{chorales.PARSER}.npz"]
    monkeypatch.setattr(chorales, "score", lambda name: pytest.fail("parsed again"))
    again = chorales.load("valid", progress=False)
    assert [p.name for p in again] == ["bwv347"]
    assert again[0].roll.dtype == bool and np.array_equal(again[0].roll, first[1].roll)
    assert all(np.array_equal(p.roll, roll) for p, roll in zip(first, parsed))


@pytest.mark.parametrize("damage", [lambda data: data[:-40], lambda data: b"", lambda data: b"PK"])
def test_a_damaged_cache_is_named_and_made_anew(two, damage, capsys):
    first = chorales.load(progress=False)
    (cache,) = two.iterdir()
    cache.write_bytes(damage(cache.read_bytes()))
    again = chorales.load(progress=False)
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert f"{cache}: a damaged cache" in said
    assert all(np.array_equal(p.roll, q.roll) for p, q in zip(first, again))


def test_an_interrupted_parse_leaves_no_cache(two, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(chorales, "score", interrupted)
    with pytest.raises(KeyboardInterrupt):
        chorales.load(progress=False)
    assert not two.exists() or not list(two.iterdir())


def test_without_the_variable_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv("BINOLAB_CACHE", raising=False)
    assert files.cache_folder().name == "binolab"
    monkeypatch.setenv("BINOLAB_CACHE", str(tmp_path))
    assert files.cache_folder() == tmp_path


# --- anyone's own files --------------------------------------------------------------------------


def write(path, pitch=60, beats=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    roll = rolls.from_notes([(pitch - 21, 0, 24 * beats)], 88)
    rolls.to_midi(roll, low=21).write(path)


def smf(*events, ticks=1):
    """A MIDI file of few bytes: (ticks to wait, the event's bytes); `ticks` to a beat."""

    def variable(number):
        found = [number & 127]
        while number := number >> 7:
            found.insert(0, number & 127 | 128)
        return bytes(found)

    track = b"".join(variable(wait) + bytes(event) for wait, event in (*events, (0, END)))
    head = b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1]) + ticks.to_bytes(2, "big")
    return head + b"MTrk" + len(track).to_bytes(4, "big") + track


ON, OFF, END = (0x90, 60, 80), (0x80, 60, 0), (0xFF, 0x2F, 0)
STRAYS = {
    "far": smf((0, ON), (1, OFF), (9_000, ON), (1, OFF)),
    "late": smf((300, ON), (1, OFF)),
    "drone": smf((0, ON), (9_000, OFF)),
    "long": smf(*[(200, ON), (1, OFF)] * 60),
}


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_file_is_skipped_before_its_roll_is_drawn(name, tmp_path, capsys, monkeypatch):
    """47 bytes would turn the data into silence, 45 fill the memory."""
    for i in range(3):
        write(tmp_path / f"{i}.mid", 60 + i, beats=200)
    (tmp_path / "stray.mid").write_bytes(STRAYS[name])
    draw = folders.draw
    monkeypatch.setattr(folders, "draw", lambda n, *a: draw(n, *a) if len(n) == 1 else 1 / 0)
    found = folders.load(tmp_path, progress=False)
    assert len(found) == 3 and list(found.skipped) == ["stray.mid"]
    said = capsys.readouterr().err.strip()
    assert "stray.mid: " in said and " beat" in said and "; cut" in said and "\n" not in said
    assert datasets.density(found) == pytest.approx(1 / found.pitches)


def test_a_long_piece_with_long_rests_is_kept():
    beats = np.arange(0, folders.LONGEST - 300, folders.PAUSE)
    notes = np.stack([0 * beats + 60, 24 * beats, 24 * beats + 24], axis=1)
    assert folders.unfit(notes.tolist()) is None
    notes[1:, 1:] += 24
    assert "257 beats from beat 0, and 256 are the most" in folders.unfit(notes.tolist())
    notes = [(60, 0, 24), (60, 24 * folders.LONGEST, 24 * folders.LONGEST + 24)]
    assert f"{folders.LONGEST + 1:,} beats long" in folders.unfit(notes)


def test_a_folder_is_read_to_the_bottom_and_bad_files_are_named_and_skipped(tmp_path, capsys):
    write(tmp_path / "b.mid", 60)
    write(tmp_path / "deep" / "a.MIDI", 62)
    write(tmp_path / "high.mid", 100)
    (tmp_path / "broken.mid").write_text("no music")
    (tmp_path / "empty.mid").touch()
    (tmp_path / "notes.txt").write_text("not looked at")
    found = folders.load(tmp_path, low=33, pitches=56, progress=False)
    assert [p.name for p in found] == ["b.mid", "deep/a.MIDI"]
    assert [rolls.notes(p.roll) for p in found] == [[(27, 0, 48)], [(29, 0, 48)]]
    assert sorted(found.skipped) == ["broken.mid", "empty.mid", "high.mid"]
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3 and all(line.startswith("skipped ") for line in lines)
    for line, name, why in zip(
        lines, ("broken", "empty", "high"), ("not a readable", "0 bytes", "outside MIDI 33..88")
    ):
        assert f"{name}.mid: " in line and why in line and line.count(".mid") == 1
        assert line.endswith(found.skipped[f"{name}.mid"])


def test_of_hundreds_of_skipped_files_twenty_are_named(tmp_path, capsys):
    write(tmp_path / "good.mid", 60)
    for i in range(30):
        (tmp_path / f"{i}.mid").write_text("no music")
    found = folders.load(tmp_path, progress=False)
    lines = capsys.readouterr().err.splitlines()
    assert len(found.skipped) == 30 and len(lines) == 21
    assert lines[-1] == "skipped 10 more of 31 files"


def test_the_range_is_chosen_from_the_data_unless_it_is_given(tmp_path):
    write(tmp_path / "low.mid", 40)
    write(tmp_path / "high.mid", 92)
    found = folders.load(tmp_path, progress=False)
    assert (found.low, found.pitches) == (38, 56) and len(found) == 2 and not found.skipped
    assert all(p.roll.shape == (56, 48) for p in found)
    assert datasets.density(found) == 1 / 56
    learned, held = datasets.hold_out(found)
    assert {p.name for p in [*learned, *held]} == {"low.mid", "high.mid"} and len(held) == 1
    found = folders.load(tmp_path, low=21, pitches=88, progress=False)
    assert found[0].roll.shape == (88, 48) and found[0].roll[71].all()
    found = folders.load(tmp_path, pitches=24, progress=False)
    assert found.pitches == 24 and len(found) == len(found.skipped) == 1


def test_the_pedal_is_heeded_where_asked(tmp_path):
    import pretty_midi

    write(tmp_path / "a.mid", 60)
    midi = pretty_midi.PrettyMIDI(str(tmp_path / "a.mid"))
    changes = midi.instruments[0].control_changes
    changes += [pretty_midi.ControlChange(64, v, t) for v, t in ((127, 0.1), (0, 2.4))]
    midi.write(str(tmp_path / "a.mid"))
    keys, pedal = (folders.load(tmp_path, pedal=p, progress=False) for p in (False, True))
    assert (keys[0].roll.shape[1], pedal[0].roll.shape[1]) == (48, 96)


def song(path, *tracks):
    """A file of tracks (name, program, pitch), a note of two beats on each."""
    made = midi.blank()
    for channel, (name, program, pitch) in enumerate(tracks):
        made.tracks.append(
            [
                midi.meta(0, midi.NAME, name.encode()),
                Event(0, bytes([0xC0 | channel, program])),
                Event(0, bytes([0x90 | channel, pitch, 80])),
                Event(960, bytes([0x80 | channel, pitch, 64])),
                Event(960, midi.END_OF_TRACK),
            ]
        )
    made.write(path)


def test_of_each_file_the_parts_that_are_asked_for_are_learned(tmp_path, capsys):
    song(tmp_path / "song.mid", ("Voice", 52, 72), ("Klavier", 0, 48))
    song(tmp_path / "choir.mid", ("Soprano", 52, 72), ("Bass", 52, 50))
    found = folders.load(tmp_path, low=40, pitches=40, progress=False)
    assert {p.name: p.roll.any(1).nonzero()[0].tolist() for p in found} == {
        "choir.mid": [10, 32],
        "song.mid": [8, 32],
    }
    capsys.readouterr()
    for wanted in ("piano", "0-7"):
        found = folders.load(tmp_path, low=40, pitches=40, parts=wanted, progress=False)
        assert [p.name for p in found] == ["song.mid"]
        assert found[0].roll.any(1).nonzero()[0].tolist() == [8]
        said = capsys.readouterr().err.strip()
        assert f"choir.mid: no part is {wanted} (found Soprano (Choir Aahs), Bass" in said
    found = folders.load(tmp_path, parts="piano", progress=False)
    assert (found.low, found.pitches) == (44, 8)  # of what is learned, not of the voice
    with pytest.raises(ValueError, match="no usable MIDI file"):
        folders.load(tmp_path, parts="harp", progress=False)


SCORE = """<score-partwise><part-list>
<score-part id="V"><part-name>Voice</part-name></score-part>
<score-part id="P"><part-name>Piano</part-name></score-part></part-list>
<part id="V"><measure><attributes><divisions>1</divisions></attributes>
<note><pitch><step>C</step><octave>5</octave></pitch><duration>4</duration></note></measure></part>
<part id="P"><measure><attributes><divisions>1</divisions></attributes>
<note><pitch><step>C</step><octave>3</octave></pitch><duration>4</duration></note></measure></part>
</score-partwise>"""


@pytest.fixture
def songs(tmp_path, monkeypatch):
    """A folder with a score, a broken one and a MIDI file, and an empty cache."""
    monkeypatch.setenv("BINOLAB_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "songs"
    write(folder / "a.mid", 60)
    (folder / "b.musicxml").write_text(SCORE)
    (folder / "c.xml").write_text(SCORE[:-40])
    return folder


def test_scores_are_read_beside_midi_files(songs, capsys):
    found = folders.load(songs, low=40, pitches=40, progress=False)
    assert [p.name for p in found] == ["a.mid", "b.musicxml"]
    assert found[1].roll.any(1).nonzero()[0].tolist() == [8, 32] and found[1].roll.shape[1] == 96
    assert list(found.skipped) == ["c.xml"] and "c.xml: not a read" in capsys.readouterr().err
    found = folders.load(songs, low=40, pitches=40, parts="piano", progress=False)
    assert [p.roll.any(1).nonzero()[0].tolist() for p in found] == [[20], [8]]


def test_a_score_is_parsed_once_whatever_its_name(songs, tmp_path, monkeypatch):
    before = folders.load(songs, progress=False)
    (kept,) = (tmp_path / "cache" / "scores").iterdir()
    (songs / "b.musicxml").rename(songs / "d.xml")
    with monkeypatch.context() as patch:
        patch.setattr(folders.musicxml, "to_midi", lambda _: pytest.fail("parsed again"))
        (songs / "c.xml").unlink()
        after = folders.load(songs, progress=False)
        assert [p.name for p in after] == ["a.mid", "d.xml"]
        assert all(np.array_equal(a.roll, b.roll) for a, b in zip(before, after, strict=True))
    sound = kept.read_bytes()
    for damage in (b"", sound[:30]):
        kept.write_bytes(damage)
        assert len(folders.load(songs, progress=False)) == 2 and kept.read_bytes() == sound
    (songs / "d.xml").write_text(SCORE.replace("<step>C", "<step>D"))  # another score
    changed = folders.load(songs, low=40, pitches=40, progress=False)[1].roll
    assert changed.any(1).nonzero()[0].tolist() == [10, 34]
    assert len(list(kept.parent.iterdir())) == 2
    monkeypatch.setattr(folders, "PARSER", folders.PARSER + 1)
    folders.load(songs, progress=False)
    assert len(list(kept.parent.iterdir())) == 3


def test_a_cache_that_cannot_be_written_hinders_nothing(songs, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BINOLAB_CACHE", str(tmp_path / "file"))
    assert len(folders.load(songs, progress=False)) == 2


def test_a_piece_that_is_there_as_midi_and_as_a_score_is_learned_once(songs, capsys):
    """Else one could be learned and the other held out."""
    (songs / "a.mxl").write_text(SCORE)
    (songs / "b.xml").write_text(SCORE)
    found = folders.load(songs, progress=False)
    assert [p.name for p in found] == ["a.mid", "b.musicxml"]
    assert "is the same piece as a.mid" in found.skipped["a.mxl"]
    assert "is the same piece as b.musicxml" in found.skipped["b.xml"]
    (songs / "a.mid").write_bytes(b"broken")
    assert "a.mxl" in [p.name for p in folders.load(songs, progress=False)]


def test_scores_are_read_on_all_cores(songs):
    files = [songs / "b.musicxml", songs / "a.mid"] * 2
    one, two = (folders.scan_all(files, progress=False, jobs=jobs) for jobs in (1, 2))
    assert all(np.array_equal(a.notes, b.notes) for a, b in zip(one, two, strict=True))
    assert [s.span for s in two] == [(48, 72), (60, 60)] * 2


def test_a_data_set_of_ours_has_no_parts_to_choose():
    with pytest.raises(ValueError, match="`parts`: for folders; chorales"):
        datasets.load("chorales", parts="piano")


def test_in_the_repository_a_data_set_is_not_taken_for_a_folder():
    """`--data maestro` once meant the weights that were made from it."""
    root = Path(__file__).parents[2]
    assert (root / "binolab").is_dir()
    assert not [name for name in datasets.NAMED if (root / name).exists()]


spans = st.lists(
    st.tuples(st.integers(0, 127), st.integers(0, 60)).map(lambda s: (s[0], min(127, sum(s)))),
    min_size=1,
    max_size=60,
)


@given(spans)
def test_a_chosen_range_is_whole_eights_of_the_piano_and_holds_what_it_should(found):
    low, pitches = folders.choose_range(found)
    assert pitches % 8 == 0 and low >= 21 and low + pitches <= 109
    piano = [s for s in found if folders.inside(s, 21, 88)]
    left = [s for s in piano if not folders.inside(s, low, pitches)]
    assert len(left) <= max(len(piano) // 20, len(piano) >= 8)  # the strays
    if piano and not left:
        needed = max(s[1] for s in piano) - min(s[0] for s in piano) + 1
        assert pitches < needed + 8


@given(spans, st.integers(0, 120), st.integers(1, 16).map(lambda n: 8 * n))
def test_what_is_given_is_kept(found, low, pitches):
    assert folders.choose_range(found, low, pitches) == (low, pitches)
    assert folders.choose_range(found, low=low)[0] == low
    chosen = folders.choose_range(found, pitches=pitches)
    assert chosen[1] == pitches and 0 <= chosen[0] and chosen[0] + pitches <= 128


@pytest.mark.parametrize(
    "found, expected",
    [
        ([(36, 81)], (35, 48)),  # the spare rows are shared between both ends
        ([(21, 108)], (21, 88)),
        ([(21, 60)], (21, 40)),
        ([(21, 61)], (21, 48)),  # no room below the piano's lowest key
        ([(60, 60)], (56, 8)),
        ([], (33, 56)),
        ([(36, 81)] * 19 + [(22, 81)], (35, 48)),  # one stray of twenty
        ([(36, 81)] * 7 + [(22, 81)], (35, 48)),  # one of eight
        ([(36, 81)] * 6 + [(22, 81)], (21, 64)),  # of seven it counts
        ([(36, 81)] * 19 + [(30, 83)], (29, 56)),  # not far enough out to be a stray
        ([(36, 81)] * 18 + [(22, 81)] * 2, (21, 64)),  # two of twenty are no strays
        ([(36, 81), (0, 127)], (35, 48)),  # no piano has these
    ],
)
def test_a_stray_file_does_not_widen_the_range(found, expected):
    assert folders.choose_range(found) == expected


@pytest.mark.parametrize("content", ["nothing", "only bad"])
def test_a_folder_without_a_usable_file_is_refused(tmp_path, content):
    if content == "only bad":
        (tmp_path / "x.mid").touch()
    with pytest.raises(ValueError, match="no usable MIDI file") as caught:
        folders.load(tmp_path, progress=False)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        folders.load(tmp_path / "none")


def test_density_counts_cells_of_all_pieces():
    pieces = [
        datasets.Piece("a", np.ones((2, 3), bool)),
        datasets.Piece("b", np.zeros((2, 9), bool)),
    ]
    assert datasets.density(pieces) == 0.25


@pytest.mark.parametrize("n", [2, 3, 9, 10, 25])
def test_holding_out_leaves_no_piece_in_both_parts(n):
    pieces = [datasets.Piece(str(i), np.zeros((2, 3), bool)) for i in range(n)]
    learned, held = datasets.hold_out(pieces)
    assert learned and held and {p.name for p in learned}.isdisjoint(p.name for p in held)
    assert len(learned) + len(held) == n and len(held) == max(1, n // 10)


def test_a_lone_piece_is_learned_from_and_measured_on():
    pieces = [datasets.Piece("a", np.zeros((2, 3), bool))]
    assert datasets.hold_out(pieces) == (pieces, pieces)


def test_folders_train_and_valid_are_the_two_sides(tmp_path):
    for k, name in enumerate(["train/a", "train/deep/b", "train/c", "valid/d", "test/e"]):
        write(tmp_path / f"{name}.mid", 60 + k)
    for split, held in ("valid", "d"), ("test", "e"):
        found = folders.data(tmp_path, split=split, progress=False)
        assert [Path(p.name).stem for p in found.training] == ["a", "c", "b"]
        assert [Path(p.name).stem for p in found.held_out] == [held]
        assert (found.low, found.pitches) == (58, 8)  # one range for all five
    (tmp_path / "valid" / "d.mid").write_bytes(b"")
    with pytest.raises(ValueError, match="valid: no usable file"):
        folders.data(tmp_path, progress=False)
    with pytest.raises(ValueError, match="no test split without"):
        folders.data(tmp_path / "train", split="test", progress=False)


def test_parts_are_kept_apart_on_planes_of_their_own(tmp_path):
    song(tmp_path / "a.mid", ("Voice", 52, 72), ("Right", 0, 60), ("Left", 0, 48))
    song(tmp_path / "b.mid", ("Piano", 0, 50))
    found = folders.load(tmp_path, parts="piano,others", progress=False)
    assert [p.parts.shape for p in found] == [(2, *p.roll.shape) for p in found]
    for piece in found:
        assert np.array_equal(piece.roll, piece.parts.any(0))
    (piano, voice), low = found[0].parts, found.low
    assert voice.any(1).nonzero()[0].tolist() == [72 - low]
    assert piano.any(1).nonzero()[0].tolist() == [48 - low, 60 - low]
    assert not found[1].parts[1].any()
