"""MAESTRO: fetched, unpacked, listed, kept to its split, parsed once, and selected from."""

import csv
import hashlib
import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pooch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from binolab import files
from binolab.datasets import archive, chorales, folders, maestro, pieces
from binolab.datasets.archive import ArchiveError, Performance
from binolab.datasets.titles import Held, works
from binolab.music import rolls

BACH = "Johann Sebastian Bach"
# composer, title, split, file, lowest pitch, beats
LIST = [
    (BACH, "Prelude and Fugue in C-sharp Major, WTC I, BWV 848", "train", "2008/a.midi", 30, 20),
    (BACH, "Prelude and Fugue in D-flat Major, WTC I", "train", "2009/b.midi", 60, 20),
    (BACH, "Prelude and Fugue in D-flat Major, WTC I", "train", "2011/c.midi", 61, 40),
    ("Frédéric Chopin", "12 Etudes, Op. 25", "train", "2004/d.midi", 50, 33),
    ("Frédéric Chopin", "Etude Op. 25 No. 5 in E Minor", "validation", "2008/e.midi", 52, 16),
    ("Orlando Gibbons", "Pavan", "test", "2013/f.midi", 40, 5),
]


def tune(low, beats):
    roll = rolls.from_notes([(low - 21, 0, 24 * beats), (low - 20, 24, 48)], 88)
    return rolls.to_midi(roll, low=21, tempo=120)


@pytest.fixture(scope="session")
def zipped(tmp_path_factory):
    """A tiny archive in the official layout, as the bytes of its zip file."""
    folder = tmp_path_factory.mktemp("archive")
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(
        [
            "canonical_composer",
            "canonical_title",
            "split",
            "year",
            "midi_filename",
            "audio_filename",
            "duration",
        ]
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for composer, title, split, file, low, beats in LIST:
            rows.writerow(
                [composer, title, split, file[:4], file, file.replace("midi", "wav"), beats / 2]
            )
            tune(low, beats).write(folder / "one.mid")
            made.write(folder / "one.mid", f"maestro-v3.0.0/{file}")
        made.writestr("maestro-v3.0.0/maestro-v3.0.0.csv", text.getvalue())
    return packed.getvalue()


@pytest.fixture
def root(zipped, tmp_path, monkeypatch):
    monkeypatch.setenv("BINOLAB_CACHE", str(tmp_path / "cache"))
    with zipfile.ZipFile(io.BytesIO(zipped)) as made:
        made.extractall(tmp_path)
    return tmp_path / "maestro-v3.0.0"


def names(found):
    return [p.name for p in found]


# --- the list and the split ----------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0", "3.0.0"])
def test_every_version_is_read_from_its_folder_or_the_one_above(root, version):
    (root / "maestro-v3.0.0.csv").rename(root / f"maestro-v{version}.csv")
    for folder in (root, root.parent):
        listed = archive.find(folder)
        assert listed.name == f"maestro-v{version}.csv"
        read = archive.read(listed)
        assert [(p.composer, p.title, p.split, p.file) for p in read] == [r[:4] for r in LIST]
        assert read[0].year == 2008 and read[0].duration == 10
    assert names(maestro.load(root, split="test", progress=False)) == ["2013/f.midi"]


def test_the_official_split_is_kept_and_no_work_crosses_it(root):
    split = {s: maestro.load(root, split=s, progress=False) for s in chorales.SPLITS}
    assert [names(found) for found in split.values()] == [
        ["2009/b.midi", "2011/c.midi"],
        ["2008/e.midi"],
        ["2013/f.midi"],
    ]
    why = split["train"].skipped
    assert why["2004/d.midi"] == "its work is in the validation split too"
    assert "notes outside MIDI 33..88 (found 30..31)" in why["2008/a.midi"]
    whole = maestro.load(root, progress=False)
    assert names(whole) == [n for found in split.values() for n in names(found)]
    assert names(maestro.load(root, split="validation", progress=False)) == ["2008/e.midi"]
    assert (whole.low, whole.pitches) == (33, 56)


TITLES = ["Op. 10", "Op. 10 No. 1", "Op. 10 No. 2", "Etudes, Opus 10, Nos. 1-2", "Waltz"]


@given(st.lists(st.tuples(st.sampled_from(TITLES), st.sampled_from(list(archive.OURS)))))
def test_a_split_that_is_settled_shares_no_work(listed):
    performances = [
        Performance("X", title, split, 2000, str(i), 1.0) for i, (title, split) in enumerate(listed)
    ]
    kept, dropped = archive.settle(performances)
    assert sorted(p.file for p in [*kept, *dropped]) == sorted(p.file for p in performances)
    assert not any(p.split == "test" for p in dropped)
    for a in kept:
        for b in kept:
            assert a.split == b.split or not Held(a.works).touch(b.works)


@pytest.mark.parametrize(
    "line, fault",
    [
        ("X,Y,train,2000,../../etc/x.midi,x.wav,1", "etc/x.midi"),
        ("X,Y,train,2000,/etc/x.midi,x.wav,1", "/etc/x.midi"),
        ("X,Y,dev,2000,x.midi,x.wav,1", "split 'dev'"),
        ("X,Y,train,2000,faults,x.wav,1", "file 'faults'"),
        ("X,Y,train,2000,C:x.midi,x.wav,1", "C:x.midi"),
        ("X,Y,train", "performance 6"),
        ("X,Y,train,2000,x.midi,x.wav", "performance 6"),
        ("X,Y,train,long ago,x.midi,x.wav,1", "long ago"),
        ("X,Y,train,2000,x.midi,x.wav,one", "one"),
        ("X," + "Y" * 200_000, "field larger than field limit"),
    ],
)
def test_a_list_that_is_not_the_official_one_is_refused(root, line, fault):
    with open(root / "maestro-v3.0.0.csv", "a") as opened:
        opened.write(line + "\n")
    with pytest.raises(ArchiveError, match="unzip the official archive anew") as caught:
        maestro.load(root, progress=False)
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "canonical_composer\nFrédéric\n".encode("latin-1"),
        "canonical_composer".encode("utf-16"),
        b"\0" * 99,
        b"\xff" * 99,
        b"",
        b"\n\n",
        b'"',
    ],
)
def test_a_list_that_is_no_table_is_refused_in_a_line(root, text):
    (root / "maestro-v3.0.0.csv").write_bytes(text)
    with pytest.raises(ArchiveError, match="unzip the official archive anew") as caught:
        maestro.load(root, progress=False)
    assert "\n" not in str(caught.value)


