"""A struck string is in tune, is struck and dies away; files are whole, small and repeatable."""

import base64
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from binolab.music import rolls
from binolab.show import audio

RATE = audio.RATE


def one(row, start=0, end=48, length=96):
    return rolls.from_notes([(row, start, end)], 56, length)


def level(wave, start, end):
    return np.sqrt(np.mean(wave[int(start * RATE) : int(end * RATE)] ** 2))


def hundred_notes():
    random = np.random.default_rng(1)
    notes = [
        (int(random.integers(56)), s, s + int(random.integers(6, 48)))
        for s in random.integers(0, 336, 100).tolist()
    ]
    return rolls.from_notes(notes, 56, 384)


@pytest.mark.parametrize("pitch", [21, 33, 40, 45, 57, 60, 69, 76, 88, 100, 108])
def test_the_first_partial_is_in_tune_to_two_cents(pitch):
    wave = audio.synthesize([(pitch - 21, 0, 48)], low=21)[: int(1.2 * RATE)]
    expected = 440 * 2 ** ((pitch - 69) / 12)
    size = 2**20  # zero padding: a fine grid to read the peak from
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), size))
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    near = (hertz > expected / 1.3) & (hertz < expected * 1.3)
    found = hertz[near][spectrum[near].argmax()]
    assert abs(1200 * np.log2(found / expected)) < 2


