"""Each of beginners' mistakes is met by one clear error, and the fix it suggests works.

Every row of the catalogue runs on every engine, and the message is the same on all of them.
"""

from __future__ import annotations

import numpy as np
import pytest

import kerasish
from kerasish import losses
from kerasish.core import errors
from tests.mistakes.catalogue import CATALOGUE, compiled


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name.replace(" ", "-"))
def test_mistake_is_explained_and_the_fix_works(row, engine):
    kerasish.utils.set_random_seed(0)
    with pytest.raises(row.error) as caught:
        row.wrong()
    message = str(caught.value)
    for word in row.words:
        assert word.lower() in message.lower(), message
    if isinstance(caught.value, errors.KerasishError):
        assert len(message) <= errors.MAX_MESSAGE
        assert caught.value.code
    row.right()


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name.replace(" ", "-"))
def test_message_is_the_same_on_every_engine(row):
    messages = {}
    for name in kerasish.available_backends():
        kerasish.utils.set_random_seed(0)
        with kerasish.use_backend(name), pytest.raises(row.error) as caught:
            row.wrong()
        messages[name] = (type(caught.value).__name__, str(caught.value))
    assert len(set(messages.values())) == 1, messages


def test_catalogue_is_large_enough():
    assert len(CATALOGUE) >= 40
    assert len({row.name for row in CATALOGUE}) == len(CATALOGUE)


@pytest.mark.parametrize("loss", [losses.MeanSquaredError(), "mse"])
def test_plain_lists_are_valid_data(loss, engine):
    model = compiled(loss=loss)
    history = model.fit([[0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]], [1.0, 2.0], verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert model.predict([[0.0, 1.0, 2.0, 3.0]], verbose=0).shape == (1, 1)