def test_a_list_without_end_is_not_read_to_its_end(root, monkeypatch):
    monkeypatch.setattr(archive, "LONGEST", 300)
    with pytest.raises(ArchiveError, match="more than 300 characters.*; unzip"):
        maestro.load(root, progress=False)


parts = st.sampled_from(["2004", "..", ".", "", "a.midi", "b.mid", "C:", "\\", "…", "...", "\0"])


@given(st.lists(parts, min_size=1, max_size=5).map("/".join))
def test_a_listed_file_lies_in_the_archive(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp().resolve()
    if archive.FILE.fullmatch(name):
        assert (folder / name).resolve().is_relative_to(folder)
        assert not set(name) & set("\\:\0") and ".." not in name.split("/")


def test_a_list_that_is_a_folder_is_refused(root):
    (root / "maestro-v4.csv").mkdir()
    with pytest.raises(ArchiveError, match="cannot be read"):
        maestro.load(root, progress=False)


def test_a_list_without_a_column_is_refused(root):
    (root / "maestro-v3.0.0.csv").write_text("canonical_title,split\nX,train\n")
    with pytest.raises(ArchiveError, match="no column canonical_composer, year"):
        maestro.load(root, progress=False)


def test_a_folder_without_maestro_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(ArchiveError, match="maestro-v3.0.0-midi.zip .*download=True") as caught:
        maestro.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_faulty_choices_are_refused(root):
    with pytest.raises(ValueError, match="train, valid, test"):
        maestro.load(root, split="dev")
    with pytest.raises(ValueError, match="give a wider range"):
        maestro.load(root, low=100, pitches=8, progress=False)
    for wrong in ({"by": "composer"}, {"copy": "last"}):
        with pytest.raises(ValueError, match=f"{list(wrong)[0]} must be"):
            maestro.selection(root, progress=False, **wrong)


# --- works ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number, titles",
    [
        (
            848,
            [
                "Prelude and Fugue in C sharp major, WTC I, BWV 848",
                "Prelude and Fugue in D-flat Major, WTC I, BWV 848",
                "Prelude and Fugue in C-sharp Major, BWV 848",
                "Prelude & Fugue in C♯ Major, WTC I",
            ],
        ),
        (867, ["Prelude & Fugue in B flat minor, Book I, BWV 867"]),
        (870, ["Prelude and Fugue in C Major, WTC  II, BWV 846"]),  # the music is 870
        (
            885,
            [
                "Prelude & Fugue in G Minor, WTK II",
                "Prelude and Fugue in G Minor, WTC II,  BWV 885",
            ],
        ),
        (889, ["Prelude and Fugue in A Minor, WTC II, BWV 847"]),  # the music is 889
        (893, ["Prelude and Fugue in B Minor, WTC II"]),
        (
            807,
            [
                "English Suite No. 2  in A Minor, BWV 807, I. Prelude",
                "Prelude from the English Suite No. 2",
            ],
        ),
        (816, ["French Suite No. 5 in G Major"]),
        (826, ["Partita No. 2 in C Minor, I. Sinfonia", "Partita in C Minor, BWV 826"]),
        (971, ["Italian Concerto, BWV 971 (Complete)", "Italian Concerto in F Major, BWV 971"]),
    ],
)
def test_the_spellings_of_a_work_by_bach_are_one(number, titles):
    assert {works(BACH, t) for t in titles} == {frozenset({(BACH.lower(), "bwv", number)})}


