"""The language: text to tensor IR (``docs/language.md``)."""

from sparsec.frontends.dsl.analysis import Unit, parse_format, parse_schedule, parse_source, parse_statements
from sparsec.frontends.dsl.kernels import OperandType

__all__ = ["OperandType", "Unit", "parse_format", "parse_schedule", "parse_source", "parse_statements"]
