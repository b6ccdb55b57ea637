"""The table: each row is one call of an operation, made with our engine and with Keras on JAX as the oracle."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasish import ops
from kerasish.core.convert import to_numpy
from kerasish.ops import image, nn, random
from tests.batches import Batches
from tests.oracle import ask, keras

OURS = {"nn": nn, "image": image, "random": random}
THEIRS = {"nn": keras.ops.nn, "image": keras.ops.image, "random": keras.random}


@dataclasses.dataclass(frozen=True)
class Case:
    """`space`.`name`(*args, **kwargs); gradients with respect to the float arrays of args if `grad`.

    `theirs` replaces the oracle where Keras has no answer or a wrong one. `absolute`: integers may differ by one
    where a sum that is a tie in exact arithmetic is rounded.
    """

    space: str
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    grad: bool = True
    tolerance: float = 1e-5
    theirs: Callable[..., Any] | None = None
    absolute: float | None = None

    def __str__(self):
        shown = ",".join(f"{k}={v}" for k, v in self.kwargs.items() if not isinstance(v, np.ndarray))
        shapes = "x".join(str(np.shape(a)).replace(" ", "") for a in self.args if isinstance(a, np.ndarray))
        return f"{self.name}-{shapes}-{shown}"

    @property
    def ours(self):
        return getattr(OURS[self.space], self.name)

    def call_theirs(self, arrays):
        """The oracle's answer with other arrays in place of those of `args`."""
        rest = iter(arrays)
        args = [next(rest) if isinstance(a, np.ndarray) else a for a in self.args]
        return (self.theirs or getattr(THEIRS[self.space], self.name))(*args, **self.kwargs)

    @property
    def arrays(self):
        return [a for a in self.args if isinstance(a, np.ndarray)]


def rand(*shape, seed=0, low=-2.0, high=2.0, dtype="float32"):
    """Uniform numbers that depend on shape and seed only."""
    generator = np.random.default_rng([seed, *shape])
    return generator.uniform(low, high, shape).astype(dtype)


def ints(*shape, high, seed=0):
    return np.random.default_rng([seed, *shape]).integers(0, high, shape).astype("int32")


def simplex(*shape, seed=0):
    x = rand(*shape, seed=seed, low=0.05, high=1.0)
    return x / x.sum(-1, keepdims=True)


def flat(results):
    """Outputs as a list of host arrays."""
    if isinstance(results, (tuple, list)):
        return [array for item in results for array in flat(item)]
    return [to_numpy(results)]


def sparsemax(x, axis=-1):
    """The projection onto the simplex by bisection of its threshold. Keras 3.15's own result does not sum to 1."""
    x = np.moveaxis(x.astype("float64"), axis, -1)
    low, high = x.max(-1, keepdims=True) - 1, x.max(-1, keepdims=True)
    for _ in range(60):
        middle = (low + high) / 2
        much = np.maximum(x - middle, 0).sum(-1, keepdims=True) > 1
        low, high = np.where(much, middle, low), np.where(much, high, middle)
    return np.moveaxis(np.maximum(x - low, 0), -1, axis).astype("float32")


