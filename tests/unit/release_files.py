"""What files of image releases are checked by, and hold."""

import hashlib

import numpy as np


def digest(content, algorithm):
    return hashlib.new(algorithm, content).hexdigest()


def channel_order(images):
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)
