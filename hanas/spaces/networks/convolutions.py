"""Faster training steps of depthwise and 1x1 convolutions with batch normalisation on a CPU.

PyTorch's own modules, and the same numbers but for rounding, where three things take most of a
step of small networks (``benchmarks/layerwise_training.py`` says how much):

- oneDNN has a fast weight gradient of depthwise convolutions for kernels up to three columns wide
  only; wider ones are slower by a factor of ten to twenty. They are cut into groups of columns.
- Statistics of what a 1x1 convolution makes follow from mean and covariance of its few inputs: the
  normalisation becomes part of the weights, and nothing passes over its many outputs.
- PyTorch's ReLU6 in place copies its input for the gradient; the output tells as much.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Columns of a depthwise kernel whose weight gradient oneDNN computes fast.
_FAST_COLUMNS = 3


class Convolutions(nn.Sequential):
    """Convolutions with batch normalisation and activation, one after the other.

    Parameters, names, exports and evaluation are those of :class:`torch.nn.Sequential`; training
    steps in float32 on a CPU are faster.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: D102
        if not (self.training and torch.is_grad_enabled() and _is_plain(input)):
            return super().forward(input)
        x, parts = input, list(self)
        while parts:
            part = parts.pop(0)
            norm = parts[0] if parts else None
            if isinstance(part, nn.Conv2d) and _is_depthwise(part):
                x = depthwise(x, part.weight, part.stride[0])
            elif _expands(part) and isinstance(norm, nn.BatchNorm2d):
                x = expand_and_normalise(x, cast(nn.Conv2d, part), norm)
                parts.pop(0)
            elif isinstance(part, nn.ReLU6):
                x = cast(Tensor, _ReLU6InPlace.apply(x))
            else:
                x = part(x)
        return x


def _is_plain(x: Tensor) -> bool:
    traced = torch.onnx.is_in_onnx_export() or torch.jit.is_tracing()
    return x.device.type == "cpu" and x.dtype == torch.float32 and not traced


def _is_depthwise(part: nn.Conv2d) -> bool:
    return part.groups == part.in_channels == part.out_channels and part.bias is None


def _expands(part: nn.Module) -> bool:
    """Return whether statistics of the inputs are cheaper than those of the outputs."""
    if not isinstance(part, nn.Conv2d) or part.kernel_size != (1, 1) or part.stride != (1, 1):
        return False
    return part.groups == 1 and part.bias is None and part.out_channels >= 2 * part.in_channels


# ---- depthwise convolutions ---------------------------------------------------------------------


