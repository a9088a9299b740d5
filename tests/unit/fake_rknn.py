"""A stand-in for rknn-toolkit2 in a Python of its own, for tests.

It prints what the toolkit (2.5.0) printed for one cell of NAS-Bench-201; its simulator says that
every image is of the class whose colour is strongest.
"""

import sys
from pathlib import Path

TOOLKIT = """
import os
import numpy as np
RECORDED = {recorded!r}
BOARDS = {boards!r}

class RKNN:
    def __init__(self, verbose=False):
        self.board = None

    def list_devices(self):
        print("all device(s) with adb mode:")
        return BOARDS, []

    def config(self, target_platform):
        return 0 if target_platform == "rk3588" else -1

    def load_onnx(self, model):
        if b"Det" in open(model, "rb").read():
            print("\\x1b[1;31mE\\x1b[0m \\x1b[1;31mload_onnx: Unsupport Det!\\x1b[0m")
            raise ValueError("Traceback (most recent call last):\\nValueError")
        return 0

    def build(self, do_quantization, dataset):
        images = [np.load(line) for line in open(dataset).read().split()]
        assert do_quantization and images
        assert all(i.shape[0] == 1 and i.dtype == np.float32 for i in images)
        print(open(RECORDED).read())
        return 0

    def export_rknn(self, file):
        open(file, "w").write("model of an NPU")
        return 0

    def init_runtime(self, target=None, device_id=None):
        if target and device_id not in BOARDS:
            raise RuntimeError("no devices/emulators found")
        self.board = target
        return 0

    def inference(self, inputs, data_format):
        assert data_format == "nchw" and inputs[0].shape[0] == 1
        return [inputs[0].mean(axis=(2, 3))]

    def eval_perf(self, is_print, fix_freq):
        assert self.board
        file = "passes.txt"
        count = len(open(file).read()) + 1 if os.path.exists(file) else 1
        open(file, "a").write("x")
        print("Total Time(us):", 1000 * count)
        print("FPS: %.2f" % (1000 / count))
"""


def fake_python(folder: Path, *, boards: tuple[str, ...] = ()) -> Path:
    """Make a Python in which the stand-in can be imported, and return its path."""
    package = folder / "site" / "rknn"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    recorded = str(Path(__file__).with_name("rknn_layers.txt"))
    (package / "api.py").write_text(TOOLKIT.format(recorded=recorded, boards=list(boards)))
    facts = folder / "site" / "rknn_toolkit2-2.5.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: rknn-toolkit2\nVersion: 2.5.0\n")
    start = folder / "start.py"
    start.write_text(
        "import runpy, sys\n"
        f"sys.path.insert(0, {str(folder / 'site')!r})\n"
        "runpy.run_path(sys.argv[-1], run_name='__main__')\n"
    )
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{start}" "$@"\n')
    python.chmod(0o755)
    return python
