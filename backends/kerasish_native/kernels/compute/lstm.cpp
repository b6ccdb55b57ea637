// LSTM sequences, forward and backward (Hochreiter and Schmidhuber 1997; gates in the order i, f, g, o).
#include "recurrent_panels.hpp"
#include "row_vectors.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

// Weights and, where they are large, x kernel of all times.
template <class T>
struct LstmShared {
  explicit LstmShared(const LstmCall& c) : call(c) {
    const std::int64_t channels = c.channels, units = c.units;
    is_ahead = (channels + units) * 4 * units * static_cast<std::int64_t>(sizeof(T)) > most_resident;
    joined = is_ahead ? 0 : channels;
    weights.k = joined + units;
    weights.columns = 4 * units;
    place<T>(*this, Scratch::recurrent);
    const T* kernel = static_cast<const T*>(c.kernel);
    if (!is_ahead) weights.pack_part(0, channels, kernel, 4 * units, 1);
    weights.pack_part(joined, units, static_cast<const T*>(c.recurrent), 4 * units, 1);
    if (!is_ahead) return;
    if (c.gates != nullptr) ahead = static_cast<T*>(c.gates);  // is overwritten by the gates row by row
    product(c.dtype, c.batch * c.time, 4 * units, channels, static_cast<const T*>(c.x), channels, std::int64_t{1},
            kernel, 4 * units, std::int64_t{1}, ahead, 4 * units);
  }

  void lay_out(Workspace<T>& space) {
    space.part(weights.data, weights.size(weights.k, weights.columns));
    if (is_ahead && call.gates == nullptr) space.part(ahead, call.batch * call.time * 4 * call.units);
  }

  const LstmCall& call;
  bool is_ahead;
  std::int64_t joined;  // columns of x that are multiplied together with h
  Panels<T> weights;
  T* ahead = nullptr;
};

// Some rows of the batch on their way through time.
template <class T>
class LstmSlice {
 public:
  LstmSlice(const LstmShared<T>& shared, std::int64_t begin, std::int64_t end)
      : shared_(shared), call_(shared.call), begin_(begin), rows_(end - begin), units_(call_.units) {
    width_ = row_of(shared.joined + units_);
    z_width_ = row_of(Panels<T>::padded(4 * units_));
    place<T>(*this, Scratch::other);
  }

  void lay_out(Workspace<T>& space) {
    space.part(inputs_, rows_ * width_);
    space.part(z_, rows_ * z_width_);
    space.part(c_, rows_ * units_);
  }

  void run() {
    for (std::int64_t r = 0; r < rows_; ++r) {
      copy_row(h(r), static_cast<const T*>(call_.h0) + (begin_ + r) * units_, units_);
      copy_row(c_ + r * units_, static_cast<const T*>(call_.c0) + (begin_ + r) * units_, units_);
    }
    for (std::int64_t step = 0; step < call_.time; ++step) {
      const std::int64_t t = call_.reverse ? call_.time - 1 - step : step;
      for (std::int64_t r = 0; r < rows_; ++r) {
        copy_row(inputs_ + r * width_, static_cast<const T*>(call_.x) + at(r, t) * call_.channels, shared_.joined);
      }
      shared_.weights.multiply(inputs_, width_, rows_, z_, z_width_);
      for (std::int64_t r = 0; r < rows_; ++r) advance(r, t, step);
    }
    for (std::int64_t r = 0; r < rows_; ++r) {
      copy_row(static_cast<T*>(call_.h) + (begin_ + r) * units_, h(r), units_);
      copy_row(static_cast<T*>(call_.c) + (begin_ + r) * units_, c_ + r * units_, units_);
    }
  }

 private:
  T* h(std::int64_t r) const { return inputs_ + r * width_ + shared_.joined; }
  std::int64_t at(std::int64_t r, std::int64_t t) const { return (begin_ + r) * call_.time + t; }

