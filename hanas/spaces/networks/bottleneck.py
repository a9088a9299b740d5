"""A training step of an inverted bottleneck on a CPU, through the cache instead of the memory.

A bottleneck's maps are small outside and large inside. PyTorch's modules write every large map to
memory, read it again, and keep six of them for the gradients: on a CPU that takes more time than
the arithmetic. Here a few images at a time go through, so that large maps stay in the cache, and
one large map is kept, that after the depthwise convolution; the others are made anew for the
gradients. Normalisation over the whole batch does not stand in the way: mean and variance of what
the first convolution makes follow from mean and covariance of its few inputs (output o has mean
``w_o m`` and variance ``w_o C w_o``), so that it is a convolution with other weights and a bias;
those after the depthwise convolution are added up from part to part.

The numbers are those of the modules but for rounding.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hanas.spaces.networks.depthwise import convolved, input_gradient, weight_gradient

#: Numbers of a large map that are worked on at a time: what one core's cache holds a few times.
NUMBERS_AT_A_TIME = 2**17


def through_bottleneck(
    x: Tensor,
    expansion: tuple[nn.Conv2d, nn.BatchNorm2d] | None,
    depthwise: tuple[nn.Conv2d, nn.BatchNorm2d],
    projection: nn.Conv2d,
    top: float,
) -> Tensor:
    """Return what the projection makes of x (N, C, H, W), before its own normalisation.

    Batch statistics are used, and running ones, where there are some, change as in training.
    ``top`` is where the activation ends: 6, or infinity for ReLU.
    """
    wide, norm = depthwise
    first = (None,) * 3 if expansion is None else (expansion[0].weight, *_affine(expansion[1]))
    weights = (*first, wide.weight, *_affine(norm), projection.weight)
    eps = (1.0 if expansion is None else expansion[1].eps, norm.eps)
    out, *statistics = cast(
        tuple[Tensor, ...], _Bottleneck.apply(x, *weights, wide.stride[0], eps, top)
    )
    pixels = out.numel() // out.shape[1]
    _keep(norm, *statistics[2:], pixels)
    if expansion is not None:
        _keep(expansion[1], *statistics[:2], x.numel() // x.shape[1])
    return out


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor | None, Tensor | None]:
    return norm.weight, norm.bias


def _keep(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, pixels: int) -> None:
    """Change the running statistics, if there are some, as a step of training does."""
    if norm.running_mean is None or norm.running_var is None:
        return
    assert norm.num_batches_tracked is not None and norm.momentum is not None
    norm.num_batches_tracked.add_(1)
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance * (pixels / (pixels - 1)), norm.momentum)


class _Scaling(NamedTuple):
    """A normalisation, as ``factor * x + shift`` (C,); ``inverse`` is one over the deviation."""

    factor: Tensor
    shift: Tensor
    inverse: Tensor


def _scaling(
    mean: Tensor, variance: Tensor, scale: Tensor | None, shift: Tensor | None, eps: float
) -> _Scaling:
    inverse = (variance + eps).rsqrt()
    factor = inverse if scale is None else inverse * scale
    moved = -mean * factor
    return _Scaling(factor, moved if shift is None else moved + shift, inverse)


class _Bottleneck(torch.autograd.Function):
    """Its inputs: x; weight (E, C, 1, 1), scale and shift (E,) of the expansion, None if none;

    weight (E, 1, K, K), scale and shift of the depthwise convolution; weight (O, E, 1, 1) of the
    projection; stride; eps of both normalisations; end of the activation. Its outputs: the map
    (N, O, H/stride, W/stride); mean and variance of both normalisations (of none: empty).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        expand: Tensor | None,
        scale1: Tensor | None,
        shift1: Tensor | None,
        wide: Tensor,
        scale2: Tensor | None,
        shift2: Tensor | None,
        project: Tensor,
        stride: int,
        eps: tuple[float, float],
        top: float,
    ) -> tuple[Tensor, ...]:
        x = x.contiguous(memory_format=torch.channels_last)
        mean1 = variance1 = inverse1 = x.new_empty(0)
        folded = bias = None  # the expansion with its normalisation
        if expand is not None:
            rows = expand.flatten(1)  # (E, C)
            mean, covariance = _mean_and_covariance(x)
            mean1, variance1 = rows @ mean, ((rows @ covariance) * rows).sum(dim=1).clamp_(min=0)
            first = _scaling(mean1, variance1, scale1, shift1, eps[0])
            folded, bias, inverse1 = expand * first.factor[:, None, None, None], *first[1:]
        # Through the expansion and the depthwise convolution, whose results are kept.
        parts = x.tensor_split(_count(x, len(wide)))
        maps = [convolved(_expanded(part, folded, bias, top), wide, stride) for part in parts]
        mean2, variance2 = _mean_and_variance(maps)
        second = _scaling(mean2, variance2, scale2, shift2, eps[1])
        # Then through normalisation, activation and projection.
        out = torch.cat([F.conv2d(_activated(map_, second, top), project) for map_ in maps])
        ctx.how = (stride, top, len(maps))
        of_first = (x, expand, scale1, folded, bias, inverse1)
        ctx.save_for_backward(*of_first, wide, scale2, project, mean2, *second, *maps)
        ctx.mark_non_differentiable(mean1, variance1, mean2, variance2)
        return out, mean1, variance1, mean2, variance2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        stride, top, count = ctx.how
        x, expand, scale1, folded, bias, inverse1, *others = ctx.saved_tensors
        wide, scale2, project, mean2, factor2, moved2, inverse2, *maps = others
        second = _Scaling(factor2, moved2, inverse2)
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        # Back through the projection and the activation; sums for the normalisation.
        back, of_project = project.transpose(0, 1).contiguous(), 0.0
        sums, products, passed = torch.zeros_like(mean2), torch.zeros_like(mean2), []
        for part, map_ in zip(gradient.tensor_split(count), maps, strict=True):
            active = _activated(map_, second, top)
            of_project = of_project + _pixels(part).T @ _pixels(active)
            of_map = _masked(F.conv2d(part, back), active, top)
            sums += _pixels(of_map).sum(dim=0)
            products += (_pixels(of_map) * _pixels(map_)).sum(dim=0)
            passed.append(of_map)
        pixels = gradient.numel() // gradient.shape[1]
        of_scale2 = (products - mean2 * sums) * inverse2
        along = -factor2 * inverse2 * of_scale2 / pixels
        constant = -factor2 * sums / pixels - along * mean2
        # Back through the normalisation, the depthwise convolution and the expansion.
        of_x, of_wide = torch.empty_like(x), torch.zeros_like(wide)
        of_folded, of_bias = (None, None) if folded is None else (0.0, 0.0)
        narrow = None if folded is None else folded.transpose(0, 1).contiguous()
        parts = zip(x.tensor_split(count), of_x.tensor_split(count), strict=True)
        for (part, of_part), map_, of_map in zip(parts, maps, passed, strict=True):
            of_map = torch.addcmul(_row(constant), map_, _row(along)).addcmul_(of_map, _row(factor2))
            active = _expanded(part, folded, bias, top)
            of_wide += weight_gradient(of_map, active, wide, stride)
            of_active = input_gradient(of_map, active, wide, stride)
            if narrow is None:
                of_part.copy_(of_active)
                continue
            of_active = _masked(of_active, active, top)
            of_folded = of_folded + _pixels(part).T @ _pixels(of_active)  # (C, E)
            of_bias = of_bias + _pixels(of_active).sum(dim=0)
            of_part.copy_(F.conv2d(of_active, narrow))
        of_first = (None, None, None)
        if expand is not None:
            of_first = _through_expansion(
                x, of_x, expand, scale1, folded, inverse1, of_folded.T, of_bias
            )
        of_second = (None, None) if scale2 is None else (of_scale2, sums)
        of_out = of_project[:, :, None, None]
        return of_x, *of_first, of_wide, *of_second, of_out, None, None, None


