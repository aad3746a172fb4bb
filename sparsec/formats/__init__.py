"""Storage formats: levels, maps from dimensions to levels, and named formats."""

from sparsec.formats.format import Format, LevelSpec
from sparsec.formats.level import Level, make_level, register
from sparsec.formats.named import named_format

__all__ = ["Format", "Level", "LevelSpec", "make_level", "named_format", "register"]