  void advance(std::int64_t r, std::int64_t t, std::int64_t step) {
    const std::int64_t i = at(r, t);
    T* const output = row_or_null<T>(call_.outputs, at(r, step), units_);
    T* const cells = row_or_null<T>(call_.cells, i, units_);
    T* const before = row_or_null<T>(call_.before, i, units_);
    if (before != nullptr) copy_row(before, h(r), units_);
    if (call_.mask != nullptr && !call_.mask[i]) {
      if (cells != nullptr) copy_row(cells, c_ + r * units_, units_);
      return repeat_output(output, step, units_);
    }
    if (shared_.is_ahead) add_row(z_ + r * z_width_, shared_.ahead + i * 4 * units_, 4 * units_);
    update(z_ + r * z_width_, h(r), c_ + r * units_, row_or_null<T>(call_.gates, i, 4 * units_));
    if (cells != nullptr) copy_row(cells, c_ + r * units_, units_);
    if (output != nullptr) copy_row(output, h(r), units_);
  }

  void update(const T* z, T* h, T* c, T* gates) const {
    using V = typename Simd<T>::vector;
    const T* bias = static_cast<const T*>(call_.bias);
    const std::int64_t units = units_;
    each_vector<T>(units, [&](std::int64_t j, int count) {
      V sum[4];
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) {
        sum[q] = get(z + q * units + j, count);
        if (bias != nullptr) sum[q] += get(bias + q * units + j, count);
      }
      const V enter = gate(sum[0]), forget = gate(sum[1]), candidate = squash(sum[2]), leave = gate(sum[3]);
      const V state = forget * get(c + j, count) + enter * candidate;
      put(c + j, state, count);
      put(h + j, leave * squash(state), count);
      if (gates == nullptr) return;
      put(gates + j, enter, count);
      put(gates + units + j, forget, count);
      put(gates + 2 * units + j, candidate, count);
      put(gates + 3 * units + j, leave, count);
    });
  }

  const LstmShared<T>& shared_;
  const LstmCall& call_;
  std::int64_t begin_, rows_, units_, width_, z_width_;
  T *inputs_ = nullptr, *z_ = nullptr, *c_ = nullptr;  // [x, h] of the step, its products, the cells
};

template <class T>
void lstm_of(const LstmCall& call) {
  const LstmShared<T> shared(call);
  each_slice(call.batch, [&](std::int64_t, std::int64_t begin, std::int64_t end) { LstmSlice<T>(shared, begin, end).run(); });
}

// -- backward ----------------------------------------------------------------------------------------------------------
// Weights by rows, gradients of z at all times, and of the bias for each slice.
template <class T>
struct LstmGradShared {
  explicit LstmGradShared(const LstmGradCall& c) : call(c) {
    const std::int64_t channels = c.channels, units = c.units;
    is_ahead = (channels + units) * 4 * units * static_cast<std::int64_t>(sizeof(T)) > most_resident;
    kernel.k = recurrent.k = 4 * units;
    kernel.columns = c.x_grad == nullptr || is_ahead ? 0 : channels;
    recurrent.columns = units;
    slices = (c.batch + slice_rows(c.batch) - 1) / slice_rows(c.batch);
    place<T>(*this, Scratch::recurrent);
    kernel.pack_part(0, 4 * units, static_cast<const T*>(c.kernel), 1, 4 * units);
    recurrent.pack_part(0, 4 * units, static_cast<const T*>(c.recurrent), 1, 4 * units);
  }

  void lay_out(Workspace<T>& space) {
    space.part(kernel.data, kernel.size(kernel.k, kernel.columns));
    space.part(recurrent.data, recurrent.size(recurrent.k, recurrent.columns));
    space.part(z_grad, call.batch * call.time * 4 * call.units);
    space.part(bias_grad, slices * 4 * call.units);
  }

