"""Convert an ONNX model with rknn-toolkit2, simulate it, and time it on a board.

Run by :mod:`hanas.devices.rknn` in another Python, one that has the toolkit, which cannot share an
environment with hanas: so it imports nothing of hanas. Reads ``request.json`` in the folder where
it runs and writes ``answer.json`` there, with the ``version`` of the toolkit and, where a step
fails, ``error``:

- with ``list_boards``: ``boards``, the identities of those that are attached;
- with ``target``: converts ``model.onnx`` to 8-bit integers for that chip, looking at
  ``calibration.npy`` (float32 (N, 3, H, W)); the toolkit prints on which unit each layer runs;
- with ``simulate`` too: runs ``images.npy`` in the simulator, writes ``outputs.npy``;
- with ``passes`` too: prints times of that many passes on ``device_id`` after ``warmup`` others.
"""

import importlib.metadata
import json
import traceback
from pathlib import Path

import numpy as np


def main() -> None:
    """Do what the request says and write the answer."""
    request = json.loads(Path("request.json").read_text(encoding="utf-8"))
    answer = {"version": importlib.metadata.version("rknn-toolkit2")}
    try:
        _do(request, answer)
    except Exception as error:  # the toolkit raises almost anything
        traceback.print_exc()
        answer["error"] = str(error).strip().rpartition("\n")[2] or type(error).__name__
    Path("answer.json").write_text(json.dumps(answer), encoding="utf-8")


def _do(request, answer) -> None:
    if not request:
        return
    answer["step"] = "load"
    from rknn.api import RKNN  # pyright: ignore[reportMissingImports]

    if "target" not in request:
        adb, ntb = RKNN(verbose=False).list_devices()
        answer["boards"] = [*adb, *ntb]
        return
    toolkit = RKNN(verbose=True)
    answer["step"] = "convert"
    _demand(toolkit.config(target_platform=request["target"]), "config")
    _demand(toolkit.load_onnx(model="model.onnx"), "load_onnx")
    calibration = np.load("calibration.npy")
    for number, image in enumerate(calibration):
        np.save(f"{number}.npy", image[None])
    files = "".join(f"{number}.npy\n" for number in range(len(calibration)))
    Path("calibration.txt").write_text(files, encoding="utf-8")
    _demand(toolkit.build(do_quantization=True, dataset="calibration.txt"), "build")
    if request.get("simulate"):
        answer["step"] = "simulate"
        _demand(toolkit.init_runtime(), "init_runtime")
        shown = [image[None] for image in np.load("images.npy")]
        outputs = [toolkit.inference(inputs=[image], data_format="nchw")[0] for image in shown]
        np.save("outputs.npy", np.concatenate(outputs))
    if request.get("passes"):
        answer["step"] = "time"
        status = toolkit.init_runtime(target=request["target"], device_id=request["device_id"])
        _demand(status, "init_runtime")
        for number in range(request["warmup"] + request["passes"]):
            print("hanas pass", number, flush=True)
            toolkit.eval_perf(is_print=True, fix_freq=request["fix_frequency"])


def _demand(status, name) -> None:
    if status != 0:
        raise RuntimeError(f"{name} returned {status}")


if __name__ == "__main__":
    main()
