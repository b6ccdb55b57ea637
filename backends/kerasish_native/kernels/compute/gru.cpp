// GRU sequences, forward and backward (Cho et al. 2014; the reset gate after the product; gates in the order z, r, g).
#include "recurrent_panels.hpp"
#include "row_vectors.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

// Weights and, where they are large, x kernel of all times.
template <class T>
struct GruShared {
  explicit GruShared(const GruCall& c) : call(c) {
    const std::int64_t channels = c.channels, units = c.units, one = 1;
    is_ahead = (channels + units) * 3 * units * static_cast<std::int64_t>(sizeof(T)) > most_resident;
    kernel.k = channels;
    kernel.columns = is_ahead ? 0 : 3 * units;
    recurrent.k = units;
    recurrent.columns = 3 * units;
    place<T>(*this, Scratch::recurrent);
    const T* weights = static_cast<const T*>(c.kernel);
    kernel.pack_part(0, channels, weights, 3 * units, 1);
    recurrent.pack_part(0, units, static_cast<const T*>(c.recurrent), 3 * units, 1);
    if (!is_ahead) return;
    ahead_row = c.gates == nullptr ? 3 * units : 4 * units;
    if (c.gates != nullptr) ahead = static_cast<T*>(c.gates);  // is overwritten by the gates row by row
    product(c.dtype, c.batch * c.time, 3 * units, channels, static_cast<const T*>(c.x), channels, one, weights,
            3 * units, one, ahead, ahead_row);
  }

  void lay_out(Workspace<T>& space) {
    space.part(kernel.data, kernel.size(kernel.k, kernel.columns));
    space.part(recurrent.data, recurrent.size(recurrent.k, recurrent.columns));
    if (is_ahead && call.gates == nullptr) space.part(ahead, call.batch * call.time * 3 * call.units);
  }

  const GruCall& call;
  bool is_ahead;
  Panels<T> kernel, recurrent;
  T* ahead = nullptr;
  std::int64_t ahead_row = 0;
};

template <class T>
class GruSlice {
 public:
  GruSlice(const GruShared<T>& shared, std::int64_t begin, std::int64_t end)
      : shared_(shared), call_(shared.call), begin_(begin), rows_(end - begin), units_(call_.units) {
    width_ = row_of(Panels<T>::padded(3 * units_));
    h_width_ = row_of(units_);
    place<T>(*this, Scratch::other);
  }

  void lay_out(Workspace<T>& space) {
    space.part(inputs_, rows_ * row_of(call_.channels));
    space.part(x_, rows_ * width_);
    space.part(n_, rows_ * width_);
    space.part(h_, rows_ * h_width_);
  }

  void run() {
    for (std::int64_t r = 0; r < rows_; ++r) set_row(h_ + r * h_width_, call_.h0, begin_ + r, units_);
    for (std::int64_t step = 0; step < call_.time; ++step) {
      const std::int64_t t = call_.reverse ? call_.time - 1 - step : step;
      if (!shared_.is_ahead) {
        const std::int64_t row = row_of(call_.channels);
        for (std::int64_t r = 0; r < rows_; ++r) set_row(inputs_ + r * row, call_.x, at(r, t), call_.channels);
        shared_.kernel.multiply(inputs_, row, rows_, x_, width_);
      }
      shared_.recurrent.multiply(h_, h_width_, rows_, n_, width_);
      for (std::int64_t r = 0; r < rows_; ++r) advance(r, t, step);
    }
    for (std::int64_t r = 0; r < rows_; ++r) {
      copy_row(static_cast<T*>(call_.h) + (begin_ + r) * units_, h_ + r * h_width_, units_);
    }
  }

 private:
  std::int64_t at(std::int64_t r, std::int64_t t) const { return (begin_ + r) * call_.time + t; }

  void advance(std::int64_t r, std::int64_t t, std::int64_t step) {
    const std::int64_t i = at(r, t);
    T* const h = h_ + r * h_width_;
    T* const output = row_or_null<T>(call_.outputs, at(r, step), units_);
    T* const before = row_or_null<T>(call_.before, i, units_);
    if (before != nullptr) copy_row(before, h, units_);
    if (call_.mask != nullptr && !call_.mask[i]) return repeat_output(output, step, units_);
    const T* x = shared_.is_ahead ? shared_.ahead + i * shared_.ahead_row : x_ + r * width_;
    update(x, n_ + r * width_, h, row_or_null<T>(call_.gates, i, 4 * units_));
    if (output != nullptr) copy_row(output, h, units_);
  }

