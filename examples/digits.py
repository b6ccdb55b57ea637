"""A first model: handwritten digits, two hidden layers, early stopping, a saved file.

Run it on any engine:  KERASISH_BACKEND=torch python examples/digits.py
"""

import tempfile
from pathlib import Path

import kerasish
from kerasish import callbacks, layers
from kerasish.datasets import digits


def main() -> float:
    kerasish.utils.set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    model = kerasish.Sequential(
        [
            kerasish.Input((8, 8)),
            layers.Rescaling(1 / 16),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.summary()
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x_train,
        y_train,
        epochs=30,
        validation_split=0.1,
        callbacks=[callbacks.EarlyStopping(patience=4, restore_best_weights=True)],
    )
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test loss {loss:.3f}, accuracy {accuracy:.3f}")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.keras"
        model.save(path)
        again = kerasish.models.load_model(path)
        assert (again.predict(x_test, verbose=0) == model.predict(x_test, verbose=0)).all()
    return accuracy


if __name__ == "__main__":
    main()