@pytest.mark.parametrize("pitch", [33, 48, 60])
def test_upper_partials_are_stretched_by_stiffness_and_die_sooner(pitch):
    tone = audio._tone(pitch, 2 * RATE, RATE)
    f1 = 440 * 2 ** ((pitch - 69) / 12)
    early, late = (
        np.abs(np.fft.rfft(tone[i : i + RATE // 2] * np.hanning(RATE // 2), 2**18))
        for i in (1000, 30000)
    )
    hertz = np.fft.rfftfreq(2**18, 1 / RATE)

    def partial(spectrum, k):
        near = np.abs(hertz - k * f1) < f1 / 3
        return hertz[near][spectrum[near].argmax()], spectrum[near].max()

    ratios = [partial(early, k)[0] / (k * f1) for k in (1, 5, 11)]
    assert ratios[0] < ratios[1] < ratios[2] < 1.03
    fallen = [partial(late, k)[1] / partial(early, k)[1] for k in (1, 7)]
    assert fallen[1] < fallen[0] < 1


@pytest.mark.parametrize("row", [0, 12, 27, 43, 55])
def test_a_note_is_loudest_when_struck_and_silent_after_its_release(row):
    wave = audio.synthesize(one(row, 0, 48, 120))  # held 1.2 s of 3 s
    assert level(wave, 0.01, 0.1) > 1.1 * level(wave, 0.4, 0.6) > 1.2 * level(wave, 1.0, 1.2)
    assert level(wave, 2.2, 2.4) < 1e-2 * level(wave, 0.01, 0.1)
    assert abs(wave[-1]) < 1e-6


def test_high_notes_die_sooner():
    kept = [
        level(w, 0.9, 1.1) / level(w, 0.02, 0.1)
        for w in (audio.synthesize(one(row)) for row in (0, 27, 55))
    ]
    assert kept[0] > kept[1] > kept[2]


def test_a_note_struck_again_sounds_twice_and_a_held_one_once():
    held = audio.synthesize(one(27, 0, 96))
    again = audio.synthesize(rolls.from_notes([(27, 0, 48), (27, 48, 96)], 56, 96))
    jump = [level(w, 1.21, 1.3) / level(w, 1.1, 1.19) for w in (held, again)]
    assert jump[0] < 1.05 and jump[1] > 1.8


def test_a_roll_and_its_notes_sound_the_same():
    roll = hundred_notes()
    roll[0, -1] = True  # a list of notes lasts to the end of its last note
    wave = audio.synthesize(roll)
    assert np.array_equal(wave, audio.synthesize(rolls.notes(roll)))
    assert np.array_equal(wave, audio.synthesize(roll.astype(int)))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 60), st.floats(0, 1), st.floats(60, 240))
def test_any_roll_is_a_clip_of_its_length_that_does_not_clip(pitches, length, density, tempo):
    roll = np.random.default_rng(length).random((pitches, length)) < density
    wave = audio.synthesize(roll, tempo=tempo)
    assert wave.dtype == np.float32 and np.isfinite(wave).all()
    assert len(wave) == pytest.approx((length * 60 / tempo / 24 + audio.TAIL) * RATE, abs=2)
    assert np.abs(wave).max() == pytest.approx(0.9 if roll.any() else 0)


def test_silence_is_a_clip():
    wave = audio.synthesize(np.zeros((56, 384), bool))
    assert len(wave) == 229320 and not wave.any()
    assert len(audio.mp3(wave)) > 1000
    assert not audio.synthesize([]).any()


def test_the_cache_changes_nothing():
    before = audio.synthesize(hundred_notes())
    audio._tone.cache_clear()
    audio._echo.cache_clear()
    assert np.array_equal(before, audio.synthesize(hundred_notes()))


@pytest.mark.parametrize("arguments, message", [
    (dict(roll_or_notes=np.zeros((2, 3)), tempo=0), "tempo"),
    (dict(roll_or_notes=np.full((2, 3), 0.5)), "bits"),
    (dict(roll_or_notes=np.zeros((1, 2, 3))), "shape"),
    (dict(roll_or_notes=[(0, 0, 9)], low=125), "rate=2"),
])  # fmt: skip
def test_faults_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        audio.synthesize(**arguments)


def test_an_mp3_has_the_duration_and_the_sound_and_the_same_bytes(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    wave = audio.synthesize(hundred_notes())
    for name in "ab":
        audio.write_mp3(wave, tmp_path / f"{name}.mp3")
    data = (tmp_path / "a.mp3").read_bytes()
    assert data == (tmp_path / "b.mp3").read_bytes() == audio.mp3(wave)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp3", "b.mp3"]
    assert len(data) < 60_000
    read, rate = soundfile.read(tmp_path / "a.mp3")
    assert rate == RATE and len(read) / rate == pytest.approx(len(wave) / RATE, abs=0.1)
    assert np.abs(read).max() <= 1
    size = min(len(read), len(wave))
    assert np.corrcoef(read[:size], wave[:size])[0, 1] > 0.95


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="no folder"):
        audio.write_mp3(np.zeros(100), tmp_path / "none" / "a.mp3")
    (tmp_path / "a.mp3").write_bytes(b"before")
    for wave, message in (np.full(9, 2.0), "peak"), (np.zeros((9, 2)), "shape"):
        with pytest.raises(ValueError, match=message):
            audio.write_mp3(wave, tmp_path / "a.mp3")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


def test_a_player_carries_its_sound_and_says_what_it_is(tmp_path):
    wave = audio.synthesize(one(27))
    audio.write_mp3(wave, tmp_path / "a.mp3")
    inline = audio.player(wave, label='A "C4" <b>').data
    assert 'aria-label="A &quot;C4&quot; &lt;b&gt;"' in inline and "controls" in inline
    data = base64.b64decode(re.search(r"base64,([^\"]+)", inline)[1])
    assert data == (tmp_path / "a.mp3").read_bytes()
    assert audio.player(tmp_path / "a.mp3", label='A "C4" <b>').data == inline
    linked = audio.player("sound/a.mp3", inline=False).data
    assert 'src="sound/a.mp3"' in linked and len(linked) < 200
    with pytest.raises(ValueError, match="write_mp3"):
        audio.player(wave, inline=False)


def test_players_are_a_table_with_a_row_for_each():
    page = audio.players({"naïve & co": "a.mp3", "posterior": "b.mp3"}, inline=False).data
    assert page.count("<audio ") == page.count('<th scope="row"') == 2
    assert "naïve &amp; co</th>" in page and 'aria-label="posterior"' in page


def test_a_player_knows_where_its_roll_is_drawn():
    def over(page):
        return [json.loads(boxes) for boxes in re.findall(r'data-over="([^"]+)"', page)]

    rows = [(0.1, 0, 0.9, 0.5), (0.1, 0.5, 0.4500049, 0.5)]
    page = audio.player("a.mp3", over=rows, inline=False).data
    assert over(page) == [[[0.1, 0, 0.9, 0.5], [0.1, 0.5, 0.45, 0.5]]]
    page = audio.players({"a": "a.mp3", "b": "b.mp3"}, over=[None, rows[0]], inline=False).data
    assert over(page) == [[list(rows[0])]] and page.index("data-over") > page.index("b</th>")
    assert over(audio.players({"a": "a.mp3"}, inline=False).data) == []
    with pytest.raises(ValueError, match="over must be one for each player: 2, got 1"):
        audio.players({"a": "a.mp3", "b": "b.mp3"}, over=rows[:1], inline=False)


def test_importing_the_module_loads_neither_soundfile_nor_ipython():
    heavy = "{'soundfile', 'IPython'}"
    code = f"import sys, binolab.show.audio; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_long_sound_is_made_in_parts_that_fit(monkeypatch):
    struck = [(60 + i % 12, 1000 * i, 1000 * i + 900) for i in range(20)]
    whole = audio.synthesize(struck, low=0, ticks=1000, tempo=60.0)
    monkeypatch.setattr(audio, "BLOCK", 2**16)  # three seconds
    parts = audio.synthesize(struck, low=0, ticks=1000, tempo=60.0)
    np.testing.assert_allclose(parts, whole, atol=2e-6)


def test_a_sound_has_a_greatest_length():
    audio.check(108, 60 * audio.MINUTES)
    with pytest.raises(ValueError, match="lasts 20.1 minutes, and a sound 20 at most"):
        audio.synthesize([(60, 0, 1204)], low=0, ticks=1, tempo=60.0)


def test_a_string_rings_a_minute_at_most():
    sound = audio.synthesize([(21, 0, 1000), (69, 999, 1000)], low=0, ticks=1, tempo=60.0)
    assert np.abs(sound[70 * RATE : 990 * RATE]).max() < 1e-7 < np.abs(sound[: 60 * RATE]).max()
    assert audio._tone.cache_info().currsize <= 128
