"""What a beginner runs first, as one process: import, build, five epochs of 100 steps, evaluate.

`python benchmarks/mlp_script.py kerasish` (or `keras`); `laptop.py` measures its wall time and its largest memory.
"""

import importlib
import sys

import numpy as np

keras = importlib.import_module(sys.argv[1])

BATCH, STEPS, EPOCHS = 128, 100, 5

rng = np.random.default_rng(0)
x = rng.random((BATCH * STEPS, 784), dtype=np.float32)
y = x[:, :10].argmax(axis=-1).astype(np.int32)

model = keras.models.Sequential(
    [
        keras.layers.Input((784,)),
        keras.layers.Dense(256, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(256, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10),
    ]
)
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
loss, accuracy = model.evaluate(x, y, batch_size=BATCH, verbose=0)
print(f"loss {loss:.4f}, accuracy {accuracy:.4f}")