def blur(x, kernel_size=(3, 3), sigma=(1.0, 1.0)):
    """A blur pixel by pixel. Keras 3.15 blurs along one axis only on JAX and torch."""
    bells = [
        np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / s) ** 2)
        for n, s in zip(kernel_size, sigma, strict=True)
    ]
    kernel = np.outer(*(b / b.sum() for b in bells))
    low = [(n - 1) // 2 for n in kernel_size]
    padded = np.pad(x, ((0, 0), *((p, n - 1 - p) for p, n in zip(low, kernel_size, strict=True)), (0, 0)))
    result = np.zeros_like(x)
    for i, j in np.ndindex(kernel.shape):
        result += kernel[i, j] * padded[:, i : i + x.shape[1], j : j + x.shape[2]]
    return result


def adaptive_mean(x, output_size):
    """Bin by bin. Keras 3.15 on JAX gives NaN for bins of one element."""
    result = np.zeros((x.shape[0], *output_size, x.shape[3]), "float32")
    for index in np.ndindex(*output_size):
        cut = [
            slice(i * s // n, -(-(i + 1) * s // n))
            for i, s, n in zip(index, x.shape[1:3], output_size, strict=True)
        ]
        result[:, index[0], index[1]] = x[:, cut[0], cut[1]].mean((1, 2))
    return result


def sparse_axis_1(target, output, from_logits, axis):
    """Keras wants the classes last for integer labels."""
    return keras.ops.sparse_categorical_crossentropy(target, np.moveaxis(output, axis, -1), from_logits)


X = rand(3, 5)
WIDE = np.array([[-60.0, -3.5, -1.0, -0.5, 0.25, 0.75], [1.25, 2.5, 3.5, 6.5, 20.0, 60.0]], "float32")

_UNARY = [
    "relu",
    "relu6",
    "sigmoid",
    "sparse_sigmoid",
    "softplus",
    "softsign",
    "soft_shrink",
    "sparse_plus",
    "silu",
    "swish",
    "squareplus",
    "log_sigmoid",
    "leaky_relu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "hard_shrink",
    "tanh_shrink",
    "elu",
    "selu",
    "gelu",
    "celu",
]

ACTIVATIONS = [
    *(Case("nn", name, (WIDE,), {}, name != "hard_shrink") for name in _UNARY),
    Case("nn", "gelu", (WIDE,), {"approximate": False}),
    Case("nn", "elu", (X,), {"alpha": 0.3}),
    Case("nn", "celu", (X,), {"alpha": 0.3}),
    Case("nn", "leaky_relu", (X,), {"negative_slope": 0.1}),
    Case("nn", "squareplus", (X,), {"b": 2}),
    Case("nn", "hard_shrink", (X,), {"threshold": 1.0}),
    Case("nn", "soft_shrink", (X,), {"threshold": 1.0}),
    Case("nn", "threshold", (X, 0.5, -7.0)),
    Case("nn", "glu", (rand(3, 4),)),
    Case("nn", "glu", (rand(4, 3),), {"axis": 0}),
    Case("nn", "softmax", (X,)),
    Case("nn", "softmax", (100 * X,), {"axis": 0}, False),
    Case("nn", "softmax", (rand(2, 3, 4),), {"axis": (0, 2)}),
    Case("nn", "softmax", (X,), {"axis": None}),
    Case("nn", "log_softmax", (X,)),
    Case("nn", "log_softmax", (rand(2, 3, 4),), {"axis": 1}),
    Case("nn", "sparsemax", (X,), theirs=sparsemax),
    Case("nn", "sparsemax", (rand(2, 5, 3),), {"axis": 1}, theirs=sparsemax),
]

LOSSES = [
    Case("nn", "binary_crossentropy", (simplex(3, 4), simplex(3, 4, seed=1))),
    Case("nn", "binary_crossentropy", (ints(3, 4, high=2), rand(3, 4)), {"from_logits": True}),
    Case("nn", "binary_crossentropy", (np.float32([0, 1, 0, 1]), np.float32([0, 0, 1, 1])), {}, False),
    Case("nn", "categorical_crossentropy", (simplex(3, 4), simplex(3, 4, seed=1))),
    Case("nn", "categorical_crossentropy", (simplex(3, 4), 3 * simplex(3, 4, seed=1)), {}),
    Case("nn", "categorical_crossentropy", (simplex(3, 4), 9 * X[:, :4]), {"from_logits": True}),
    Case(
        "nn",
        "categorical_crossentropy",
        (rand(3, 4, 2), rand(3, 4, 2, seed=1)),
        {"from_logits": True, "axis": 1},
    ),
    Case(
        "nn",
        "categorical_crossentropy",
        (np.float32([[0, 1], [1, 0]]), np.float32([[1, 0], [1, 0]])),
        {},
        False,
    ),
    Case("nn", "sparse_categorical_crossentropy", (ints(3, high=4), simplex(3, 4))),
    Case("nn", "sparse_categorical_crossentropy", (ints(3, 1, high=4), simplex(3, 4))),
    Case("nn", "sparse_categorical_crossentropy", (ints(3, 2, high=4), rand(3, 2, 4)), {"from_logits": True}),
    Case(
        "nn",
        "sparse_categorical_crossentropy",
        (ints(3, 2, high=4), rand(3, 4, 2)),
        {"from_logits": True, "axis": 1},
        theirs=sparse_axis_1,
    ),
    Case(
        "nn",
        "ctc_loss",
        (ints(2, 3, high=3) + 1, rand(2, 7, 5), np.int32([3, 2]), np.int32([7, 6])),
        tolerance=1e-4,
    ),
    Case("nn", "ctc_loss", (np.int32([[1, 1]]), rand(1, 4, 3), np.int32([2]), np.int32([4])), tolerance=1e-4),
]

NORMS = [
    Case("nn", "moments", (X, 0)),
    Case("nn", "moments", (rand(2, 3, 4), (0, 2)), {"keepdims": True}),
    Case("nn", "normalize", (X,)),
    Case("nn", "normalize", (X,), {"axis": 0, "order": 1}),
    Case("nn", "normalize", (X,), {"order": 3}),
    Case("nn", "normalize", (np.float32([[0, 0], [1e-9, 0], [3, 4]]),), {}, False),
    Case("nn", "batch_normalization", (X, rand(5), rand(5, low=0.5), -1)),
    Case(
        "nn",
        "batch_normalization",
        (rand(2, 3, 4), rand(3), rand(3, low=0.5), 1, rand(3, seed=1), rand(3, seed=2)),
    ),
    Case("nn", "layer_normalization", (X,)),
    Case("nn", "layer_normalization", (X, rand(5), rand(5, seed=1)), {"epsilon": 0.01}),
    Case("nn", "layer_normalization", (rand(2, 3, 4), rand(3, 4), rand(3, 4, seed=1)), {"axis": (1, 2)}),
    Case("nn", "rms_normalization", (X,)),
    Case("nn", "rms_normalization", (X, rand(5)), {"epsilon": 0.1}),
]

_CONV = [
    (1, {}),
    (1, {"strides": 2, "padding": "same"}),
    (1, {"dilation_rate": 2, "padding": "same"}),
    (2, {}),
    (2, {"strides": 2}),
    (2, {"strides": (2, 3), "padding": "same"}),
    (2, {"dilation_rate": (1, 2)}),
    (2, {"data_format": "channels_first", "padding": "same"}),
    (3, {"padding": "same", "strides": 2}),
]


def _image(rank, channels=2, data_format="channels_last", **_):
    spatial = (7, 6, 5)[:rank]
    return rand(2, channels, *spatial) if data_format == "channels_first" else rand(2, *spatial, channels)


def _transposes():
    for kernel, stride, padding in (
        (3, 2, "same"),
        (2, 3, "valid"),
        (4, 2, "same"),
        (1, 2, "valid"),
        (3, 1, "same"),
    ):
        for extra in (None, *range(stride)):
            kwargs = {"strides": stride, "padding": padding, "output_padding": extra}
            yield Case("nn", "conv_transpose", (rand(1, 4, 2), rand(kernel, 3, 2)), kwargs)
    yield Case(
        "nn", "conv_transpose", (rand(2, 3, 4, 2), rand(3, 2, 3, 2)), {"strides": (2, 3), "padding": "same"}
    )
    yield Case(
        "nn", "conv_transpose", (rand(2, 2, 3, 4), rand(3, 2, 3, 2)), {"data_format": "channels_first"}
    )
    yield Case("nn", "conv_transpose", (rand(1, 4, 2), rand(3, 3, 2)), {"dilation_rate": 2})
    yield Case(
        "nn",
        "conv_transpose",
        (rand(1, 4, 2), rand(3, 3, 2)),
        {"dilation_rate": 2, "strides": 3, "padding": "same"},
    )


WINDOWS = [
    *(Case("nn", "conv", (_image(r, **k), rand(*(3, 2, 3)[:r], 2, 3)), k, tolerance=1e-4) for r, k in _CONV),
    Case("nn", "conv", (_image(2, 4), rand(3, 2, 2, 6)), {"padding": "same"}, tolerance=1e-4),
    *(
        Case("nn", "depthwise_conv", (_image(r, **k), rand(*(3, 2)[:r], 2, 3)), k)
        for r, k in _CONV
        if r < 3 and k.get("strides") != (2, 3)
    ),
    Case(
        "nn",
        "separable_conv",
        (_image(2), rand(3, 2, 2, 3), rand(1, 1, 6, 4)),
        {"padding": "same"},
        tolerance=1e-4,
    ),
    *_transposes(),
    Case("nn", "max_pool", (_image(1), (2,)), {"strides": 3}),
    Case("nn", "max_pool", (_image(2), 2), {"strides": 1, "padding": "same"}),
    Case(
        "nn",
        "max_pool",
        (_image(2), (3, 2)),
        {"strides": 2, "padding": "same", "data_format": "channels_first"},
    ),
    Case("nn", "max_pool", (_image(3), 2), {"strides": 2}),
    Case("nn", "average_pool", (_image(1), (3,)), {"strides": 2, "padding": "same"}),
    Case("nn", "average_pool", (_image(2), (3, 2)), {"strides": (2, 1), "padding": "same"}),
    Case("nn", "average_pool", (_image(2), 2), {"strides": 2, "data_format": "channels_first"}),
    Case("nn", "adaptive_average_pool", (_image(1), 3)),
    Case("nn", "adaptive_average_pool", (_image(2), (7, 4)), theirs=adaptive_mean),
    Case("nn", "adaptive_average_pool", (_image(2), (4, 5)), {"data_format": "channels_first"}),
    Case("nn", "adaptive_max_pool", (_image(1), 3)),
    Case("nn", "adaptive_max_pool", (_image(2), (4, 3))),
    Case("nn", "adaptive_max_pool", (_image(3), 2)),
    Case("nn", "unfold", (rand(2, 3, 5, 6), 2)),
    Case("nn", "unfold", (rand(1, 2, 7, 6), (3, 2)), {"dilation": 2, "padding": 1, "stride": (2, 1)}),
    Case("nn", "fold", (rand(2, 8, 20), (5, 6), 2)),
    Case("nn", "fold", (rand(1, 12, 18), (7, 6), (3, 2)), {"dilation": 2, "padding": 1, "stride": (2, 1)}),
    Case("nn", "depth_to_space", (rand(2, 3, 2, 8), 2)),
    Case("nn", "depth_to_space", (rand(2, 8, 3, 2), 2), {"data_format": "channels_first"}),
    Case("nn", "space_to_depth", (rand(2, 4, 6, 3), 2)),
    Case("nn", "space_to_depth", (rand(2, 3, 4, 6), 2), {"data_format": "channels_first"}),
]

Q, K, V = rand(2, 3, 4, 5), rand(2, 6, 4, 5, seed=1), rand(2, 6, 4, 5, seed=2)
MASK = np.random.default_rng(0).random((2, 1, 3, 6)) < 0.6
MASK[..., 0] = True

REST = [
    Case("nn", "dot_product_attention", (Q, K, V)),
    Case("nn", "dot_product_attention", (Q, K[:, :, :2], V[:, :, :2])),
    Case("nn", "dot_product_attention", (Q, K, V), {"bias": rand(1, 4, 3, 6), "scale": 0.3}),
    Case("nn", "dot_product_attention", (Q, K, V), {"mask": MASK}),
    Case("nn", "dot_product_attention", (Q, K, V), {"mask": np.zeros_like(MASK)}),
    Case("nn", "dot_product_attention", (Q, Q, Q), {"is_causal": True}),
    Case("nn", "one_hot", (np.int32([[0, -1], [5, 2]]), 3), {}, False),
    Case("nn", "one_hot", (np.int32([[0, 1], [1, 2]]), 3), {"axis": 0, "dtype": "int32"}, False),
    Case("nn", "one_hot", (np.int32([[0, 1], [1, 2]]), 3), {"axis": 1}, False),
    Case("nn", "multi_hot", (np.int32([[0, 1], [2, 2]]), 3), {}, False),
    Case("nn", "multi_hot", (np.int32([0, 2]), 3), {}, False),
    Case("nn", "multi_hot", (ints(2, 3, 4, high=5), 5), {}, False),
    Case("nn", "psnr", (rand(3, 4), rand(3, 4, seed=1), 2.0)),
    Case("nn", "ctc_decode", (rand(2, 6, 4), np.int32([6, 4])), {}, False),
    Case(
        "nn",
        "ctc_decode",
        (rand(2, 6, 4), np.int32([6, 4])),
        {"merge_repeated": False, "mask_index": 1},
        False,
    ),
]

PHOTO, SMALL = rand(2, 6, 5, 3, low=0, high=1), rand(1, 4, 5, 2)
BYTES = ints(2, 5, 6, 3, high=256).astype("uint8")
AFFINE = np.float32([[1, 0.2, 0.5, -0.1, 1.1, 0.3, 0, 0], [0.9, 0, -1, 0.1, 1, 0, 0, 0]])
CORNERS = np.float32([[0, 0], [4, 0], [0, 5], [4, 5]])
MOVED = np.float32([[0.5, 0.25], [4, 0.5], [0, 5], [3.5, 5]])
PLACES = np.float32([[0.4, 1.5, -0.6, 3.2, 5.0, -4.3], [0.5, 2.5, 1.0, -1.2, -7.1, 11.2]])


def _swapped(start):
    return start[:, [1, 0, 3, 2]] if start.ndim == 3 else start


IMAGES = [
    *(
        Case("image", "resize", (SMALL, (7, 3), m), tolerance=1e-4)
        for m in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
    ),
    *(
        Case("image", "resize", (PHOTO, (3, 2), m), {"antialias": True}, tolerance=1e-4)
        for m in ("bilinear", "bicubic", "lanczos3", "lanczos5")
    ),
    *(
        Case("image", "resize", (BYTES, (3, 8), m), {}, False, absolute=1.0)
        for m in ("nearest", "bilinear", "bicubic")
    ),
    Case("image", "resize", (PHOTO[0], (4, 9)), {"crop_to_aspect_ratio": True}, tolerance=1e-4),
    Case(
        "image", "resize", (PHOTO, (4, 9)), {"pad_to_aspect_ratio": True, "fill_value": 0.5}, tolerance=1e-4
    ),
    Case("image", "resize", (rand(2, 3, 4, 5), (8, 6)), {"data_format": "channels_first"}, tolerance=1e-4),
    Case(
        "image",
        "scale_and_translate",
        (SMALL, (1, 5, 6, 2), np.float32([1.2, 1.4]), np.float32([0.5, -0.3]), (1, 2), "linear"),
        {},
        False,
        1e-4,
    ),
    Case(
        "image",
        "scale_and_translate",
        (SMALL, (1, 3, 2, 2), np.float32([0.6, 0.4]), np.float32([0.5, -0.3]), (1, 2), "cubic"),
        {},
        False,
        1e-4,
    ),
    Case("image", "rgb_to_grayscale", (PHOTO,)),
    Case("image", "rgb_to_grayscale", (BYTES,), {}, False),
    Case("image", "rgb_to_hsv", (PHOTO,), tolerance=1e-4),
    Case("image", "rgb_to_hsv", (np.float32([[[0, 0, 0], [1, 1, 1], [0.5, 0.2, 0.5]]]),), {}, False),
    Case("image", "hsv_to_rgb", (PHOTO,), tolerance=1e-4),
    Case("image", "extract_patches", (PHOTO, 2)),
    Case("image", "extract_patches", (PHOTO, (3, 2)), {"strides": 2, "padding": "same"}),
    Case(
        "image",
        "extract_patches",
        (rand(2, 3, 5, 6), 2),
        {"strides": 1, "dilation_rate": 2, "data_format": "channels_first"},
    ),
    Case("image", "extract_patches_3d", (rand(1, 4, 4, 5, 2), 2), {"padding": "same"}),
    *(
        Case(
            "image",
            "map_coordinates",
            (SMALL[0, ..., 0], PLACES, order),
            {"fill_mode": mode, "fill_value": 9.0},
            order == 1,
            1e-4,
        )
        for order in (0, 1)
        for mode in ("constant", "nearest", "wrap", "mirror", "reflect")
    ),
    Case("image", "map_coordinates", (ints(4, 5, high=9), PLACES, 1), {}, False),
    *(
        Case(
            "image",
            "affine_transform",
            (PHOTO, AFFINE, i),
            {"fill_mode": m, "fill_value": -1.0},
            i == "bilinear",
            1e-4,
        )
        for i in ("nearest", "bilinear")
        for m in ("constant", "nearest", "wrap", "mirror", "reflect")
    ),
    Case("image", "affine_transform", (PHOTO[0], AFFINE[0]), tolerance=1e-4),
    Case(
        "image",
        "perspective_transform",
        (PHOTO, CORNERS[None].repeat(2, 0), MOVED[None].repeat(2, 0)),
        {"fill_value": 0.5},
        False,
        1e-3,
    ),
    Case("image", "perspective_transform", (PHOTO[0], CORNERS, MOVED), {}, False, 1e-3),
    Case("image", "gaussian_blur", (PHOTO,), theirs=blur),
    Case("image", "gaussian_blur", (PHOTO, (3, 4), (1.0, 2.0)), theirs=blur),
    Case("image", "sobel_edges", (PHOTO,)),
    Case(
        "image",
        "ssim",
        (rand(2, 12, 13, 3, low=0, high=1), rand(2, 12, 13, 3, low=0, high=1, seed=1)),
        tolerance=1e-4,
    ),
    Case(
        "image",
        "crop_images",
        (PHOTO,),
        {"top_cropping": 1, "left_cropping": 2, "target_height": 3, "right_cropping": 1},
    ),
    Case(
        "image",
        "pad_images",
        (PHOTO,),
        {"top_padding": 1, "left_padding": 2, "target_height": 8, "right_padding": 1},
    ),
]

ALL = [*ACTIVATIONS, *LOSSES, *NORMS, *WINDOWS, *REST, *IMAGES]


def expected_of(cases):
    """The oracle's answers, as arrays."""
    traced = [case for case in cases if case.theirs is None]
    answers = iter(
        ask(
            lambda rows: [case.call_theirs(arrays) for case, arrays in zip(traced, rows, strict=True)],
            [case.arrays for case in traced],
        )
    )
    found = [next(answers) if case.theirs is None else case.call_theirs(case.arrays) for case in cases]
    return keras.tree.map_structure(np.asarray, found)


EXPECTED = Batches(ALL, expected_of)


def on(engine, value, dtype=None):
    """A host array as a tensor of the engine; anything else as it is."""
    return ops.convert_to_tensor(value, dtype=dtype) if isinstance(value, np.ndarray) else value
