"""The disk cache: what it keeps, what it drops, whom it trusts."""

import multiprocessing
import os
from pathlib import Path

import pytest

from sparsec import knobs
from sparsec.runtime import cache
from sparsec.runtime.cache import DiskCache, cache_info, clear_cache, disk_cache

MEGABYTE = 1 << 20


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.kernel"))


def test_what_is_put_is_found(tmp_path: Path) -> None:
    c = DiskCache(tmp_path / "new" / "folder", MEGABYTE)
    assert c.get("k") is None
    c.put("k", b"\x00code\xff", {"entry": "f", "n": [1, 2], "text": "é"})
    c.put("other", b"", {})
    assert c.get("k") == (b"\x00code\xff", {"entry": "f", "n": [1, 2], "text": "é"})
    assert c.get("other") == (b"", {})
    assert DiskCache(c.folder, MEGABYTE).get("k") is not None
    info = c.info()
    assert (info.entries, info.hits, info.misses, info.problem, info.limit) == (2, 2, 1, None, MEGABYTE)
    assert info.bytes == sum(p.stat().st_size for p in entries(c.folder))
    assert c.folder.stat().st_mode & 0o077 == 0
    c.put("k", b"new", {})
    assert c.get("k") == (b"new", {})
    assert c.clear() == 2 and c.info().entries == 0 and c.get("k") is None


@pytest.mark.parametrize("damage", ["", "x", "flip", "cut", "foreign"])
def test_damaged_entries_count_as_absent(tmp_path: Path, damage: str) -> None:
    c = DiskCache(tmp_path, MEGABYTE)
    c.put("k", b"code" * 100, {"a": 1})
    (path,) = entries(tmp_path)
    data = bytearray(path.read_bytes())
    data[-7] ^= damage == "flip"
    texts = {"": b"", "x": b"x", "flip": bytes(data), "cut": bytes(data[:-3]), "foreign": b"\x80\x04K\x01." * 30}
    path.write_bytes(texts[damage])
    assert c.get("k") is None
    assert not path.exists()
    c.put("k", b"again", {})
    assert c.get("k") == (b"again", {})


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    c = DiskCache(tmp_path, 100_000)
    for k in range(9):
        c.put(f"k{k}", bytes(10_000), {})
    for age, path in enumerate(entries(tmp_path)):
        os.utime(path, (1e9 + age, 1e9 + age))
    assert c.get("k0") is not None
    c.put("more", bytes(15_000), {})
    assert c.info().bytes <= 80_000
    assert c.get("k0") is not None and c.get("more") is not None
    c.put("huge", bytes(200_000), {})
    assert c.get("huge") is None and c.get("k0") is not None


def test_stale_temporary_files_go(tmp_path: Path) -> None:
    c = DiskCache(tmp_path, 10_000)
    old, fresh = tmp_path / "a.tmp", tmp_path / "b.tmp"
    for path in (old, fresh):
        path.write_bytes(b"half an entry")
    os.utime(old, (1e9, 1e9))
    for k in range(4):
        c.put(f"k{k}", bytes(4_000), {})
    assert not old.exists() and fresh.exists()


def test_the_key_covers_compiler_and_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    c = DiskCache(tmp_path, MEGABYTE)
    c.put("k", b"code", {})
    monkeypatch.setattr(cache, "_environment", lambda: "another host")
    assert c.get("k") is None


def test_sources_are_stamped() -> None:
    first = cache._sources()
    assert first == cache._sources()
    path = Path(cache.__file__)
    stat = path.stat()
    try:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
        assert cache._sources() != first
    finally:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache._sources() == first


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX permissions")
def test_a_folder_others_can_write_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    c = DiskCache(tmp_path, MEGABYTE)
    assert c.problem is not None and "others may write" in c.problem
    c.put("k", b"code", {})
    assert c.get("k") is None and not entries(tmp_path)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX permissions")
def test_an_entry_others_can_write_is_not_used(tmp_path: Path) -> None:
    c = DiskCache(tmp_path, MEGABYTE)
    c.put("k", b"code", {})
    entries(tmp_path)[0].chmod(0o666)
    assert c.get("k") is None


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    c = DiskCache(tmp_path / "file" / "cache", MEGABYTE)
    c.put("k", b"code", {})
    assert c.problem and c.get("k") is None and c.info().entries == 0 and c.clear() == 0


def test_a_folder_that_goes_away(tmp_path: Path) -> None:
    c = DiskCache(tmp_path / "c", MEGABYTE)
    c.folder.rmdir()
    c.put("k", b"code", {})
    assert c.get("k") is None


def test_size_zero_turns_it_off(tmp_path: Path) -> None:
    c = DiskCache(tmp_path / "c", 0)
    c.put("k", b"code", {})
    assert c.get("k") is None and c.problem and not (tmp_path / "c").exists()


def test_knobs_choose_the_cache(tmp_path: Path) -> None:
    with knobs.scope(cache_dir=tmp_path / "one", cache_size=1000):
        one = disk_cache()
        assert one is disk_cache()
        one.put("k", b"code", {})
        assert cache_info().folder == tmp_path / "one" and cache_info().entries == 1
        with knobs.scope(cache_dir=tmp_path / "two"):
            assert disk_cache() is not one and cache_info().entries == 0
        assert clear_cache() == 1


def _hammer(folder: str, worker: int) -> int:
    c = DiskCache(Path(folder), 60_000)
    wrong = 0
    for round_ in range(60):
        for k in range(12):
            found = c.get(f"k{k}")
            wrong += found is not None and found[0] != bytes([k]) * 6_000
            if found is None or (round_ + worker) % 7 == 0:
                c.put(f"k{k}", bytes([k]) * 6_000, {"k": k})
    return wrong


def test_many_processes(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.starmap(_hammer, [(str(tmp_path), w) for w in range(3)]) == [0, 0, 0]
    assert DiskCache(tmp_path, 60_000).info().bytes <= 60_000 + 6_100 * 3
    assert not list(tmp_path.glob("*.tmp"))
