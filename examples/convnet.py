"""A convolutional network with the functional API, augmentation by noise, and a learning-rate schedule."""

import kerasish
from kerasish import layers, optimizers
from kerasish.datasets import digits


def build() -> kerasish.Model:
    image = kerasish.Input((8, 8, 1), name="image")
    x = layers.GaussianNoise(0.05)(image)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    skip = layers.Conv2D(32, 1, strides=2)(x)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Add()([x, skip])
    x = layers.GlobalAveragePooling2D()(x)
    scores = layers.Dense(10, name="digit")(x)
    return kerasish.Model(image, scores)


def main() -> float:
    kerasish.utils.set_random_seed(2)
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = (x[..., None].astype("float32") / 16 for x in (x_train, x_test))
    model = build()
    schedule = optimizers.schedules.CosineDecay(5e-3, decay_steps=8 * 23)
    model.compile(
        optimizers.AdamW(schedule, weight_decay=1e-4),
        loss=kerasish.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(x_train, y_train, batch_size=64, epochs=8, validation_data=(x_test, y_test))
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test accuracy {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
