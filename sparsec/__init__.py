from sparsec import _checkout  # noqa: F401
