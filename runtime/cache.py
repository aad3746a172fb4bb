"""The disk cache of machine code.

An entry is one file: a checksum, JSON metadata, object code.  Its name hashes the caller's key with everything else
that the code depends on: the sources of this package (by size and time of each file), the versions of Python and
llvmlite, the host's CPU and its features.  Entries are written beside and renamed into place, so any number of
processes may read and write; a damaged one counts as absent.  The folder is bounded: what was used longest ago goes
first.

Since its contents are executed, the folder must belong to this user and be writable by nobody else.  Where there is no
such folder, or it cannot be written, everything works without.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sparsec._checkout import COMPONENTS, ROOT
from sparsec.knobs import knobs

LOG = logging.getLogger("sparsec.cache")
_MAGIC = b"sparsec\x01"
_SUFFIX = ".kernel"
_CHECKSUM = 32
_STALE = 3600.0
"""Seconds after which a temporary file is nobody's any more."""
_KEEP = 0.8
"""The part of the bound that is left after pruning."""
_LOOKS = 32
"""How often, about, the folder is looked through while as much is written as its bound."""


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """``folder`` of the cache, its ``entries`` and ``bytes``, the bound ``limit``; ``problem`` says why it is off.

    ``hits`` and ``misses`` are those of this process.
    """

    folder: Path
    entries: int
    bytes: int
    limit: int
    hits: int
    misses: int
    problem: str | None


class DiskCache:
    """Machine code and metadata by key, in ``folder``, at most ``limit`` bytes of it."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self.hits = 0
        self.misses = 0
        self.problem = _prepare(folder) if limit > 0 else "its size is 0"
        if self.problem:
            LOG.info("no disk cache: %s", self.problem)

    def get(self, key: str) -> tuple[bytes, dict[str, Any]] | None:
        """The object code and metadata put under ``key`` by the same compiler for the same host, if they are there."""
        found = None if self.problem else self._read(self._path(key))
        if found is None:
            self.misses += 1
        else:
            self.hits += 1
        return found

    def put(self, key: str, object_bytes: bytes, metadata: dict[str, Any]) -> None:
        """Keep ``object_bytes`` with ``metadata`` (anything JSON can say); failing to write is no error."""
        if self.problem:
            return
        notes = json.dumps(metadata, separators=(",", ":")).encode()
        body = struct.pack("<I", len(notes)) + notes + object_bytes
        if len(body) > self.limit * _KEEP:
            return
        try:
            path = self._path(key)
            self._write(path, _MAGIC + hashlib.blake2b(body, digest_size=_CHECKSUM).digest() + body)
            # To sum the sizes of all entries costs more than to write one: it is left to so few writers, as their names
            # have it, that a share of the bound is written between two of them.
            if int(path.name[:8], 16) / 2**32 < _LOOKS * len(body) / self.limit:
                self._prune()
        except OSError as problem:
            LOG.info("cannot write the disk cache: %s", problem)

    def info(self) -> CacheInfo:
        sizes = [size for _, size, _ in self._entries()]
        return CacheInfo(self.folder, len(sizes), sum(sizes), self.limit, self.hits, self.misses, self.problem)

    def clear(self) -> int:
        """Remove all entries; gives their number."""
        return sum(_remove(path) for path, _, _ in list(self._entries()))

    def _path(self, key: str) -> Path:
        name = hashlib.blake2b(f"{_environment()}\0{key}".encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
        return self.folder / (name + _SUFFIX)

    def _read(self, path: Path) -> tuple[bytes, dict[str, Any]] | None:
        try:
            with open(path, "rb") as f:
                if not _is_ours(os.fstat(f.fileno())):
                    return None
                data = f.read()
        except OSError:
            return None
        start = len(_MAGIC) + _CHECKSUM
        body = memoryview(data)[start:]
        if not data.startswith(_MAGIC) or data[len(_MAGIC) : start] != _digest(body):
            LOG.info("dropping a damaged entry: %s", path)
            _remove(path)
            return None
        (size,) = struct.unpack_from("<I", body)
        notes = json.loads(bytes(body[4 : 4 + size]))
        with suppress(OSError):  # another process may just have pruned it
            os.utime(path)
        return bytes(body[4 + size :]), notes

    def _write(self, path: Path, data: bytes) -> None:
        import tempfile

        handle, temporary = tempfile.mkstemp(suffix=".tmp", dir=self.folder)
        try:
            with open(handle, "wb") as f:
                f.write(data)
            os.replace(temporary, path)
        except OSError:
            _remove(Path(temporary))
            raise

    def _entries(self, suffix: str = _SUFFIX) -> Iterator[tuple[Path, int, float]]:
        try:
            with os.scandir(self.folder) as found:
                for item in found:
                    if item.name.endswith(suffix):
                        try:
                            stat = item.stat(follow_symlinks=False)
                        except OSError:
                            continue
                        yield Path(item.path), stat.st_size, stat.st_mtime
        except OSError:
            return

    def _prune(self) -> None:
        """Bring the folder below its bound; one process does it at a time, the others go on."""
        if sum(size for _, size, _ in self._entries()) <= self.limit:
            return
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.folder / "prune.lock", timeout=0):
                entries = sorted(self._entries(), key=lambda entry: entry[2])
                excess = sum(size for _, size, _ in entries) - int(self.limit * _KEEP)
                for path, size, _ in entries:
                    if excess <= 0:
                        break
                    excess -= size * _remove(path)
                for path, _, made in self._entries(".tmp"):
                    if time.time() - made > _STALE:
                        _remove(path)
        except Timeout:
            return


def _digest(body: memoryview) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECKSUM).digest()


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _is_ours(stat: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or (stat.st_uid == os.getuid() and not stat.st_mode & 0o022)


def _prepare(folder: Path) -> str | None:
    """Make the folder; gives what is wrong with it, if something is."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(folder.stat()):
            return f"{folder} belongs to another user or others may write to it (chmod go-w)"
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"{folder} is not writable"
    except OSError as problem:
        return str(problem)
    return None


