"""Which engine for this model? Times and numbers of all engines side by side, with a report to look at.

The command does the same for a script of yours, each run in a process of its own:  kerasish compare train.py
"""

import tempfile
from pathlib import Path

import kerasish
from kerasish import layers
from kerasish.datasets import digits


def build() -> kerasish.Model:
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
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> kerasish.comparison.Comparison:
    train, test = digits.load_data()
    found = kerasish.compare(build, train, epochs=4, repeat=3, validation_data=test)
    print(found)
    path = found.to_html(Path(tempfile.gettempdir()) / "kerasish-engines.html")
    print(f"the report: {path}")
    return found


if __name__ == "__main__":
    main()