def test_the_well_tempered_clavier_is_numbered_by_its_keys():
    keys = ["C", "C-sharp", "D", "E-flat", "E", "F", "F-sharp", "G", "A-flat", "A", "B-flat", "B"]
    for first, book in ((846, "I"), (870, "II")):
        titles = [
            f"Prelude and Fugue in {k} {m}, WTC {book}" for k in keys for m in ("Major", "Minor")
        ]
        found = [next(iter(works(BACH, t)))[2] for t in titles]
        assert found == list(range(first, first + 24))


@pytest.mark.parametrize(
    "title, expected",
    [
        ("Etude in F Major, Op. 10, No. 8", {("op", 10, 8)}),
        ("Etudes Op. 10 Nos. 8", {("op", 10, 8)}),
        ("Complete Etudes, Opus 25", {("op", 25)}),
        ("Etudes Op. 25 Nos. 1-3", {("op", 25, 1), ("op", 25, 2), ("op", 25, 3)}),
        ("Preludes, Op.23 Nos. 2, 4 and 5", {("op", 23, 2), ("op", 23, 4), ("op", 23, 5)}),
        ("Etude Op. 10 No. 4; Etude Op. 25 #11", {("op", 10, 4), ("op", 25, 11)}),
        ("Impromptu Op. 142 No. 3, in B-Flat Major, D935", {("op", 142, 3)}),
        ("Sonata in G Major, D894", {("d", 894)}),
        ("Etude No. 10 in F Minor, S.139/10", {("s", 139, 10)}),
        ("Sonata in D-Major, K.V. 311, First Movement", {("k", 311)}),
        ("Sonata in D Major, KV 576, II - Adagio", {("k", 576)}),
        ("Sonata in C Major, Hob. XVI:50", {("hob xvi", 50)}),
        ("The “Chaconne” in F# Minor (Complete)", {("chaconne in f sharp minor",)}),
        ("Suite in E, II. Allegro", {("suite in e",)}),
        ("!!!", {("",)}),
    ],
)
def test_a_title_names_these_works(title, expected):
    assert works("Chopin", title) == {("chopin", *key) for key in expected}


def test_whole_and_part_touch_and_two_parts_do_not():
    whole, five, six = (works("Chopin", f"Op. 25{n}") for n in ("", " No. 5", " No. 6"))
    assert Held(whole).touch(five) and Held(five).touch(whole) and Held(five).touch(five)
    assert not Held(five).touch(six)
    assert not Held(works("Haydn", "Hob. XVI:50")).touch(works("Haydn", "Hob. XVI:52"))
    assert not Held(works("Schubert", "Waltz")).touch(works("Schubert / Liszt", "Waltz"))


