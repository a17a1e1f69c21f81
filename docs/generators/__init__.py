"""What the pages do not say themselves, because code, parsers or records say it."""

from __future__ import annotations

from . import api, commands, operators, results

GENERATORS = {
    "operators": operators.reference,
    "engines": operators.engines,
    "commands": commands.reference,
    "python-hwsim": lambda: api.reference("hwsim"),
    "python-codegen": lambda: api.reference("codegen"),
    "python-algos": lambda: api.reference("algos"),
    "formats": api.formats,
    "results": results.sections,
    "notebooks": results.notebooks,
}
"""What a page writes as ``<!-- generated: NAME -->``, by name."""
