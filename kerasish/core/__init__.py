"""What everything stands on: errors, dtypes, shapes, trees, the engine contract, variables and the call context.

`core` imports nothing from the rest of kerasish. Engine packages import `kerasish.core` and nothing else.
"""
