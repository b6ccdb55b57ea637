"""Grad-CAM (Selvaraju et al. 2017) on any engine: which part of a digit decides?"""

import numpy as np

import kerasish
from kerasish import layers, ops
from kerasish.datasets import digits


def build() -> tuple[kerasish.Model, kerasish.Model, kerasish.Model]:
    image = kerasish.Input((8, 8, 1))
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    features = layers.Conv2D(32, 3, padding="same", activation="relu", name="features")(x)
    extractor = kerasish.Model(image, features)
    maps = kerasish.Input((8, 8, 32))
    head = kerasish.Sequential([maps, layers.GlobalAveragePooling2D(), layers.Dense(10)])
    return kerasish.Model(image, head(features)), extractor, head


def heat_map(extractor: kerasish.Model, head: kerasish.Model, image: np.ndarray, digit: int) -> np.ndarray:
    """Weights of the feature maps: the mean gradient of the digit's score; then relu of their weighted sum."""
    features = extractor(image[None])
    gradients = ops.grad(lambda maps: head(maps)[0, digit])(features)
    weights = ops.mean(gradients, axis=(1, 2), keepdims=True)
    heat = ops.relu(ops.sum(features * weights, axis=-1))[0]
    return ops.convert_to_numpy(heat / (ops.max(heat) + 1e-8))


def main() -> np.ndarray:
    kerasish.utils.set_random_seed(7)
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = (x[..., None].astype("float32") / 16 for x in (x_train, x_test))
    model, extractor, head = build()
    model.compile(
        kerasish.optimizers.Adam(5e-3), loss=kerasish.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(x_train, y_train, batch_size=64, epochs=8, verbose=0)
    heat = heat_map(extractor, head, x_test[0], int(y_test[0]))
    print(f"digit {y_test[0]}: the image, and what decided")
    shades = " .:-=+*#%@"
    for row, hot in zip(x_test[0, ..., 0], heat, strict=True):
        left = "".join(shades[int(v * 9)] * 2 for v in row)
        print(left, "   ", "".join(shades[int(v * 9)] * 2 for v in hot))
    return heat


if __name__ == "__main__":
    main()
