"""The operations of a cell and the blocks between stages, in the order of NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def batch_norm(channels: int, mode: str) -> nn.BatchNorm2d:
    """Return the batch normalisation of a BN mode.

    ``batch``: statistics of the batch at hand, in training and evaluation, no affine part;
    ``batch_affine``: the same with an affine part; ``running``: affine, and running statistics
    in evaluation.
    """
    return nn.BatchNorm2d(channels, affine=mode != "batch", track_running_stats=mode == "running")


def relu_conv_bn(
    in_channels: int, out_channels: int, kernel: int, mode: str, *, stride: int = 1
) -> nn.Sequential:
    """Return ReLU, a convolution without bias that keeps the size (over ``stride``), and BN."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(
            in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False
        ),
        batch_norm(out_channels, mode),
    )


class AveragePool3x3(nn.Module):
    """Mean over the 3x3 neighbours that lie inside the image."""

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        height, width = x.shape[2:]
        # On a CPU, slices of large maps of few channels are summed up to three times faster.
        # An export to ONNX would keep the choice of its one input for all.
        if x.device.type == "cpu" and not torch.onnx.is_in_onnx_export() and _is_large(x):
            total: Tensor = _SumOf3x3.apply(x)  # type: ignore[assignment]
            return total * _inverse_counts(height, width, x.dtype)
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def _is_large(x: Tensor) -> bool:
    return x.numel() >= 2**16 and x.shape[2] * x.shape[3] >= 64 and x.shape[1] <= 32


class _SumOf3x3(torch.autograd.Function):
    """Sum over the 3x3 neighbours inside the image: a symmetric, so self-adjoint, linear map."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)  # (N, H, W, C)
        rows = pixels.new_empty(pixels.shape)
        rows[:, 0] = pixels[:, 0]
        torch.add(pixels[:, 1:], pixels[:, :-1], out=rows[:, 1:])
        rows[:, :-1].add_(pixels[:, 1:])
        total = torch.empty_like(rows)
        total[:, :, 0] = rows[:, :, 0]
        torch.add(rows[:, :, 1:], rows[:, :, :-1], out=total[:, :, 1:])
        total[:, :, :-1].add_(rows[:, :, 1:])
        return total.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        return _SumOf3x3.apply(*gradients)  # type: ignore[return-value]


@cache
def _inverse_counts(height: int, width: int, dtype: torch.dtype) -> Tensor:
    """Return one over the number of neighbours inside the image, (1, 1, H, W)."""
    with torch.inference_mode(False):  # also when first asked for while only evaluating
        counts = F.avg_pool2d(
            torch.ones(1, 1, height, width, dtype=dtype), 3, 1, 1, divisor_override=1
        )
        return 1 / counts


class ResidualTransition(nn.Module):
    """Transition of NAS-Bench-201: a residual block of stride 2 that doubles the channels."""

    def __init__(self, channels: int, mode: str) -> None:
        super().__init__()
        self.block = nn.Sequential(
            relu_conv_bn(channels, 2 * channels, 3, mode, stride=2),
            relu_conv_bn(2 * channels, 2 * channels, 3, mode),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(channels, 2 * channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return self.shortcut(x) + self.block(x)  # (N, C, H, W) -> (N, 2C, H/2, W/2)


class PooledConvolution(nn.Conv2d):
    """2x2 average pooling and a 1x1 convolution, as one 2x2 convolution of stride 2: faster."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1, bias=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: D102
        # One kernel for the four pixels: (2C, C, 1, 1) -> (2C, C, 2, 2).
        return F.conv2d(input, (self.weight / 4).expand(-1, -1, 2, 2), stride=2)


def pooled_transition(channels: int, mode: str) -> nn.Sequential:
    """Return 2x2 average pooling, 1x1 convolution to twice the channels, BN.

    Unlike the residual block it can carry nothing past the cells, so that a network trained for
    minutes already ranks them.
    """
    return nn.Sequential(PooledConvolution(channels, 2 * channels), batch_norm(2 * channels, mode))


def pooled_3x3_transition(channels: int, mode: str) -> nn.Sequential:
    """Return 2x2 average pooling, 3x3 convolution to twice the channels, BN.

    Like the residual block it sees beyond each pixel, which cells without spatial operations then
    need not; like :func:`pooled_transition` it carries nothing past the cells.
    """
    return nn.Sequential(
        nn.AvgPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
        batch_norm(2 * channels, mode),
    )


#: What is between two stages of a network of cells, by the name of its skeleton.
TRANSITIONS: dict[str, Callable[[int, str], nn.Module]] = {
    "standard": ResidualTransition,
    "pooled": pooled_transition,
    "pooled_3x3": pooled_3x3_transition,
}