@given(st.text(max_size=30))
def test_every_title_names_a_work(title):
    assert works("X", title) and works("X", title) == works("x", title + " ")


# --- the paper's selection -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "choice, counts",
    [
        ({}, (5, 4, 2 + 3 + 1 + 1)),  # b, d, e, f: 20, 33, 16 and 5 beats
        ({"pad": False}, (5, 4, 1 + 2 + 1)),
        ({"by": "work"}, (4, 3, 3 + 1 + 1)),  # a stands for BWV 848, and is out of range
        ({"by": "work", "copy": "in range"}, (4, 4, 7)),
        ({"by": None}, (6, 5, 10)),
        ({"low": 30, "pitches": 64}, (5, 5, 9)),
        ({"length": 96}, (5, 4, 5 + 9 + 4 + 2)),
    ],
)
def test_the_selection_counts_its_stages(root, choice, counts):
    found = maestro.selection(root, progress=False, **choice)
    assert tuple(found.counts.values()) == (6, *counts)
    assert list(found.counts) == ["performances", "titles", "in_range", "windows"]
    cut = found.windows
    assert cut.shape == (counts[2], choice.get("pitches", 56), choice.get("length", 384))
    assert len(found.pieces) == counts[1] and cut.any()


def test_a_selection_of_nothing_has_no_windows(root):
    found = maestro.selection(root, low=100, pitches=8, progress=False)
    assert found.counts["in_range"] == 0 and found.windows.shape == (0, 8, 384)


# --- parsed once ---------------------------------------------------------------------------------


def test_what_is_parsed_is_what_a_file_holds_and_is_read_again(root, monkeypatch):
    first = maestro.load(root, progress=False)
    for piece in first:
        assert np.array_equal(piece.roll, rolls.from_midi(root / piece.name))
    monkeypatch.setattr(folders, "scan_all", lambda *_, **__: pytest.fail("parsed again"))
    again = maestro.load(root, progress=False)
    assert names(again) == names(first)
    assert all(np.array_equal(a.roll, b.roll) for a, b in zip(first, again))


def test_each_range_pedal_and_folder_has_a_cache_of_its_own(root):
    maestro.load(root, progress=False)
    maestro.load(root, pedal=True, progress=False)
    maestro.load(root, low=21, pitches=88, progress=False)
    (root / "2013/f.midi").write_bytes(b"damaged")
    maestro.load(root, progress=False)
    kept = sorted(p.name for p in files.cache_folder().iterdir())
    assert len(kept) == 4 and all(n.startswith("maestro-v3.0.0-") for n in kept)
    assert sum("33-88-keys" in n for n in kept) == 2 and sum("21-108-keys" in n for n in kept) == 1


def test_files_that_fail_are_named_and_the_rest_is_used(root, capsys):
    (root / "2013/f.midi").write_bytes(b"damaged")
    (root / "2009/b.midi").unlink()
    found = maestro.load(root, progress=False)
    assert names(found) == ["2011/c.midi", "2008/e.midi"]
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 2 and "b.midi: no such file" in said[0] and "f.midi: not a read" in said[1]
    assert found.skipped["2009/b.midi"] == "no such file"


def test_all_cores_read_the_same(root):
    files = [root / row[3] for row in LIST]
    alone, together = (folders.scan_all(files, jobs=n, progress=False) for n in (1, 2))
    for a, b in zip(alone, together):
        assert a.span == b.span and np.array_equal(a.notes, b.notes)


bits = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed))


@given(st.lists(st.tuples(st.integers(1, 88), st.integers(0, 99), bits), max_size=4))
def test_packed_bits_come_back(tmp_path_factory, shapes):
    cache = tmp_path_factory.getbasetemp() / "packed.npz"
    made = {f"2008/ü {i}.midi": r.random((p, n)) < 0.3 for i, (p, n, r) in enumerate(shapes)}
    pieces.store(cache, made, faults=np.array(json.dumps({})))
    found = pieces.stored(cache, list(made)[::-1], make=pytest.fail)
    assert names(found) == list(made)[::-1]
    for piece in found:
        assert piece.roll.dtype == bool and np.array_equal(piece.roll, made[piece.name])


