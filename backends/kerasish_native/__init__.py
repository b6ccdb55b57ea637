"""The native engine of kerasish. Importing this package loads no framework: `INFO` says how to build the engine."""

from kerasish.core.contract import EngineInfo

INFO = EngineInfo(
    name="native",
    load="kerasish_native.engine:build",
    requires=(),
    install="",
)
