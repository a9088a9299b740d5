"""Convert a network to LiteRT, run LiteRT files and time them.

Run by :mod:`hanas.deploy.litert` in another Python, one with litert-torch, which cannot share an
environment with hanas (it wants older typing_extensions): so it imports nothing of hanas. Reads
``request.json`` in the folder where it runs and writes ``answer.json`` there; with the argument
``serve``, reads a request a line until there are no more, and answers each with a line. An answer
has ``versions`` of the packages and, where something fails, ``error``:

- ``convert``: makes ``model.tflite``, float32 (1, H, W, 3), of ``network.pt2``, a program of
  torch.export of float32 (1, 3, H, W), and with ``quantise`` ``model.int8.tflite``, of 8-bit
  integers from input to output, whose ranges are taken from ``calibration.npy``, float32 (M, H, W,
  3);
- ``run``: files, whose logits of ``images.npy``, float32 (N, H, W, 3), become ``0.npy``, ...;
- ``time``: a file, with ``passes``, ``warmup``, ``threads`` and ``xnnpack``; the answer has the
  ``latencies_ms`` of the passes. What is to ``keep`` is not loaded and warmed up a second time.
"""

import importlib.metadata
import json
import os
import sys
import time
import traceback
from pathlib import Path

import numpy as np

PACKAGES = ("litert-torch", "ai-edge-quantizer", "ai-edge-litert")


#: Models that are kept at most.
KEPT = 128


def main():
    """Do what the request says and write the answer."""
    if sys.argv[1:] == ["serve"]:
        answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # the packages print, too
        for line in sys.stdin:
            print(json.dumps(answered(json.loads(line))), file=answers, flush=True)
        return
    request = json.loads(Path("request.json").read_text(encoding="utf-8"))
    Path("answer.json").write_text(json.dumps(answered(request)), encoding="utf-8")


def answered(request):
    """Do what a request says and return the answer."""
    answer = {}
    try:
        answer["versions"] = {name: importlib.metadata.version(name) for name in PACKAGES}
        if "convert" in request:
            _convert(request["convert"])
        if "run" in request:
            images = np.load("images.npy", mmap_mode="r")
            for number, file in enumerate(request["run"]):
                model = _Model(file, threads=request["threads"])
                np.save(f"{number}.npy", np.stack([model(image[None]) for image in images]))
        if "time" in request:
            answer["latencies_ms"] = _times(request["time"])
    except Exception as error:  # the packages raise almost anything
        traceback.print_exc()
        said = str(error).strip().partition("\n")[0]
        answer["error"] = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return answer


def _convert(how):
    import litert_torch  # pyright: ignore[reportMissingImports]
    import torch

    torch.set_num_threads(how["threads"])
    network = torch.export.load("network.pt2").module()
    taken = litert_torch.to_channel_last_io(network, args=[0])
    litert_torch.convert(taken, (torch.zeros(how["input"]),)).export("model.tflite")
    if not how["quantise"]:
        return
    from ai_edge_quantizer import (  # pyright: ignore[reportMissingImports]
        calibrator,
        quantizer,
        recipe,
        recipe_manager,
    )
    from ai_edge_quantizer.utils import qsv_utils  # pyright: ignore[reportMissingImports]

    images = np.load("calibration.npy", mmap_mode="r")
    work, manager = quantizer.Quantizer("model.tflite"), recipe_manager.RecipeManager()
    for each in (work, manager):
        each.load_quantization_recipe(recipe.static_wi8_ai8())
    ((signature, names),) = _Model("model.tflite").interpreter.get_signature_list().items()
    (name,) = names["inputs"]
    # Not the quantizer's own ranges, moving averages of those of each image: they cut off so much
    # that networks lost 3 and 5 points of accuracy, and with all that was seen none.
    seen = calibrator.Calibrator(
        "model.tflite", num_threads=how["threads"], qsv_update_func=qsv_utils.min_max_update
    )
    # Views into a file: none is in memory before its turn.
    each_image = [{name: images[number : number + 1]} for number in range(len(images))]
    seen.calibrate({signature: each_image}, manager)
    work.quantize(seen.get_model_qsvs()).export_model("model.int8.tflite", overwrite=True)


class _Model:
    """A LiteRT file that takes one image at a time, and says logits as float32."""

    def __init__(self, file, *, threads=1, xnnpack=True):
        from ai_edge_litert import interpreter  # pyright: ignore[reportMissingImports]

        resolver = interpreter.OpResolverType
        kind = resolver.AUTO if xnnpack else resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self.interpreter = interpreter.Interpreter(
            model_path=file, num_threads=threads, experimental_op_resolver_type=kind
        )
        self.interpreter.allocate_tensors()
        (self.taken,) = self.interpreter.get_input_details()
        (self.given,) = self.interpreter.get_output_details()

    def __call__(self, image):
        taken, given = self.taken, self.given
        if taken["dtype"] == np.int8:
            scale, zero = taken["quantization"]
            image = np.clip(np.rint(image / scale) + zero, -128, 127).astype(np.int8)
        self.interpreter.set_tensor(taken["index"], image)
        self.interpreter.invoke()
        logits = self.interpreter.get_tensor(given["index"])[0]
        if given["dtype"] == np.int8:
            scale, zero = given["quantization"]
            logits = (logits.astype(np.float32) - zero) * np.float32(scale)
        return logits


_models = {}


def _times(how):
    """Return the milliseconds of each pass, on numbers that are made up."""
    which = how["file"], os.stat(how["file"]).st_mtime_ns, how["threads"], how["xnnpack"]
    model = _models.pop(which, None)
    seconds = how["warmup_seconds"] if model is None else 0
    if model is None:
        model = _Model(how["file"], threads=how["threads"], xnnpack=how["xnnpack"])
        random, taken = np.random.default_rng(0), model.taken
        image = random.standard_normal(taken["shape"]).astype(np.float32)
        if taken["dtype"] == np.int8:
            image = random.integers(-128, 128, taken["shape"]).astype(np.int8)
        model.interpreter.set_tensor(taken["index"], image)
    clock, latencies, started = time.perf_counter_ns, [], time.perf_counter()
    done = 0
    while done < how["warmup"] or time.perf_counter() - started < seconds:
        model.interpreter.invoke()
        done += 1
    for _ in range(how["passes"]):
        before = clock()
        model.interpreter.invoke()
        latencies.append((clock() - before) / 1e6)
    if how["keep"]:
        _models[which] = model
        if len(_models) > KEPT:
            del _models[next(iter(_models))]
    return latencies


if __name__ == "__main__":
    main()