  // What is left when all slices are done: sums over batch and time.
  void finish() const {
    const std::int64_t many = call.batch * call.time, gates = 4 * call.units;
    const std::int64_t one = 1;
    product(call.dtype, call.channels, gates, many, static_cast<const T*>(call.x), one, call.channels, z_grad, gates, one,
            static_cast<T*>(call.kernel_grad), gates);
    product(call.dtype, call.units, gates, many, static_cast<const T*>(call.before), one, call.units, z_grad, gates, one,
            static_cast<T*>(call.recurrent_grad), gates);
    if (is_ahead && call.x_grad != nullptr) {
      product(call.dtype, many, call.channels, gates, z_grad, gates, one, static_cast<const T*>(call.kernel), one, gates,
              static_cast<T*>(call.x_grad), call.channels);
    }
    if (call.bias_grad == nullptr) return;
    T* total = static_cast<T*>(call.bias_grad);
    clear_row(total, gates);
    for (std::int64_t i = 0; i < slices; ++i) add_row(total, bias_grad + i * gates, gates);
  }

  const LstmGradCall& call;
  bool is_ahead;
  std::int64_t slices;
  Panels<T> kernel, recurrent;
  T *z_grad = nullptr, *bias_grad = nullptr;
};

template <class T>
class LstmGradSlice {
 public:
  LstmGradSlice(const LstmGradShared<T>& shared, std::int64_t slice, std::int64_t begin, std::int64_t end)
      : shared_(shared), call_(shared.call), begin_(begin), rows_(end - begin), units_(call_.units) {
    z_width_ = row_of(4 * units_);
    x_width_ = row_of(Panels<T>::padded(shared.kernel.columns));
    h_width_ = row_of(Panels<T>::padded(units_));
    bias_ = shared.bias_grad + slice * 4 * units_;
    place<T>(*this, Scratch::other);
  }

  void lay_out(Workspace<T>& space) {
    space.part(z_, rows_ * z_width_);
    space.part(x_, rows_ * x_width_);
    space.part(h_, rows_ * h_width_);
    space.part(c_, rows_ * units_);
    space.part(passed_, call_.mask == nullptr ? 0 : rows_ * units_);
    space.part(late_, call_.mask == nullptr ? 0 : rows_ * units_);
  }

  void run() {
    start();
    for (std::int64_t step = call_.time - 1; step >= 0; --step) {
      const std::int64_t t = call_.reverse ? call_.time - 1 - step : step;
      for (std::int64_t r = 0; r < rows_; ++r) retreat(r, t, step);
      shared_.recurrent.multiply(z_, z_width_, rows_, h_, h_width_);
      if (call_.mask != nullptr) {
        for (std::int64_t r = 0; r < rows_; ++r) add_row(h_ + r * h_width_, passed_ + r * units_, units_);
      }
      if (shared_.kernel.columns == 0) continue;
      shared_.kernel.multiply(z_, z_width_, rows_, x_, x_width_);
      for (std::int64_t r = 0; r < rows_; ++r) {
        copy_row(static_cast<T*>(call_.x_grad) + at(r, t) * call_.channels, x_ + r * x_width_, call_.channels);
      }
    }
    for (std::int64_t r = 0; r < rows_; ++r) {
      copy_row(static_cast<T*>(call_.h0_grad) + (begin_ + r) * units_, h_ + r * h_width_, units_);
      copy_row(static_cast<T*>(call_.c0_grad) + (begin_ + r) * units_, c_ + r * units_, units_);
    }
  }

 private:
  std::int64_t at(std::int64_t r, std::int64_t t) const { return (begin_ + r) * call_.time + t; }

  void start() {
    clear_row(bias_, 4 * units_);
    for (std::int64_t r = 0; r < rows_; ++r) {
      set_row(h_ + r * h_width_, call_.h_grad, begin_ + r, units_);
      set_row(c_ + r * units_, call_.c_grad, begin_ + r, units_);
      if (call_.mask != nullptr) clear_row(late_ + r * units_, units_);
    }
  }

