"""Checkpoints: a whole one at every moment, and no damaged one taken for whole."""

import json
import os
import zlib

import pytest
import torch

from binolab.training import checkpoints
from binolab.training.folder import Log, foreign

NAME, PREVIOUS = checkpoints.NAME, checkpoints.PREVIOUS


def tensors(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "weight": torch.randn(3, 4, generator=generator),
        "bias": torch.randn(4, generator=generator),
        "count": torch.tensor(seed),
        "none": torch.zeros(0),
        "turned": torch.randn(2, 3, generator=generator).T,
    }


def write(folder, step):
    found = {name: tensor.contiguous() for name, tensor in tensors(step).items()}
    checkpoints.write(folder, found, {"step": step, "config": {"width": 8}})


def same(found, step):
    wanted = tensors(step)
    return set(found) == set(wanted) and all(torch.equal(found[k], wanted[k]) for k in wanted)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def closed(monkeypatch):
    """Asserts at the end that no file that was opened by its handle is still open."""
    handles, opened = [], os.open
    monkeypatch.setattr(os, "open", lambda *a: handles.append(opened(*a)) or handles[-1])
    yield
    assert handles
    for handle in handles:
        with pytest.raises(OSError):
            os.fstat(handle)


# --- the checksum --------------------------------------------------------------------------------


def test_the_checksum_is_that_of_all_names_and_bytes():
    whole = b"".join(
        name.encode() + tensor.contiguous().numpy().tobytes()
        for name, tensor in sorted(tensors().items())
    )
    assert checkpoints.checksum(tensors()) == zlib.crc32(whole)
    assert checkpoints.checksum(dict(reversed(tensors().items()))) == zlib.crc32(whole)


@pytest.mark.parametrize("name", tensors())
def test_the_checksum_sees_every_name_and_value(name):
    plain, found = checkpoints.checksum(tensors()), tensors()
    found[f"{name}s"] = found.pop(name)
    assert checkpoints.checksum(found) != plain
    found = tensors()
    found[name] = found[name] + 1
    assert (checkpoints.checksum(found) != plain) == (name != "none")


# --- written and read ----------------------------------------------------------------------------


def test_what_is_written_is_read_and_the_one_before_stays(tmp_path):
    write(tmp_path, 1)
    assert names(tmp_path) == [NAME]
    found, facts, warning = checkpoints.read(str(tmp_path))
    assert same(found, 1) and facts == {"step": 1, "config": {"width": 8}} and warning is None
    write(str(tmp_path), 2)
    assert names(tmp_path) == sorted([NAME, PREVIOUS])
    found, facts, warning = checkpoints.read(tmp_path)
    assert same(found, 2) and facts["step"] == 2 and warning is None
    (tmp_path / NAME).unlink()
    found, facts, warning = checkpoints.read(tmp_path)
    assert same(found, 1) and facts["step"] == 1
    assert warning == f"{tmp_path / NAME}: missing; going on from the one before, step 1"


def rename(data):
    """Another name for a tensor, and not a byte else: a file that safetensors takes."""
    assert data.count(b'"bias"') == 1
    return data.replace(b'"bias"', b'"bia5"')


def strip(key):
    """Without one fact, or without the facts: as another program would write it."""

    def damage(data):
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        facts = json.loads(header["__metadata__"]["run"])
        if key in facts:
            del facts[key]
            header["__metadata__"]["run"] = json.dumps(facts)
        else:
            del header["__metadata__"][key]
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text + data[8 + length :]

    return damage