def depthwise(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Return the depthwise convolution (N, C, H/stride, W/stride) of x (N, C, H, W).

    ``weight`` is (C, 1, K, K), K odd; the border is filled with (K - 1) / 2 zeros.
    """
    return cast(Tensor, _Depthwise.apply(x, weight, stride))


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, len(weight))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (x, weight) = gradients, ctx.saved_tensors
        of_x = of_weight = None
        if ctx.needs_input_grad[0] and ctx.stride == 1:
            flipped, half = weight.flip(2, 3), weight.shape[-1] // 2
            of_x = F.conv2d(gradient, flipped, None, 1, half, 1, len(weight))
        elif ctx.needs_input_grad[0]:
            of_x, _ = _backward(gradient, x, weight, ctx.stride, weight.shape[-1] // 2, of_x=True)
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(gradient, x, weight, ctx.stride)
        return of_x, of_weight, None


def _weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return the gradient (C, 1, K, K) of a depthwise kernel, a few columns of it at a time."""
    size = weight.shape[-1]
    half, height = size // 2, x.shape[2]
    if size <= _FAST_COLUMNS:
        return _backward(gradient, x, weight, stride, half, of_x=False)[1]
    # oneDNN is also slow where a kernel reaches far over the border: then that becomes pixels.
    rows = half if stride > 1 or height <= size else 0
    parts, first = [], 0
    for columns in torch.arange(size).tensor_split(-(-size // _FAST_COLUMNS)):
        count = len(columns)
        # What the first of these columns sees, at the left of as much as the others need.
        shifted = F.pad(x, (half - first, first + count - 1 - half, rows, rows))
        kernel = weight[..., first : first + count]
        padding = (half - rows, 0)
        parts.append(_backward(gradient, shifted, kernel, stride, padding, of_x=False)[1])
        first += count
    return torch.cat(parts, dim=3)


def _backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: int,
    padding: int | tuple[int, int],
    *,
    of_x: bool,
) -> tuple[Tensor, Tensor]:
    both = [padding, padding] if isinstance(padding, int) else list(padding)
    how = (None, [stride, stride], both, [1, 1], False, [0, 0], len(weight))
    wanted = [of_x, not of_x, False]
    return torch.ops.aten.convolution_backward(gradient, x, weight, *how, wanted)[:2]


# ---- 1x1 convolutions to more channels ----------------------------------------------------------


def expand_and_normalise(x: Tensor, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
    """Return ``norm(convolution(x))`` in training, where the convolution is 1x1, without bias.

    With mean m and covariance C of the inputs, output o has mean ``w_o m`` and variance
    ``w_o C w_o``: normalising it is another weight and a bias.
    """
    out, mean, variance = _ExpandAndNormalise.apply(  # type: ignore[misc]
        x, convolution.weight, norm.weight, norm.bias, norm.eps
    )
    if norm.running_mean is not None and norm.running_var is not None:
        assert norm.num_batches_tracked is not None and norm.momentum is not None
        pixels = out.numel() // out.shape[1]
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (pixels / (pixels - 1)), norm.momentum)
    return out


class _ExpandAndNormalise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, scale: Tensor | None, shift: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        pixels, rows = _pixels(x), weight.flatten(1)  # (N H W, I), (O, I)
        mean = pixels.mean(dim=0)
        centred = pixels - mean
        covariance = centred.T @ centred / len(pixels)  # (I, I)
        with_covariance = rows @ covariance
        variance = (with_covariance * rows).sum(dim=1).clamp_(min=0)
        inverse = (variance + eps).rsqrt()
        factor = inverse if scale is None else inverse * scale
        scaled = rows * factor[:, None]
        bias = -(scaled @ mean)
        if shift is not None:
            bias += shift
        ctx.save_for_backward(x, rows, scale, mean, with_covariance, inverse, scaled)
        of_outputs = rows @ mean
        ctx.mark_non_differentiable(of_outputs, variance)
        return F.conv2d(x, scaled[:, :, None, None], bias), of_outputs, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, rows, scale, mean, with_covariance, inverse, scaled = ctx.saved_tensors
        how = ([rows.shape[0]], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, True, True])
        of_x, of_scaled, of_shift = torch.ops.aten.convolution_backward(
            gradients[0], x, scaled[:, :, None, None], *how
        )
        # The bias has the scaled weights in it too.
        of_scaled = of_scaled.flatten(1) - of_shift[:, None] * mean
        of_factor = (of_scaled * rows).sum(dim=1)
        factor = inverse if scale is None else inverse * scale
        of_variance = -0.5 * of_factor * factor * inverse**2
        of_rows = of_scaled * factor[:, None] + 2 * of_variance[:, None] * with_covariance
        # Of the covariance and of the mean, to every pixel.
        pixels = _pixels(x)
        mixing = rows.T @ (rows * (2 / len(pixels) * of_variance[:, None]))  # (I, I)
        of_mean = (scaled.T @ of_shift) / -len(pixels) - mean @ mixing
        _pixels(of_x).addmm_(pixels, mixing).add_(of_mean)
        has_scale = scale is not None
        of_scale = of_factor * inverse if has_scale else None
        of_weight = of_rows[:, :, None, None]
        return of_x, of_weight, of_scale, of_shift if has_scale else None, None


def _pixels(x: Tensor) -> Tensor:
    """Return a view (N H W, C) of a map (N, C, H, W) in channels-last layout; else a copy."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


# ---- ReLU6 --------------------------------------------------------------------------------------


class _ReLU6InPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x.clamp_(0, 6)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        # Its borders have no gradient, and what was beyond is at the borders.
        return torch.ops.aten.hardtanh_backward(gradients[0], y, 0.0, 6.0)