  void update(const T* x, const T* n, T* h, T* gates) const {
    using V = typename Simd<T>::vector;
    const T* bias = static_cast<const T*>(call_.bias);
    const std::int64_t units = units_;
    each_vector<T>(units, [&](std::int64_t j, int count) {
      V given[3], inner[3];
#pragma GCC unroll 3
      for (int q = 0; q < 3; ++q) {
        given[q] = get(x + q * units + j, count);
        inner[q] = get(n + q * units + j, count);
        if (bias == nullptr) continue;
        given[q] += get(bias + q * units + j, count);
        inner[q] += get(bias + (3 + q) * units + j, count);
      }
      const V keep = gate(given[0] + inner[0]), reset = gate(given[1] + inner[1]);
      const V candidate = squash(given[2] + reset * inner[2]);
      put(h + j, candidate + keep * (get(h + j, count) - candidate), count);
      if (gates == nullptr) return;
      put(gates + j, keep, count);
      put(gates + units + j, reset, count);
      put(gates + 2 * units + j, candidate, count);
      put(gates + 3 * units + j, inner[2], count);
    });
  }

  const GruShared<T>& shared_;
  const GruCall& call_;
  std::int64_t begin_, rows_, units_, width_, h_width_;
  T *inputs_ = nullptr, *h_ = nullptr, *x_ = nullptr, *n_ = nullptr;  // x of the step and h, and their products
};

template <class T>
void gru_of(const GruCall& call) {
  const GruShared<T> shared(call);
  each_slice(call.batch, [&](std::int64_t, std::int64_t begin, std::int64_t end) { GruSlice<T>(shared, begin, end).run(); });
}

// -- backward ----------------------------------------------------------------------------------------------------------
// Gradients before the activations stand in the order n, z, r, g: the recurrent product has the first three, the product
// of x the last three.
template <class T>
struct GruGradShared {
  explicit GruGradShared(const GruGradCall& c) : call(c) {
    const std::int64_t channels = c.channels, units = c.units;
    is_ahead = (channels + units) * 3 * units * static_cast<std::int64_t>(sizeof(T)) > most_resident;
    kernel.k = recurrent.k = 3 * units;
    kernel.columns = c.x_grad == nullptr || is_ahead ? 0 : channels;
    recurrent.columns = units;
    slices = (c.batch + slice_rows(c.batch) - 1) / slice_rows(c.batch);
    place<T>(*this, Scratch::recurrent);
    const T* weights = static_cast<const T*>(c.recurrent);
    kernel.pack_part(0, 3 * units, static_cast<const T*>(c.kernel), 1, 3 * units);
    recurrent.pack_part(0, units, weights + 2 * units, 1, 3 * units);
    recurrent.pack_part(units, 2 * units, weights, 1, 3 * units);
  }

  void lay_out(Workspace<T>& space) {
    space.part(kernel.data, kernel.size(kernel.k, kernel.columns));
    space.part(recurrent.data, recurrent.size(recurrent.k, recurrent.columns));
    space.part(grad, call.batch * call.time * 4 * call.units);
    space.part(bias_grad, slices * 4 * call.units);
  }

  // What is left when all slices are done: sums over batch and time.
  void finish() const {
    const std::int64_t many = call.batch * call.time, units = call.units, one = 1;
    const T* before = static_cast<const T*>(call.before);
    T* recurrent_grad = static_cast<T*>(call.recurrent_grad);
    product(call.dtype, call.channels, 3 * units, many, static_cast<const T*>(call.x), one, call.channels, grad + units,
            4 * units, one, static_cast<T*>(call.kernel_grad), 3 * units);
    product(call.dtype, units, 2 * units, many, before, one, units, grad + units, 4 * units, one, recurrent_grad,
            3 * units);
    product(call.dtype, units, units, many, before, one, units, grad, 4 * units, one, recurrent_grad + 2 * units,
            3 * units);
    if (is_ahead && call.x_grad != nullptr) {
      product(call.dtype, many, call.channels, 3 * units, grad + units, 4 * units, one,
              static_cast<const T*>(call.kernel), one, 3 * units, static_cast<T*>(call.x_grad), call.channels);
    }
    if (call.bias_grad == nullptr) return;
    T* total = static_cast<T*>(call.bias_grad);
    clear_row(total, 6 * units);
    for (std::int64_t i = 0; i < slices; ++i) {
      const T* sums = bias_grad + i * 4 * units;
      add_row(total, sums + units, 3 * units);
      add_row(total + 3 * units, sums + units, 2 * units);
      add_row(total + 5 * units, sums, units);
    }
  }

  const GruGradCall& call;
  bool is_ahead;
  std::int64_t slices;
  Panels<T> kernel, recurrent;
  T *grad = nullptr, *bias_grad = nullptr;
};

template <class T>
class GruGradSlice {
 public:
  GruGradSlice(const GruGradShared<T>& shared, std::int64_t slice, std::int64_t begin, std::int64_t end)
      : shared_(shared), call_(shared.call), begin_(begin), rows_(end - begin), units_(call_.units) {
    width_ = row_of(4 * units_);
    x_width_ = row_of(Panels<T>::padded(shared.kernel.columns));
    h_width_ = row_of(Panels<T>::padded(units_));
    bias_ = shared.bias_grad + slice * 4 * units_;
    place<T>(*this, Scratch::other);
  }

  void lay_out(Workspace<T>& space) {
    space.part(grad_, rows_ * width_);
    space.part(x_, rows_ * x_width_);
    space.part(h_, rows_ * h_width_);
    space.part(passed_, rows_ * units_);
    space.part(late_, rows_ * units_);
  }

