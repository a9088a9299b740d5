import subprocess
import sys
from pathlib import Path

from hanas.study import locks

HOLD = """
import sys, time
from pathlib import Path
from hanas.study import locks
handle = locks.hold(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def _mark(folder: Path) -> Path:
    mark = folder / "locks" / "0.input.lock"
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text("results/x\n")
    return mark


def test_marks_of_a_killed_run_are_removed_and_those_of_a_live_one_stay(tmp_path):
    mark = _mark(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert not mark.exists()
        mark = _mark(tmp_path)
        handle = locks.hold(tmp_path)
        assert handle is not None
        assert mark.exists()
        handle.close()
        other.kill()
    handle = locks.hold(tmp_path)
    assert handle is not None
    assert not mark.exists()
    handle.close()


def test_a_folder_that_cannot_be_written_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("")
    assert locks.hold(tmp_path / "file") is None
