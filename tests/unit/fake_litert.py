"""A Python for LiteRT that converts nothing, and always takes about a millisecond."""

from pathlib import Path

_SCRIPT = r"""#!/bin/sh
answer() {
  error=
  case "$1" in *broken.tflite*) error=', "error": "no op"' ;; esac
  case "$1" in *crash.tflite*) kill -SEGV $$ ;; esac
  printf '%s\n' "$1" > "$(dirname "$0")/asked.json"
  printf '{"versions": {"ai-edge-litert": "2.3.0"}, "latencies_ms": [1, 1.01, 1.02]%s}\n' "$error"
}
case "$*" in
*serve)
  echo started >> "$(dirname "$0")/starts"
  while read -r request; do answer "$request"; done
  exit ;;
esac
printf 'TFL3' > model.tflite
printf 'TFL3' > model.int8.tflite
answer "$(cat request.json)" > answer.json
"""


def fake_litert(folder: Path) -> str:
    """Return the path of the program; ``asked.json`` beside it is what it was asked last.

    ``starts`` has a line for each time that one began to serve.
    """
    program = folder / "python"
    program.write_text(_SCRIPT)
    program.chmod(0o755)
    return str(program)