  void run() {
    clear_row(bias_, 4 * units_);
    for (std::int64_t r = 0; r < rows_; ++r) {
      set_row(h_ + r * h_width_, call_.h_grad, begin_ + r, units_);
      clear_row(late_ + r * units_, units_);
    }
    for (std::int64_t step = call_.time - 1; step >= 0; --step) {
      const std::int64_t t = call_.reverse ? call_.time - 1 - step : step;
      for (std::int64_t r = 0; r < rows_; ++r) retreat(r, t, step);
      shared_.recurrent.multiply(grad_, width_, rows_, h_, h_width_);
      for (std::int64_t r = 0; r < rows_; ++r) add_row(h_ + r * h_width_, passed_ + r * units_, units_);
      if (shared_.kernel.columns == 0) continue;
      shared_.kernel.multiply(grad_ + units_, width_, rows_, x_, x_width_);
      for (std::int64_t r = 0; r < rows_; ++r) {
        copy_row(static_cast<T*>(call_.x_grad) + at(r, t) * call_.channels, x_ + r * x_width_, call_.channels);
      }
    }
    for (std::int64_t r = 0; r < rows_; ++r) {
      copy_row(static_cast<T*>(call_.h0_grad) + (begin_ + r) * units_, h_ + r * h_width_, units_);
    }
  }

 private:
  std::int64_t at(std::int64_t r, std::int64_t t) const { return (begin_ + r) * call_.time + t; }

  // From the gradient of h after a step to those of its products, and to the part of h before it that z lets through.
  void retreat(std::int64_t r, std::int64_t t, std::int64_t step) {
    const std::int64_t i = at(r, t);
    const T* given = call_.outputs_grad == nullptr ? nullptr : static_cast<const T*>(call_.outputs_grad) + at(r, step) * units_;
    T* const grad = grad_ + r * width_;
    T* const h = h_ + r * h_width_;
    T* const all = shared_.grad + i * 4 * units_;
    if (call_.mask != nullptr && !call_.mask[i]) return pass(r, given, grad, all);
    add_row(h, late_ + r * units_, units_);
    clear_row(late_ + r * units_, units_);
    if (given != nullptr) add_row(h, given, units_);
    differentiate(static_cast<const T*>(call_.gates) + i * 4 * units_, static_cast<const T*>(call_.before) + i * units_, h,
                  passed_ + r * units_, grad);
    copy_row(all, grad, 4 * units_);
  }

  // A step that does not count: the state was passed on, and so is its gradient. The gradient of its output belongs to
  // the output before.
  void pass(std::int64_t r, const T* given, T* grad, T* all) {
    if (given != nullptr) add_row(late_ + r * units_, given, units_);
    copy_row(passed_ + r * units_, h_ + r * h_width_, units_);
    clear_row(grad, 4 * units_);
    clear_row(all, 4 * units_);
  }

  void differentiate(const T* gates, const T* before, const T* h_grad, T* passed, T* grad) {
    using V = typename Simd<T>::vector;
    const std::int64_t units = units_;
    T* const bias = bias_;
    each_vector<T>(units, [&](std::int64_t j, int count) {
      const V keep = get(gates + j, count), reset = get(gates + units + j, count);
      const V candidate = get(gates + 2 * units + j, count), inner = get(gates + 3 * units + j, count);
      const V h = get(h_grad + j, count);
      const V given = h * (T{1} - keep) * (T{1} - candidate * candidate);
      const V part[4] = {given * reset, h * (get(before + j, count) - candidate) * keep * (T{1} - keep),
                         given * inner * reset * (T{1} - reset), given};
      put(passed + j, h * keep, count);
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) {
        put(grad + q * units + j, part[q], count);
        put(bias + q * units + j, get(bias + q * units + j, count) + part[q], count);
      }
    });
  }

  const GruGradShared<T>& shared_;
  const GruGradCall& call_;
  std::int64_t begin_, rows_, units_, width_, x_width_, h_width_;
  T* bias_;
  T *grad_ = nullptr, *x_ = nullptr, *h_ = nullptr;  // gradients of the step's n, z, r, g, of its x, and of h
  T *passed_ = nullptr, *late_ = nullptr;            // what steps hand on past the products, and of masked outputs
};

template <class T>
void gru_grad_of(const GruGradCall& call) {
  const GruGradShared<T> shared(call);
  each_slice(call.batch, [&](std::int64_t slice, std::int64_t begin, std::int64_t end) {
    GruGradSlice<T>(shared, slice, begin, end).run();
  });
  shared.finish();
}

void gru(const GruCall& call) {
  if (call.dtype == Dtype::float64) return gru_of<double>(call);
  gru_of<float>(call);
}
void gru_grad(const GruGradCall& call) {
  if (call.dtype == Dtype::float64) return gru_grad_of<double>(call);
  gru_grad_of<float>(call);
}

}  // namespace

void fill_gru(RecurrentKernels& table);
void fill_gru(RecurrentKernels& table) {
  table.gru = gru;
  table.gru_grad = gru_grad;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
