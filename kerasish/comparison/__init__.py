"""Side by side: one training script or model on every engine, timed in processes of their own and compared honestly.

    kerasish compare train.py             the command (`kerasish.comparison.running`)
    kerasish.compare(build_fn, data)      the same within a notebook (`kerasish.comparison.within`)

`child` runs a script under observation, `observer` listens to its training, `records` is what is written down,
`significance` says what is more than noise, `verdicts` puts it into sentences, `table` and `page` show it.
"""

from kerasish.comparison.result import Comparison
from kerasish.comparison.within import compare

__all__ = ["Comparison", "compare"]