def changed(name, change, data):
    """The bytes of a npz file in which one array is another."""
    held = dict(np.load(io.BytesIO(data)))
    made = io.BytesIO()
    np.savez(
        made,
        **{
            key: change(value) if key == name else value
            for key, value in held.items()
            if key != name or change
        },
    )
    return made.getvalue()


DAMAGES = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "end cut": lambda data: data[:-1],
    "zeros": lambda data: bytes(len(data)),
    "a bit": lambda data: data[:90] + bytes([data[90] ^ 255]) + data[91:],
    "text": lambda data: b"no archive at all",
    "an array": lambda data: b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'",
    "a piece less": lambda data: changed("2013/f.midi", None, data),
    "a number less": lambda data: changed("2013/f.midi ticks", None, data),
    "no faults": lambda data: changed("faults", None, data),
    "other faults": lambda data: changed("faults", lambda _: np.array("{}"), data),
    "no table": lambda data: changed("faults", lambda _: np.array("{"), data),
    "too long": lambda data: changed("2013/f.midi ticks", lambda n: n * 10**12, data),
    "flat": lambda data: changed("2013/f.midi", np.ravel, data),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_named_and_made_anew(root, damage, capsys):
    first = maestro.load(root, progress=False)
    (cache,) = files.cache_folder().iterdir()
    whole = cache.read_bytes()
    cache.write_bytes(DAMAGES[damage](whole))
    again = maestro.load(root, progress=False)
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert f"{cache}: a damaged cache" in said
    assert names(again) == names(first)
    assert all(np.array_equal(a.roll, b.roll) for a, b in zip(first, again))
    maestro.load(root, progress=False)
    assert capsys.readouterr().err == "" and list(files.cache_folder().iterdir()) == [cache]


# --- fetching ------------------------------------------------------------------------------------


class Served(BaseHTTPRequestHandler):
    """Serves `server.body`; breaks after so many bytes as the next of `server.breaks` says."""

    def do_GET(self):
        server = self.server
        server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body[: server.breaks.pop(0) if server.breaks else None])

    def log_message(self, *_):
        pass


def fetched(server, root, **other):
    """Fetch what `server` serves, and hold it to be the archive."""
    known = {"base": server.base, "sha256": hashlib.sha256(server.body).hexdigest()}
    return archive.download(root, progress=False, **known | other)