@cache
def _environment() -> str:
    """What machine code depends on, besides the program it was made from."""
    import llvmlite
    import llvmlite.binding as llvm

    host = (llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    return "\0".join((*host, llvmlite.__version__, sys.version, _sources()))


def _sources() -> str:
    """Name, size and time of every source file of the package; reading 200 files would take 10 ms, this one."""
    base = Path(__file__).resolve().parent.parent
    roots = [ROOT / "sparsec", *(ROOT / name for name in COMPONENTS)] if (base / "sparsec").is_dir() else [base]
    stamps: list[str] = []
    pending = [str(root) for root in roots]
    while pending:
        folder = pending.pop()
        with os.scandir(folder) as found:
            for item in found:
                if item.name.endswith((".py", ".lark")):
                    stat = item.stat()
                    stamps.append(f"{item.path}:{stat.st_size}:{stat.st_mtime_ns}")
                elif item.is_dir() and not item.name.startswith((".", "_")):
                    pending.append(item.path)
    return hashlib.blake2b("\n".join(sorted(stamps)).encode(), digest_size=16).hexdigest()


_CACHES: dict[tuple[Path, int], DiskCache] = {}


def disk_cache() -> DiskCache:
    """The cache in the folder and of the size that the knobs say (``SPARSEC_CACHE_DIR``, ``SPARSEC_CACHE_SIZE``)."""
    settings = knobs()
    folder = settings.cache_dir or _default_folder()
    place = (folder, settings.cache_size)
    if place not in _CACHES:
        _CACHES[place] = DiskCache(*place)
    return _CACHES[place]


@cache
def _default_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("sparsec"))


def cache_info() -> CacheInfo:
    """What the disk cache holds, and how it served this process."""
    return disk_cache().info()


def clear_cache() -> int:
    """Remove every entry of the disk cache; gives their number."""
    return disk_cache().clear()


__all__ = ["CacheInfo", "DiskCache", "cache_info", "clear_cache", "disk_cache"]
