"""Files are written whole or not at all, and their names are shown as text."""

import os
import re
import stat

import pytest

from binolab import files


def test_replacing_leaves_nothing_when_writing_fails(tmp_path):
    target = tmp_path / "a.mid"
    with pytest.raises(RuntimeError), files.replacing(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("disk full")
    assert list(tmp_path.iterdir()) == []


def test_replacing_keeps_the_old_file_when_writing_fails(tmp_path):
    target = tmp_path / "a.mid"
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), files.replacing(target) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["a.mid"] and target.read_bytes() == b"old"


def test_replacing_shows_the_new_file_only_when_it_is_whole(tmp_path):
    target = tmp_path / "a.mid"
    target.write_bytes(b"old")
    with files.replacing(target) as temporary:
        temporary.write_bytes(b"new")
        assert target.read_bytes() == b"old"
        assert temporary.parent == tmp_path and temporary.name.startswith(".")  # out of sight
    assert [p.name for p in tmp_path.iterdir()] == ["a.mid"] and target.read_bytes() == b"new"


def test_a_temporary_name_is_known_as_ours(tmp_path):
    with files.replacing(tmp_path / "a b.mid") as temporary:
        found = re.fullmatch(r"\.(?P<name>.+)\.[0-9a-z_]{8}\.binolab-tmp", temporary.name)
        assert found["name"] == "a b.mid" and temporary.parent == tmp_path


def test_a_link_laid_at_the_temporary_name_catches_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(files.secrets, "token_hex", lambda n: "0" * 2 * n)
    (tmp_path / "victim").write_bytes(b"dear")
    planted = tmp_path / ".a.mid.00000000.binolab-tmp"
    planted.symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError), files.replacing(tmp_path / "a.mid") as temporary:
        temporary.write_bytes(b"mine")
    assert (tmp_path / "victim").read_bytes() == b"dear" and planted.is_symlink()


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "real.mid").write_bytes(b"old")
    link = tmp_path / "a.mid"
    link.symlink_to(tmp_path / "other" / "real.mid")
    with files.replacing(link) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.parent.name == "other"  # a rename within one file system
    assert link.is_symlink() and (tmp_path / "other" / "real.mid").read_bytes() == b"new"
    assert len(list(tmp_path.rglob("*"))) == 3


@pytest.mark.skipif(os.name != "posix", reason="modes are those of Unix")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o444, None])
def test_a_file_keeps_its_mode_and_a_new_one_has_the_user_s(mode, tmp_path):
    target = tmp_path / "a.mid"
    if mode is not None:
        target.write_bytes(b"old")
        target.chmod(mode)
    before = os.umask(0o027)
    try:
        with files.replacing(target) as temporary:
            allowed = 0o640 if mode is None else mode | 0o600
            assert not stat.S_IMODE(temporary.stat().st_mode) & ~allowed
            temporary.unlink()  # as libraries do that put their own file in the place
            temporary.write_bytes(b"new")
            temporary.chmod(0o777)
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == (0o640 if mode is None else mode)


@pytest.mark.parametrize(
    "name, words",
    [
        ("x" * 250 + ".mid", r"x\.mid: cannot be written \(.*\); choose another"),
        ("no/a.mid", "no: no such folder; make it first or choose another"),
        ("folder.mid", "folder.mid: is a folder; name a file in it"),
        ("dangling.mid", r"dangling.mid: cannot be written \(.*\); choose another"),
        ("pipe.mid", "pipe.mid: is not a file; choose another"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="links and pipes are those of Unix")
def test_what_cannot_be_written_is_known_before_and_leaves_nothing(name, words, tmp_path):
    (tmp_path / "folder.mid").mkdir()
    (tmp_path / "dangling.mid").symlink_to(tmp_path / "none" / "a.mid")
    os.mkfifo(tmp_path / "pipe.mid")
    before = sorted(tmp_path.iterdir())
    files.check_writable(tmp_path / "a.mid")
    with pytest.raises(ValueError, match=words) as caught:
        files.check_writable(tmp_path / name)
    assert "\n" not in str(caught.value) and sorted(tmp_path.iterdir()) == before


def test_asking_whether_a_file_could_be_written_changes_nothing_of_it(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"dear")
    files.check_writable(tmp_path / "a.mid")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mid"]
    assert (tmp_path / "a.mid").read_bytes() == b"dear"


@pytest.mark.parametrize(
    "text, shown",
    [
        ("Prélude ♯1.mid", "Prélude ♯1.mid"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\rc\x9bd", r"a\nb\rc\x9bd"),
        ("\udcff.mid", r"\udcff.mid"),
        ("a\u202eb", r"a\u202eb"),
    ],
)
def test_a_terminal_is_told_nothing_but_text(text, shown):
    assert files.printable(text) == shown
