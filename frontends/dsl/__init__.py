"""The language: text to tensor IR (``docs/language.md``)."""

from sparsec.frontends.dsl.analysis import Unit, parse_format, parse_schedule, parse_source, parse_statements
from sparsec.frontends.dsl.kernels import OperandType
from sparsec.frontends.dsl.schedules import directives

__all__ = ["OperandType", "Unit", "directives", "parse_format", "parse_schedule", "parse_source", "parse_statements"]
