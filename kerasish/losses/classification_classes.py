"""The losses of classification and segmentation as classes: a function, its options and a reduction."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish import ops
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError
from kerasish.losses.crossentropy import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    sparse_categorical_crossentropy,
)
from kerasish.losses.loss import LossFunctionWrapper, keeps_integers
from kerasish.losses.margin import categorical_hinge, hinge, squared_hinge
from kerasish.losses.overlap import dice, tversky


class Hinge(LossFunctionWrapper):
    """Mean of max(1 − y_true · y_pred, 0).

    Args:
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(Hinge()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.875
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "hinge", dtype: Any = None
    ) -> None:
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(LossFunctionWrapper):
    """Mean of max(1 − y_true · y_pred, 0)².

    Args:
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(SquaredHinge()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.9062
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(LossFunctionWrapper):
    """max(neg − pos + 1, 0): scores of the true class and of the best other one.

    Args:
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(CategoricalHinge()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.75
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(categorical_hinge, reduction, name, dtype)


class BinaryCrossentropy(LossFunctionWrapper):
    """Cross entropy between 0/1 labels and probabilities.

    Args:
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        label_smoothing: Fraction in [0, 1] by which labels move towards the uniform distribution.
        axis: The axis of the mean.
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(BinaryCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class BinaryFocalCrossentropy(LossFunctionWrapper):
    """Binary cross entropy that plays down easy examples (Lin et al. 2017).

    Args:
        apply_class_balancing: Weight class 1 by alpha, class 0 by 1 − alpha.
        alpha: Weight of class 1.
        gamma: How strongly easy examples are played down.
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        label_smoothing: Fraction in [0, 1] by which labels move towards the uniform distribution.
        axis: The axis of the mean.
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(BinaryFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.1733
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            binary_focal_crossentropy,
            reduction,
            name,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalCrossentropy(LossFunctionWrapper):
    """Cross entropy between one-hot labels and distributions over classes.

    Args:
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        label_smoothing: Fraction in [0, 1] by which labels move towards the uniform distribution.
        axis: The axis of the classes.
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """Categorical cross entropy that plays down easy examples (Lin et al. 2017).

    Args:
        alpha: A factor.
        gamma: How strongly easy examples are played down.
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        label_smoothing: Fraction in [0, 1] by which labels move towards the uniform distribution.
        axis: The axis of the classes.
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.0433
    """

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            categorical_focal_crossentropy,
            reduction,
            name,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalGeneralizedCrossEntropy(LossFunctionWrapper):
    """(1 − p^q) / q: robust to wrong labels (Zhang and Sabuncu 2018). Integer labels.

    Args:
        q: In (0, 1): near 0 cross entropy, near 1 the mean absolute error.
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Raises:
        ArgumentError: `q` is not in (0, 1).

    Example:
        >>> float(CategoricalGeneralizedCrossEntropy()([1], [[0.75, 0.25]]))
        1.0
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        if not 0 < q < 1:
            raise ArgumentError("`q` must lie in (0, 1).", where=type(self).__name__, received=q)
        super().__init__(
            categorical_generalized_cross_entropy,
            reduction,
            name,
            dtype,
            q=q,
        )

    def _labels(self, y_true: Any) -> Any:
        return keeps_integers(y_true, self.dtype)


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """Cross entropy between integer labels and distributions over classes.

    Args:
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        ignore_class: A label that does not count, neither for the loss nor for means over samples.
        axis: The axis of the classes.
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(SparseCategoricalCrossentropy()([1], [[0.75, 0.25]])), 4)
        1.3863
    """

    _unwritten: ClassVar[dict[str, Any]] = {"axis": -1}

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.ignore_class = ignore_class

    def _labels(self, y_true: Any) -> Any:
        return keeps_integers(y_true, self.dtype)

    def _valid(self, y_true: Any, values: Any) -> Any:
        if self.ignore_class is None:
            return None
        return ops.reshape(ops.not_equal(y_true, self.ignore_class), shape_of(values))


class Dice(LossFunctionWrapper):
    """1 − 2·overlap / (sum of sizes), for segmentation.

    Args:
        axis: Axes summed over; None: all.
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(Dice()([[1.0, 0.0]], [[1.0, 1.0]])), 4)
        0.3333
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "dice",
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            dice,
            reduction,
            name,
            dtype,
            axis=axis,
        )


class Tversky(LossFunctionWrapper):
    """1 − TP / (TP + alpha·FN + beta·FP), for segmentation (Salehi et al. 2017).

    Args:
        alpha: Weight of false negatives.
        beta: Weight of false positives.
        axis: Axes summed over; None: all.
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(Tversky()([[1.0, 0.0]], [[1.0, 1.0]])), 4)
        0.3333
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            tversky,
            reduction,
            name,
            dtype,
            alpha=alpha,
            beta=beta,
            axis=axis,
        )
