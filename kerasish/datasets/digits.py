"""Handwritten digits: 1,797 grey images of 8 × 8 pixels in ten classes, shipped inside the package.

The test part of the UCI "Optical Recognition of Handwritten Digits" data set (E. Alpaydin, C. Kaynak, 1998,
https://doi.org/10.24432/C50P49, licence CC BY 4.0). `digits.npz` keeps its order and values unchanged.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kerasish.core import threefry

Bytes: TypeAlias = NDArray[np.uint8]

_FILE = Path(__file__).with_name("digits.npz")
_TRAIN = 1437
_SPLIT_SEED = 1998


def load_data() -> tuple[tuple[Bytes, Bytes], tuple[Bytes, Bytes]]:
    """Load the digits, shuffled and split: always the same 1,437 training and 360 test images.

    Pixels are 0 (white) to 16 (black); divide by 16 for values in [0, 1].

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 arrays of shape (n, 8, 8) and (n,).

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data()
        >>> x_train.shape, y_test.shape
        ((1437, 8, 8), (360,))
    """
    with np.load(_FILE, allow_pickle=False) as archive:
        images, labels = archive["x"], archive["y"]
    # Our own generator decides the order, so that no change of NumPy's can move an image between the parts.
    order = np.argsort(threefry.random_bits(threefry.key_from_seed(_SPLIT_SEED), len(labels)), kind="stable")
    train, test = order[:_TRAIN], order[_TRAIN:]
    return (images[train], labels[train]), (images[test], labels[test])
