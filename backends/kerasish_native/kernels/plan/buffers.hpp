// NumPy arrays as memory, without NumPy's headers: the buffer protocol.
#pragma once

#include <nanobind/nanobind.h>

namespace kerasish {

// The memory of a C-contiguous array; the array must outlive the use. Throws Python's BufferError for others.
inline char* memory_of(nanobind::handle array) {
  Py_buffer buffer;
  if (PyObject_GetBuffer(array.ptr(), &buffer, PyBUF_SIMPLE) != 0) throw nanobind::python_error();
  char* data = static_cast<char*>(buffer.buf);
  PyBuffer_Release(&buffer);
  return data;
}

}  // namespace kerasish
