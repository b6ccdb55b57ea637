"""An LSTM that reads sentences of different lengths: does the sentence say that something is good or bad?

The text is generated: adjectives decide, and "not" turns them round. Padding is masked.
"""

import random

import numpy as np

import kerasish
from kerasish import layers

GOOD, BAD = ["good", "fine", "great", "lovely"], ["bad", "poor", "awful", "dull"]
THINGS = ["film", "book", "meal", "song", "trip"]
WORDS = ["<pad>", *GOOD, *BAD, *THINGS, "the", "was", "not", "really", "and"]
NUMBER = {word: i for i, word in enumerate(WORDS)}


def sentence(rng: random.Random) -> tuple[list[str], int]:
    good, negated = rng.random() < 0.5, rng.random() < 0.5
    words = [
        "the",
        rng.choice(THINGS),
        "was",
        *(["really"] * rng.randrange(3)),
        *(["not"] if negated else []),
    ]
    return [*words, rng.choice(GOOD if good else BAD)], int(good != negated)


def data(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = random.Random(seed)
    pairs = [sentence(rng) for _ in range(count)]
    rows = [[NUMBER[word] for word in words] for words, _ in pairs]
    return kerasish.utils.pad_sequences(rows, padding="post"), np.array([label for _, label in pairs])


def main() -> float:
    kerasish.utils.set_random_seed(3)
    x_train, y_train = data(1000, seed=0)
    x_test, y_test = data(200, seed=1)
    model = kerasish.Sequential(
        [
            layers.Embedding(len(WORDS), 8, mask_zero=True),
            layers.LSTM(16),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(kerasish.optimizers.Adam(1e-2), loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=8, validation_data=(x_test, y_test))
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test accuracy {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