def left(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


@pytest.fixture
def server(zipped, monkeypatch):
    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)
    made = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    made.body, made.breaks, made.asked = zipped, [], 0
    made.base = f"http://127.0.0.1:{made.server_address[1]}/"
    monkeypatch.setattr(
        archive.download,
        "__kwdefaults__",
        {"progress": True, "base": made.base, "sha256": hashlib.sha256(zipped).hexdigest()},
    )
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_the_archive_is_fetched_once_with_its_licence_shown(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BINOLAB_CACHE", str(tmp_path))
    found = maestro.load(download=True, progress=False)
    assert len(found) == 4 and server.asked == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == archive.LICENCE and "BY-NC-SA 4.0" in archive.LICENCE
    assert names(maestro.load(download=True, progress=False)) == names(found)
    assert server.asked == 1 and capsys.readouterr().err == ""
    assert [p.name for p in (tmp_path / "maestro").iterdir()] == ["maestro-v3.0.0"]


def test_a_bar_is_shown(server, tmp_path, capsys):
    archive.download(tmp_path)
    assert "100%" in capsys.readouterr().err


def test_a_folder_may_be_named_from_where_one_stands(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fetched(server, "here/below").is_file() and (tmp_path / "here/below").is_dir()


def test_a_broken_transfer_is_begun_anew(server, tmp_path):
    server.breaks = [1000, 500]
    assert fetched(server, tmp_path).is_file() and server.asked == 3


def test_a_transfer_that_breaks_each_time_is_one_line_and_leaves_nothing(server, tmp_path):
    server.breaks = [1000, 500, 0]
    with pytest.raises(ArchiveError, match="transfer failed .*; try again, or fetch it by") as e:
        fetched(server, tmp_path)
    assert "\n" not in str(e.value) and str(tmp_path) in str(e.value) and left(tmp_path) == []
    assert fetched(server, tmp_path).is_file()


def test_a_wrong_checksum_is_refused_and_the_file_removed(server, tmp_path):
    with pytest.raises(ArchiveError, match="another checksum than SHA-256 000.* was removed") as e:
        fetched(server, tmp_path, sha256="0" * 64)
    assert "\n" not in str(e.value) and left(tmp_path) == []


def test_a_zip_fetched_by_hand_is_tested_and_used(server, tmp_path):
    (tmp_path / archive.ARCHIVE).write_bytes(server.body)
    assert fetched(server, tmp_path).is_file() and server.asked == 0


def test_a_damaged_zip_fetched_by_hand_is_fetched_anew(server, tmp_path):
    (tmp_path / archive.ARCHIVE).write_bytes(server.body[:-1])
    assert fetched(server, tmp_path).is_file() and server.asked == 1


def test_without_a_network_one_line_names_the_remedy(server, tmp_path):
    with pytest.raises(ArchiveError, match=r"\(ConnectionError\); try again, or fetch it by") as e:
        fetched(server, tmp_path, base="http://127.0.0.1:9/")
    assert "\n" not in str(e.value) and str(tmp_path) in str(e.value) and left(tmp_path) == []


def test_a_missing_file_is_told(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Served, "do_GET", lambda self: self.send_error(404))
    with pytest.raises(ArchiveError, match="the transfer failed .404 .*try again"):
        fetched(server, tmp_path)


def test_a_folder_that_cannot_be_made_is_one_line(server, tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(ArchiveError, match="cannot be written .*; make room there") as caught:
        fetched(server, tmp_path / "file")
    assert "\n" not in str(caught.value) and server.asked == 0


def test_what_is_there_is_left_alone(server, tmp_path):
    (tmp_path / "maestro-v3.0.0").mkdir()
    (tmp_path / "maestro-v3.0.0/mine.txt").write_text("mine")
    with pytest.raises(ArchiveError, match="cannot be written .*not empty.*; make room there"):
        fetched(server, tmp_path)
    assert left(tmp_path) == ["maestro-v3.0.0", archive.ARCHIVE, "maestro-v3.0.0/mine.txt"]
    (tmp_path / "maestro-v3.0.0").rename(tmp_path / "mine")
    assert fetched(server, tmp_path).is_file() and server.asked == 1


def test_what_is_half_unpacked_is_not_taken_for_whole(server, tmp_path, monkeypatch):
    whole = zipfile.ZipFile.extractall

    def breaks(opened, path):
        whole(opened, path)
        assert left(tmp_path)[-1].endswith("maestro-v3.0.0.csv")
        with pytest.raises(ArchiveError, match="holds no MAESTRO"):
            archive.find(tmp_path)
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", breaks)
        with pytest.raises(ArchiveError, match="No space left on device.*; make room there"):
            fetched(server, tmp_path)
    assert left(tmp_path) == [archive.ARCHIVE]
    assert fetched(server, tmp_path).is_file() and server.asked == 1


LINK = zipfile.ZipInfo("maestro-v3.0.0/link")
LINK.create_system, LINK.external_attr = 3, 0o120777 << 16


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "maestro-v3.0.0/../../x",
        "/x",
        "C:/x",
        "C:x",
        "a\\..\\..\\x",
        "\\\\host\\x",
        "//host/x",
        "other/x",
        LINK,
    ],
)
def test_no_name_in_the_archive_leaves_its_folder(server, tmp_path, name):
    """Even if the archive itself held it, which its checksum rules out."""
    made = io.BytesIO(server.body)
    with zipfile.ZipFile(made, "a") as opened:
        opened.writestr(name, "/etc/hosts")
    server.body = made.getvalue()
    assert fetched(server, tmp_path / "in").is_file()
    assert left(tmp_path)[:2] == ["in", "in/maestro-v3.0.0"]
    assert all(p == "in" or p.startswith("in/maestro-v3.0.0") for p in left(tmp_path))
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))


def test_the_official_archive_is_the_default():
    defaults = archive.download.__kwdefaults__
    assert defaults["base"] + archive.ARCHIVE == (
        "https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/maestro-v3.0.0-midi.zip"
    )
    assert defaults["sha256"] == archive.SHA256 and len(archive.SHA256) == 64