  // From the gradients of h and c after a step to those of z, and of c before it.
  void retreat(std::int64_t r, std::int64_t t, std::int64_t step) {
    const std::int64_t i = at(r, t);
    const T* given = call_.outputs_grad == nullptr ? nullptr : static_cast<const T*>(call_.outputs_grad) + at(r, step) * units_;
    T* const z = z_ + r * z_width_;
    T* const h = h_ + r * h_width_;
    T* const all = shared_.z_grad + i * 4 * units_;
    if (call_.mask != nullptr) {
      if (!call_.mask[i]) return pass(r, given, z, all);
      add_row(h, late_ + r * units_, units_);
      clear_row(late_ + r * units_, units_);
      clear_row(passed_ + r * units_, units_);
    }
    if (given != nullptr) add_row(h, given, units_);
    const bool is_first = step == 0;
    const std::int64_t earlier = at(r, call_.reverse ? t + 1 : t - 1);
    const T* c_before = is_first ? static_cast<const T*>(call_.c0) + (begin_ + r) * units_
                                 : static_cast<const T*>(call_.cells) + earlier * units_;
    differentiate(static_cast<const T*>(call_.gates) + i * 4 * units_, static_cast<const T*>(call_.cells) + i * units_,
                  c_before, h, c_ + r * units_, z);
    copy_row(all, z, 4 * units_);
  }

  // A step that does not count: the states were passed on, and so are their gradients. The gradient of its output belongs
  // to the output before.
  void pass(std::int64_t r, const T* given, T* z, T* all) {
    if (given != nullptr) add_row(late_ + r * units_, given, units_);
    copy_row(passed_ + r * units_, h_ + r * h_width_, units_);
    clear_row(z, 4 * units_);
    clear_row(all, 4 * units_);
  }

  void differentiate(const T* gates, const T* cells, const T* c_before, const T* h_grad, T* c_grad, T* z) {
    using V = typename Simd<T>::vector;
    const std::int64_t units = units_;
    T* const bias = bias_;
    each_vector<T>(units, [&](std::int64_t j, int count) {
      const V enter = get(gates + j, count), forget = get(gates + units + j, count);
      const V candidate = get(gates + 2 * units + j, count), leave = get(gates + 3 * units + j, count);
      const V slope = squash(get(cells + j, count)), h = get(h_grad + j, count);
      const V c = get(c_grad + j, count) + h * leave * (T{1} - slope * slope);
      const V z_grad[4] = {c * candidate * enter * (T{1} - enter), c * get(c_before + j, count) * forget * (T{1} - forget),
                           c * enter * (T{1} - candidate * candidate), h * slope * leave * (T{1} - leave)};
      put(c_grad + j, c * forget, count);
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) {
        put(z + q * units + j, z_grad[q], count);
        put(bias + q * units + j, get(bias + q * units + j, count) + z_grad[q], count);
      }
    });
  }

  const LstmGradShared<T>& shared_;
  const LstmGradCall& call_;
  std::int64_t begin_, rows_, units_, z_width_, x_width_, h_width_;
  T* bias_;
  T *z_ = nullptr, *x_ = nullptr, *h_ = nullptr, *c_ = nullptr;  // gradients of the step's z and x, of h and c
  T *passed_ = nullptr, *late_ = nullptr;  // with a mask: gradients that steps hand on, of h and of their outputs
};

template <class T>
void lstm_grad_of(const LstmGradCall& call) {
  const LstmGradShared<T> shared(call);
  each_slice(call.batch, [&](std::int64_t slice, std::int64_t begin, std::int64_t end) {
    LstmGradSlice<T>(shared, slice, begin, end).run();
  });
  shared.finish();
}

void lstm(const LstmCall& call) {
  if (call.dtype == Dtype::float64) return lstm_of<double>(call);
  lstm_of<float>(call);
}
void lstm_grad(const LstmGradCall& call) {
  if (call.dtype == Dtype::float64) return lstm_grad_of<double>(call);
  lstm_grad_of<float>(call);
}

}  // namespace

void fill_lstm(RecurrentKernels& table);
void fill_lstm(RecurrentKernels& table) {
  table.lstm = lstm;
  table.lstm_grad = lstm_grad;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
