"""Say what a picture shows: python docs/classify.py results/models/NAME/1 picture.png.

Of more than 8 bits, make the card's `value_range` 0 to 255 and save the picture first.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

card = json.load(open(f"{sys.argv[1]}/model.json", encoding="utf-8"))  # noqa: SIM115
how, image = card["input"], ImageOps.exif_transpose(Image.open(sys.argv[2])).convert("RGBA")
image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")
image = np.array(ImageOps.fit(image, how["resize"], Image.Resampling.BILINEAR)) / 255
image = (image.reshape(how["blocks"]).mean((1, 3)) - how["mean"]) / how["deviation"]
run = onnxruntime.InferenceSession(f"{sys.argv[1]}/model.onnx").run
print(card["classes"][run(None, {how["name"]: np.float32([image.transpose(2, 0, 1)])})[0].argmax()])
