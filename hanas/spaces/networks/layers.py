"""Depthwise convolutions and ReLU6 whose training steps are faster on a CPU.

To state dicts, exports, evaluation and GPUs they are PyTorch's own; only gradients on a CPU are
computed otherwise. ``benchmarks/layerwise_training.py`` measures what that is worth.

oneDNN has a fast gradient of depthwise kernels of at most three columns that reach over the border
by little; with all others it takes ten to twenty times as long (PyTorch 2.13). Wider kernels are
therefore cut into groups of columns, each the kernel of a convolution of a shifted map. With
respect to the input, the gradient is at stride 1 the convolution with the kernel turned round.

Tried and not faster here: normalisation inside the weights of 1x1 convolutions (by mean and
covariance of their inputs), whole bottlenecks on a few images at a time, so that large maps stay in
the cache, and 1x1 convolutions as matrix products.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Columns of a kernel whose weight gradient oneDNN computes fast.
FAST_COLUMNS = 3


class DepthwiseConvolution(nn.Conv2d):
    """A depthwise convolution of odd side without bias that keeps the size (over its stride).

    If it is dilated, it is PyTorch's in all.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: D102
        if self.dilation != (1, 1) or not trains_on_cpu(input):
            return super().forward(input)
        return cast(Tensor, _Depthwise.apply(input, self.weight, self.stride[0]))


def trains_on_cpu(x: Tensor) -> bool:
    """Return whether gradients may be asked for on a CPU, and nothing is exported."""
    exported = torch.onnx.is_in_onnx_export()
    return torch.is_grad_enabled() and x.device.type == "cpu" and not exported


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return convolved(x, weight, stride)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (x, weight), stride = gradients, ctx.saved_tensors, ctx.stride
        needs_x, needs_weight, _ = ctx.needs_input_grad
        return (
            input_gradient(gradient, x, weight, stride) if needs_x else None,
            weight_gradient(gradient, x, weight, stride) if needs_weight else None,
            None,
        )


def convolved(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return the depthwise convolution (N, C, H/stride, W/stride) of x (N, C, H, W).

    The kernel is (C, 1, K, K), K odd.
    """
    return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, len(weight))


def input_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return the gradient (N, C, H, W) with respect to ``x``."""
    if stride == 1:
        return convolved(gradient, weight.flip(2, 3), 1)
    half = weight.shape[-1] // 2
    return _backward(gradient, x, weight, stride, (half, half), of_weight=False)[0]


def weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return the gradient (C, 1, K, K) with respect to the kernel, a few columns at a time."""
    size = weight.shape[-1]
    half, (height, width) = size // 2, x.shape[2:]
    if size <= FAST_COLUMNS or width < half:
        return _backward(gradient, x, weight, stride, (half, half), of_weight=True)[1]
    # Where a kernel reaches far over the border, the border becomes pixels.
    rows = half if stride > 1 or height <= size else 0
    parts, first = [], 0
    for kernel in weight.tensor_split(-(-size // FAST_COLUMNS), dim=3):
        more = kernel.shape[3] - 1
        # As much of x as the first of these columns sees, and what the others need at the right.
        shifted = F.pad(x, (half - first, first + more - half, rows, rows))
        padding = (half - rows, 0)
        parts.append(_backward(gradient, shifted, kernel, stride, padding, of_weight=True)[1])
        first += more + 1
    return torch.cat(parts, dim=3)


def _backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: int,
    padding: tuple[int, int],
    *,
    of_weight: bool,
) -> tuple[Tensor, Tensor]:
    how = (None, [stride, stride], padding, [1, 1], False, [0, 0], len(weight))
    wanted = [not of_weight, of_weight, False]
    return torch.ops.aten.convolution_backward(gradient, x, weight, *how, wanted)[:2]


class ReLU6(nn.ReLU6):
    """ReLU6 in place that keeps its output for the gradient; PyTorch's copies its input."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: D102
        if not (self.inplace and trains_on_cpu(input)):
            return super().forward(input)
        return cast(Tensor, _ReLU6.apply(input))


class _ReLU6(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x.clamp_(0, 6)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        # The ends have no gradient, and what was beyond is at the ends.
        return torch.ops.aten.hardtanh_backward(gradients[0], y, 0.0, 6.0)
