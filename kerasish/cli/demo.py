"""`kerasish demo`: train a small classifier of handwritten digits, and show what came of it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from kerasish import layers, models
from kerasish.core import registry
from kerasish.core.errors import ArgumentError
from kerasish.core.seeds import set_random_seed
from kerasish.datasets import digits
from kerasish.losses import SparseCategoricalCrossentropy


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="train a digit classifier and save it",
        description="Train a classifier on 1,797 handwritten digits (UCI), shipped with kerasish.",
        epilog="Example: kerasish demo --backend torch --out runs",
    )
    parser.add_argument("--backend", help="engine to run on (default: KERASISH_BACKEND, else native)")
    parser.add_argument("--epochs", type=int, default=20, metavar="N", help="default: 20")
    parser.add_argument(
        "--out", type=Path, default=Path("."), help="folder for the model file and the picture"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, evaluate, show, save."""
    if options.epochs < 1:
        raise ArgumentError("--epochs must be at least 1.", received=options.epochs)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.backend:
        registry.set_backend(options.backend)
    console = Console()
    set_random_seed(7)
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = (x[..., None].astype("float32") / 16.0 for x in (x_train, x_test))
    model = build()
    console.print(
        f"engine: [bold]{registry.backend()}[/]  ·  {len(x_train)} images to learn from, {len(x_test)} to test"
    )
    model.summary()
    start = time.perf_counter()
    history = model.fit(x_train, y_train, batch_size=32, epochs=options.epochs, validation_split=0.1)
    seconds = time.perf_counter() - start
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    predicted = np.argmax(model.predict(x_test, verbose=0), axis=-1)
    console.print(confusion(y_test, predicted))
    console.print(f"trained in {seconds:.1f} s  ·  test accuracy [bold]{accuracy:.4f}[/]")
    target = options.out / "digits.keras"
    model.save(target)
    console.print(f"model saved as {target}")
    picture = options.out / "digits-training.png"
    if save_picture(history, picture):
        console.print(f"training curves saved as {picture}")
    else:
        console.print("no picture of the training curves: matplotlib is not installed.")
        console.print('Try: pip install "kerasish[viz]"', markup=False)
    return 0


def build() -> Any:
    """The demo's model: two convolutions, one hidden layer."""
    model = models.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", padding="same"),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10),
        ],
        name="digits",
    )
    model.compile("adam", loss=SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def confusion(truth: np.ndarray, predicted: np.ndarray) -> Table:
    """A table of how often each digit (row) was taken for each digit (column)."""
    table = Table(title="confusion matrix (rows: true digit, columns: predicted)")
    table.add_column("")
    for digit in range(10):
        table.add_column(str(digit), justify="right")
    for row in range(10):
        counts = [int(np.sum((truth == row) & (predicted == column))) for column in range(10)]
        cells = [
            f"[green]{n}[/]" if row == column else (f"[red]{n}[/]" if n else "·")
            for column, n in enumerate(counts)
        ]
        table.add_row(f"[bold]{row}[/]", *cells)
    return table


def save_picture(history: Any, path: Path) -> bool:
    """Save the training curves; False if no plotting library is installed."""
    try:
        figure = history.plot()
    except ImportError:
        return False
    figure.savefig(path, dpi=120)
    return True