DAMAGES = {
    **{f"bit {k}": lambda data, k=k: data[:-1] + bytes([data[-1] ^ 1 << k]) for k in range(8)},
    "a name": rename,
    "no step": strip("step"),
    "no config": strip("config"),
    "no facts": strip("run"),
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_takes_its_place(damage, tmp_path):
    write(tmp_path, 1)
    write(tmp_path, 2)
    path = tmp_path / NAME
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    found, facts, warning = checkpoints.read(tmp_path)
    assert same(found, 1) and facts["step"] == 1 and "\n" not in warning
    assert warning.startswith(f"{path}: damaged checkpoint (")
    assert warning.endswith("); going on from the one before, step 1")
    assert ("(its checksum is wrong)" in warning) == (damage[:3] == "bit" or damage == "a name")
    (tmp_path / PREVIOUS).write_bytes(path.read_bytes())
    with pytest.raises(checkpoints.TrainingError, match="nothing is left to resume") as caught:
        checkpoints.read(tmp_path)
    assert NAME in str(caught.value) and PREVIOUS in str(caught.value)


def test_a_checkpoint_from_before_there_were_checksums_is_read(tmp_path):
    write(tmp_path, 1)
    path = tmp_path / NAME
    path.write_bytes(strip("crc32")(path.read_bytes()))
    found, _, warning = checkpoints.read(tmp_path)
    assert same(found, 1) and warning is None


def test_where_there_is_none_that_is_said(tmp_path):
    with pytest.raises(checkpoints.TrainingError, match=f"{NAME}: nothing to resume"):
        checkpoints.read(tmp_path)


def test_a_promoted_checkpoint_survives_the_next_write_that_fails(tmp_path, monkeypatch):
    """Else the damaged one takes the place of the one before, and nothing whole is left."""
    write(tmp_path, 1)
    write(tmp_path, 2)
    (tmp_path / NAME).write_bytes(b"rotten")
    checkpoints.promote(str(tmp_path))
    assert names(tmp_path) == [NAME] and same(checkpoints.read(tmp_path)[0], 1)
    replace, calls = os.replace, []

    def once(*paths):
        calls.append(paths)
        if len(calls) == 2:  # between the two names
            raise OSError("killed")
        replace(*paths)

    monkeypatch.setattr(os, "replace", once)
    with pytest.raises(OSError, match="killed"):
        write(tmp_path, 3)
    found, facts, _ = checkpoints.read(tmp_path)
    assert same(found, 1) and facts["step"] == 1


def test_a_checkpoint_lies_on_the_disk_before_it_takes_a_name(tmp_path, monkeypatch, closed):
    """Else a power cut leaves a name without what it names."""
    write(tmp_path, 1)
    told, sync, replace = [], os.fsync, os.replace

    def watched_sync(handle):
        told.append(("on the disk", os.fstat(handle).st_ino))
        sync(handle)

    def watched_replace(source, target):
        told.append((os.path.basename(target), os.stat(source).st_ino))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", watched_sync)
        patch.setattr(os, "replace", watched_replace)
        write(tmp_path, 2)
    old, new, folder = ((tmp_path / n).stat().st_ino for n in (PREVIOUS, NAME, "."))
    assert told == [("on the disk", new), (PREVIOUS, old), (NAME, new), ("on the disk", folder)]


def test_what_cannot_be_opened_to_settle_it_is_let_be(tmp_path):
    checkpoints.settle(tmp_path / "none")  # a folder on Windows cannot be opened either


# --- the log -------------------------------------------------------------------------------------


def test_the_log_keeps_whole_rows_in_order_and_is_cut_at_a_step(tmp_path, closed):
    log = Log(str(tmp_path))
    assert log.rows() == []
    log.cut(3)
    assert names(tmp_path) == []
    rows = [{"step": step, "loss": step / 7} for step in (1, 2, 3, 5)]
    for row in rows:
        log.append(row)
    assert log.rows() == rows == Log(tmp_path).rows()
    assert log.path.read_text().count("\n") == 4
    assert log.path.stat().st_mode & 0o711 == 0o600  # to read and write, not to run
    log.cut(3)
    assert log.rows() == rows[:3] and names(tmp_path) == ["log.jsonl"]
    with open(log.path, "a") as file:
        file.write('{"step": 3, "lo\n{"step": 4}\n{"step": 5, "lo')
    assert log.rows() == [*rows[:3], {"step": 4}]
    log.cut(4)  # what is torn goes, so that the next row begins a line
    log.append(rows[3])
    assert log.rows() == [*rows[:3], {"step": 4}, rows[3]]


def test_a_log_that_needs_no_cut_is_not_written_again(tmp_path, monkeypatch):
    log = Log(tmp_path)
    log.append({"step": 1})
    monkeypatch.setattr(os, "replace", None)
    log.cut(1)
    assert log.rows() == [{"step": 1}]


def test_what_changed_is_told_by_name_and_count():
    def told(before, now):
        return checkpoints.difference(
            *([[[name, crc] for name, crc in part.items()]] for part in (before, now))
        )

    assert told({"a": 1}, {"a": 1}) is None and checkpoints.difference(None, [[]]) is None
    assert told({}, {"a": 1}) == "1 piece added (a)"
    assert told(dict.fromkeys("abc", 1), {}) == "3 pieces removed (a, b, c)"
    assert told(dict.fromkeys("abcd", 1), {"a": 2, "b": 0, "c": 1, "e": 1}) == (
        "1 piece added (e), 1 piece removed (d), 2 pieces altered (a, b)"
    )
    assert told(dict.fromkeys("abcd", 1), dict.fromkeys("abcd", 2)) == (
        "4 pieces altered (a, b, c, …)"
    )
    assert "another order" in told({"a": 1, "b": 1}, {"b": 1, "a": 1})


def test_a_run_is_known_by_its_settings(tmp_path):
    told = {"network": "unet", "steps": 8, "prior": 0.1}
    for settings, other in (
        (told, None),
        (told | {"more": 1}, None),
        ({}, "config.json"),
        ({"network": 1, "steps": 1}, "config.json"),
        ([], "config.json"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(settings))
        assert foreign(tmp_path) == other
    (tmp_path / "config.json").unlink()
    assert foreign(tmp_path) is None
