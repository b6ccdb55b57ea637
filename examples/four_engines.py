"""The same model on every engine that is installed: same weights, same shuffles, same dropout masks, same curve."""

import time

import kerasish
from kerasish import layers
from kerasish.datasets import digits


def train(backend: str) -> tuple[list[float], float]:
    with kerasish.use_backend(backend):
        kerasish.utils.set_random_seed(5)
        (x, y), _ = digits.load_data()
        x = x.astype("float32") / 16
        model = kerasish.Sequential(
            [
                kerasish.Input((8, 8)),
                layers.Flatten(),
                layers.Dense(128, activation="relu"),
                layers.Dropout(0.3),
                layers.Dense(10),
            ]
        )
        model.compile("adam", loss=kerasish.losses.SparseCategoricalCrossentropy(from_logits=True))
        start = time.perf_counter()
        history = model.fit(x, y, batch_size=64, epochs=5, verbose=0)
        return history.history["loss"], time.perf_counter() - start


def main() -> dict[str, list[float]]:
    curves = {}
    for backend in kerasish.available_backends():
        losses, seconds = train(backend)
        curves[backend] = losses
        print(f"{backend:>12}: " + "  ".join(f"{loss:.6f}" for loss in losses) + f"   ({seconds:.1f} s)")
    return curves


if __name__ == "__main__":
    main()
