"""From a graph of primitives to one C++ program: views, fusion, memory, steps."""
