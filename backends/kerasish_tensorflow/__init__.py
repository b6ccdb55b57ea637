"""The tensorflow engine of kerasish. Importing this package loads no framework: `INFO` says how to build the engine."""

from kerasish.core.contract import EngineInfo

INFO = EngineInfo(
    name="tensorflow",
    load="kerasish_tensorflow.engine:build",
    requires=("tensorflow",),
    install='pip install "kerasish[tensorflow]"',
)
