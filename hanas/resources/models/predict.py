"""Say what pictures show: python predict.py PICTURE... [--model model.int8.onnx] [--top 3].

Needs numpy, Pillow, and onnxruntime for a model.*.onnx or ai-edge-litert for a model.*.tflite.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent
CARD = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
# Of Pillow's names of 16-bit colours: those that yield their upper and their lower bytes.
NATIVE, OTHER = ("L", "B") if sys.byteorder == "little" else ("B", "L")
HALVES = {"B": "BL", "L": "LB", "N": NATIVE + OTHER}


def main():
    """Print a line for each picture: its classes, the likeliest first."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pictures", nargs="+", metavar="PICTURE")
    parser.add_argument("--model", default="model.onnx", help="a file beside this one")
    parser.add_argument("--top", type=int, default=1, help="how many classes are said")
    options = parser.parse_args()
    logits_of = load(options.model)
    for name in options.pictures:
        try:
            logits = logits_of(network_input(name))
        except (OSError, ValueError) as error:
            sys.exit(f"{name}: {error}")
        powers = np.exp(logits - logits.max())
        order = np.argsort(-logits, kind="stable")[: options.top]
        said = (f"{CARD['classes'][n]} ({powers[n] / powers.sum():.1%})" for n in order)
        print(f"{name}: {', '.join(said)}")


def network_input(name):
    """Return a picture as the network sees it, float32 (1, 3, H, W); ``input`` of the card."""
    how = CARD["input"]
    bands, deep = decoded(name)
    fitted = [ImageOps.fit(band, how["resize"], Image.Resampling.BILINEAR) for band in bands]
    pixels = np.asarray(fitted[0])
    if deep:
        if "value_range" not in how:
            raise ValueError("has more than 8 bits a channel; the network was trained on 8 bits")
        low, high = how["value_range"]
        values = (np.stack([np.asarray(band, np.float64) for band in fitted], 2) - low) * 255
        pixels = np.rint(np.clip(values / (high - low), 0, 255))
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    pooled = pixels.astype(np.float64).reshape(how["blocks"]).mean((1, 3)) / 255
    scaled = (pooled - how["mean"]) / how["deviation"]
    return scaled.transpose(2, 0, 1)[None].astype(np.float32)


def decoded(name):
    """Return a picture upright, transparent pixels on black, and whether it has over 8 bits.

    One image of mode RGB; of more than 8 bits, one or three of mode F.
    """
    with Image.open(name) as picture:
        forms = [args[0] if isinstance(args, tuple) else args for *_, args in picture.tile]
        if not picture.mode.startswith("I") and any(";16" in str(form) for form in forms):
            upper, lower = (half(name, which) for which in (0, 1))
            values = upper.astype(np.float32) * 256 + lower
            if values.shape[2] == 4:
                values = values[..., :3] * (values[..., 3:] / 65535)
            return [Image.fromarray(np.ascontiguousarray(values[..., c])) for c in range(3)], True
        picture.load()
        upright = ImageOps.exif_transpose(picture)
    if upright.mode == "F" or upright.mode.startswith("I"):
        values = np.asarray(upright)
        if "I;32N" in forms:  # Pillow has no unsigned ones and takes them for signed
            values = values.view(np.uint32)
        return [Image.fromarray(values.astype(np.float32))], True
    if upright.has_transparency_data:
        transparent = upright.convert("RGBA")
        black = Image.new("RGBA", transparent.size, (0, 0, 0, 255))
        upright = Image.alpha_composite(black, transparent)
    return [upright.convert("RGB")], False


def half(name, which):
    """Return the upper (0) or lower (1) bytes of colours of 16 bits, of which Pillow reads 8."""
    with Image.open(name) as picture:
        tiles = []
        for codec, extents, offset, given in picture.tile:
            form, *others = given if isinstance(given, tuple) else (given,)
            colours, _, order = str(form).partition(";16")
            if colours not in ("RGB", "RGBA", "RGBX") or order not in HALVES:
                raise ValueError("16 bits a channel in a form that is not read; save it as PNG")
            wanted = f"{colours};16{HALVES[order][which]}"
            args = (wanted, *others) if isinstance(given, tuple) else wanted
            tiles.append(
                picture.tile[0]._replace(
                    codec_name=codec, extents=extents, offset=offset, args=args
                )
            )
        picture.tile = tiles
        picture.load()
        return np.asarray(ImageOps.exif_transpose(picture))


def load(file):
    """Return a function from a network's input to its logits, float32 (classes,)."""
    path = HERE / file
    if not path.is_file():
        known = ", ".join(sorted(p.name for p in HERE.glob("model.*") if p.suffix != ".json"))
        sys.exit(f"{path}: there is no such file; beside it lie {known}")
    try:
        return of_litert(path) if path.suffix == ".tflite" else of_onnx(path)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0].replace("_", "-")
        sys.exit(f"{path.name} needs {package}: pip install {package}, or give another --model")


def of_onnx(path):
    """Run an ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    for option in CARD["files"][path.name].get("session_options", {}).items():
        options.add_session_config_entry(*option)  # else some processors cut off sums of integers
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    return lambda images: session.run(None, {CARD["input"]["name"]: images})[0][0]


def of_litert(path):
    """Run a LiteRT file, which takes channels last; in INT8, integers go in and come out."""
    from ai_edge_litert.interpreter import Interpreter  # pyright: ignore[reportMissingImports]

    model = Interpreter(model_path=str(path))
    model.allocate_tensors()
    (taken,), (given,) = model.get_input_details(), model.get_output_details()

    def logits(images):
        image = images.transpose(0, 2, 3, 1)
        if taken["dtype"] == np.int8:
            scale, zero = taken["quantization"]
            image = np.clip(np.rint(image / scale) + zero, -128, 127).astype(np.int8)
        model.set_tensor(taken["index"], image)
        model.invoke()
        found = model.get_tensor(given["index"])[0]
        if given["dtype"] == np.int8:
            scale, zero = given["quantization"]
            found = (found.astype(np.float32) - zero) * np.float32(scale)
        return found

    return logits


if __name__ == "__main__":
    main()
