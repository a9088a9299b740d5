"""A Python for LiteRT that converts nothing, and always takes about a millisecond."""

from pathlib import Path

_SCRIPT = r"""#!/bin/sh
printf 'TFL3' > model.tflite
printf 'TFL3' > model.int8.tflite
error=
grep -q broken request.json && error=', "error": "no op"'
printf '{"versions": {"ai-edge-litert": "2.3.0"}, "latencies_ms": [1, 1.01, 1.02]%s}' "$error" \
  > answer.json
cp request.json "$(dirname "$0")/asked.json"
"""


def fake_litert(folder: Path) -> str:
    """Return the path of the program; ``asked.json`` beside it is what it was asked last."""
    program = folder / "python"
    program.write_text(_SCRIPT)
    program.chmod(0o755)
    return str(program)
