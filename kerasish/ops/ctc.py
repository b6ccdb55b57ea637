"""Connectionist temporal classification: the loss, and greedy or beam-search decoding."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of, tensors, to_numpy
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, ShapeError, UnknownNameError
from kerasish.ops.activations import _log_softmax
from kerasish.ops.fastpath import constant, counting, filled, floats

__all__ = ["ctc_decode", "ctc_loss"]

_NEVER = -1e30  # ln of probability 0, finite so that differences stay numbers


def _int32(x: Tensor) -> Tensor:
    return x if dtype_of(x) == "int32" else p.cast(x, dtype="int32")


def _log_add(*terms: Tensor) -> Tensor:
    """ln Σ e^term."""
    largest = terms[0]
    for term in terms[1:]:
        largest = p.maximum(largest, term)
    largest = p.stop_gradient(largest)
    total = None
    for term in terms:
        part = p.exp(p.subtract(term, largest))
        total = part if total is None else p.add(total, part)
    return p.add(p.log(total), largest)


def _shifted(x: Tensor, by: int) -> Tensor:
    """x moved right by `by` along axis 1, `_NEVER` moving in."""
    rows, size = shape_of(x)
    by = min(by, size)
    x = p.slice(x, start=(0, 0), stop=(rows, size - by), step=(1, 1))
    return p.pad(x, pads=((0, 0), (by, 0)), value=_NEVER)


def _extended(target: Tensor, blank: int) -> Tensor:
    """Labels with blanks between and around them: (B, L) -> (B, 2L + 1)."""
    rows, length = shape_of(target)
    blanks = filled(target, (rows, length, 1), blank, "int32")
    pairs = p.concatenate([blanks, p.reshape(target, shape=(rows, length, 1))], axis=2)
    last = filled(target, (rows, 1), blank, "int32")
    return p.concatenate([p.reshape(pairs, shape=(rows, 2 * length)), last], axis=1)


@op
def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Tensor:
    """−ln of the probability of each label sequence, summed over all its alignments (Graves et al. 2006).

    Args:
        target: Labels, shape (B, L), entries beyond `target_length` are ignored.
        output: Logits of the classes, shape (B, T, C).
        target_length: Number of labels in each row, shape (B,).
        output_length: Number of time steps in each row, shape (B,).
        mask_index: The class that stands for "no label" (blank).

    Shape: (B, L), (B, T, C), (B,), (B,) -> (B,).

    Raises:
        ShapeError: Ranks do not fit.

    Example:
        >>> round(float(ctc_loss([[1]], [[[0.0, 0.0]]], [1], [1])[0]), 4)
        0.6931
    """
    output = floats(output)
    output, target, target_length, output_length = tensors(output, target, target_length, output_length)
    if len(shape_of(target)) != 2 or len(shape_of(output)) != 3:
        raise ShapeError(
            "CTC needs rows of labels and of class scores.",
            expected="target (B, L), output (B, T, C)",
            received=f"{shapes.show(shape_of(target))} and {shapes.show(shape_of(output))}",
        )
    target, target_length, output_length = (_int32(x) for x in (target, target_length, output_length))
    dtype = dtype_of(output)
    wide = p.cast(output, dtype="float32") if dtypes.bits(dtype) == 16 else output
    rows, time, classes = shape_of(wide)
    labels = _extended(p.minimum(p.maximum(target, 0), classes - 1), mask_index)
    states = shape_of(labels)[1]
    steps = p.transpose(_log_softmax(wide, axis=(2,)), axes=(1, 0, 2))

    # A label may be entered from two states back (over the blank between) unless it repeats the label before.
    before = p.pad(
        p.slice(labels, start=(0, 0), stop=(rows, states - 2), step=(1, 1)), pads=((0, 0), (2, 0)), value=-1
    )
    jump = p.logical_and(p.not_equal(labels, mask_index), p.not_equal(labels, before))
    numbers = p.reshape(counting(wide, states), shape=(1, states))
    start = p.where(p.less(numbers, 1), 0.0, filled(wide, (rows, states), _NEVER, dtype_of(wide)))

    def step(carry: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        (alpha,) = carry
        scores, number = now
        emitted = p.take_along_axis(scores, labels, axis=1)
        skipped = p.where(jump, _shifted(alpha, 2), _NEVER)
        after = p.add(_log_add(alpha, _shifted(alpha, 1), skipped), emitted)
        first = p.add(
            p.where(p.less(numbers, 2), 0.0, filled(wide, (rows, states), _NEVER, dtype_of(wide))), emitted
        )
        after = p.where(p.equal(number, 0), first, p.maximum(after, _NEVER))
        running = p.less(number, p.reshape(output_length, shape=(rows, 1)))
        return [p.where(running, after, alpha)], []

    (alpha,), _ = p.scan([start], [steps, counting(wide, time)], fn=step, length=time, reverse=False)
    end = p.multiply(target_length, 2)
    last = p.take_along_axis(alpha, p.reshape(end, shape=(rows, 1)), axis=1)
    label = p.take_along_axis(alpha, p.reshape(p.maximum(p.subtract(end, 1), 0), shape=(rows, 1)), axis=1)
    label = p.where(p.reshape(p.greater(target_length, 0), shape=(rows, 1)), label, _NEVER)
    loss = p.negative(p.reshape(_log_add(last, label), shape=(rows,)))
    return loss if dtype_of(loss) == dtype else p.cast(loss, dtype=dtype)


@op
def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[Tensor, Tensor]:
    """Label sequences from class scores.

    Args:
        inputs: Scores of the classes (logits), shape (B, T, C).
        sequence_lengths: Number of time steps in each row, shape (B,).
        strategy: "greedy" takes the best class of each step; "beam_search" follows the best prefixes, on the host.
        beam_width: Prefixes kept by the beam search.
        top_paths: Sequences returned by the beam search.
        merge_repeated: Whether equal labels in a row without a blank between count once.
        mask_index: The class that stands for "no label" (blank).

    Shape: (B, T, C), (B,) -> ((paths, B, T), (B, paths)): labels filled up with −1, and scores (greedy: the negated sum
    of the chosen scores; beam search: ln of the probability).

    Raises:
        UnknownNameError: `strategy` is neither.

    Example:
        >>> labels, score = ctc_decode([[[0.0, 1.0], [1.0, 0.0]]], [2])
        >>> labels.tolist()
        [[[1, -1]]]
    """
    inputs = floats(inputs)
    inputs, lengths = tensors(inputs, sequence_lengths)
    if len(shape_of(inputs)) != 3:
        raise ShapeError(
            "Class scores of sequences are needed.",
            expected="(B, T, C)",
            received=shapes.show(shape_of(inputs)),
        )
    if strategy == "greedy":
        return _greedy(inputs, _int32(lengths), merge_repeated, mask_index)
    if strategy == "beam_search":
        if not 1 <= top_paths <= beam_width:
            raise ArgumentError("`top_paths` must be between 1 and `beam_width`.", received=top_paths)
        return _beam_search(inputs, lengths, beam_width, top_paths, mask_index)
    raise UnknownNameError.of("strategy", strategy, ("greedy", "beam_search"))


def _greedy(inputs: Tensor, lengths: Tensor, merge: bool, blank: int) -> tuple[Tensor, Tensor]:
    rows, time, _ = shape_of(inputs)
    best = p.argmax(inputs, axis=2, keepdims=False)
    within = p.less(p.reshape(counting(inputs, time), shape=(1, time)), p.reshape(lengths, shape=(rows, 1)))
    kept = p.logical_and(within, p.not_equal(best, blank))
    if merge:
        before = p.slice(
            p.pad(best, pads=((0, 0), (1, 0)), value=-1), start=(0, 0), stop=(rows, time), step=(1, 1)
        )
        kept = p.logical_and(kept, p.not_equal(best, before))
    order = p.argsort(
        p.cast(p.logical_not(kept), dtype="int32"), axis=1
    )  # stable: kept labels first, in order
    labels = p.take_along_axis(p.where(kept, best, -1), order, axis=1)
    score = p.where(within, p.max(inputs, axis=(2,), keepdims=False), 0.0)
    score = p.negative(p.sum(score, axis=(1,), keepdims=True))
    return p.reshape(labels, shape=(1, rows, time)), score


def _beam_search(
    inputs: Tensor, lengths: Tensor, width: int, paths: int, blank: int
) -> tuple[Tensor, Tensor]:
    logs = to_numpy(_log_softmax(inputs, axis=(2,))).astype(np.float64)
    rows, time, _ = logs.shape
    labels = np.full((paths, rows, time), -1, np.int32)
    scores = np.full((rows, paths), -np.inf)
    for row, length in enumerate(to_numpy(lengths).astype(int)):
        for rank, (prefix, score) in enumerate(_search_row(logs[row, :length], width, blank)[:paths]):
            labels[rank, row, : len(prefix)] = prefix
            scores[row, rank] = score
    return constant(inputs, labels, "int32"), constant(inputs, scores, dtype_of(inputs))


def _search_row(logs: np.ndarray, width: int, blank: int) -> list[tuple[tuple[int, ...], float]]:
    """The best prefixes of one sequence with their ln probability; each prefix has (ends in blank, ends in label)."""
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}
    for step in logs:
        found: dict[tuple[int, ...], list[float]] = {}

        def gain(
            prefix: tuple[int, ...], kind: int, score: float, found: dict[tuple[int, ...], list[float]]
        ) -> None:
            entry = found.setdefault(prefix, [-np.inf, -np.inf])
            entry[kind] = float(np.logaddexp(entry[kind], score))

        for prefix, (in_blank, in_label) in beams.items():
            either = float(np.logaddexp(in_blank, in_label))
            gain(prefix, 0, either + step[blank], found)
            if prefix:
                gain(prefix, 1, in_label + step[prefix[-1]], found)
            for label, score in enumerate(step):
                if label != blank:
                    source = in_blank if prefix and label == prefix[-1] else either
                    gain((*prefix, label), 1, source + score, found)
        ranked = sorted(found.items(), key=lambda item: -np.logaddexp(item[1][0], item[1][1]))[:width]
        beams = {prefix: (pair[0], pair[1]) for prefix, pair in ranked}
    return [(prefix, float(np.logaddexp(*pair))) for prefix, pair in beams.items()]