def _through_expansion(
    x: Tensor,
    of_x: Tensor,
    expand: Tensor,
    scale: Tensor | None,
    folded: Tensor,
    inverse: Tensor,
    of_folded: Tensor,
    of_bias: Tensor,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the gradients of weight, scale and shift of the expansion; add to that of x.

    ``of_folded`` (E, C) and ``of_bias`` (E,) are those of the weights with normalisation.
    """
    rows, pixels = expand.flatten(1), _pixels(x)
    mean, covariance = _mean_and_covariance(x)
    factor = inverse if scale is None else inverse * scale
    of_folded = of_folded - of_bias[:, None] * mean  # the bias has the mean of the outputs in it
    of_factor = (of_folded * rows).sum(dim=1)
    of_variance = -0.5 * of_factor * factor * inverse**2
    of_rows = of_folded * factor[:, None] + 2 * of_variance[:, None] * (rows @ covariance)
    # Of the covariance and of the mean, to every pixel.
    mixing = rows.T @ (rows * (2 / len(pixels) * of_variance)[:, None])  # (C, C)
    of_mean = (folded.flatten(1).T @ of_bias) / -len(pixels) - mean @ mixing
    _pixels(of_x).addmm_(pixels, mixing).add_(of_mean)
    of_affine = (None, None) if scale is None else (of_factor * inverse, of_bias)
    return of_rows[:, :, None, None], *of_affine


# ---- parts --------------------------------------------------------------------------------------


def _count(x: Tensor, channels: int) -> int:
    """Return in how many parts to cut a batch whose large maps have so many channels."""
    numbers = x.numel() // x.shape[1] * channels
    return min(len(x), -(-numbers // NUMBERS_AT_A_TIME))


def _expanded(part: Tensor, folded: Tensor | None, bias: Tensor | None, top: float) -> Tensor:
    return part if folded is None else F.conv2d(part, folded, bias).clamp_(0, top)


def _activated(map_: Tensor, scaling: _Scaling, top: float) -> Tensor:
    return torch.addcmul(_row(scaling.shift), map_, _row(scaling.factor)).clamp_(0, top)


def _masked(gradient: Tensor, active: Tensor, top: float) -> Tensor:
    """Return the gradient, in its place, where the activation let it through."""
    into = torch.ops.aten.hardtanh_backward.grad_input
    return into(gradient, active, 0.0, top, grad_input=gradient)


def _row(of_channels: Tensor) -> Tensor:
    return of_channels[:, None, None]


def _pixels(x: Tensor) -> Tensor:
    """Return a view (N H W, C) of a map (N, C, H, W) in channels-last layout."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)


def _mean_and_covariance(x: Tensor) -> tuple[Tensor, Tensor]:
    pixels = _pixels(x)
    mean = pixels.mean(dim=0)
    centred = pixels - mean
    return mean, centred.T @ centred / len(pixels)


def _mean_and_variance(maps: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and variance (C,) of all pixels of maps (n, C, H, W) together."""
    found = [torch.batch_norm_update_stats(map_, None, None, 0.0) for map_ in maps]
    means, variances = (torch.stack(values) for values in zip(*found, strict=True))
    share = torch.tensor([len(map_) for map_ in maps], dtype=means.dtype)[:, None]
    share = share / share.sum()
    mean = (share * means).sum(dim=0)
    return mean, (share * (variances + (means - mean) ** 2)).sum(dim=0)
