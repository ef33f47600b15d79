// Arrays at the door: numpy arguments are taken exactly as they are or refused by name; nothing is
// converted or copied.
//
//   actions must be float32 [8, 6] C-contiguous, got float64 [8, 6]
//
// The pointers are valid while the Python objects live, that is during the call. All functions need
// the GIL and throw std::invalid_argument (ValueError) or TypeError.
#ifndef TD7_BINDINGS_NUMPY_ARGS_H_
#define TD7_BINDINGS_NUMPY_ARGS_H_

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

namespace td7 {

// A wanted dimension: a size, or a letter for a size that the argument itself decides.
struct Dim {
  Dim(std::int64_t wanted) : size(wanted) {}       // NOLINT(google-explicit-constructor)
  Dim(const char* any) : size(-1), letter(any) {}  // NOLINT(google-explicit-constructor)
  std::int64_t size;
  const char* letter = "";
};
using Dims = std::initializer_list<Dim>;

namespace internal {

inline std::string WantedText(const pybind11::dtype& dtype, Dims dims) {
  std::string text = pybind11::str(dtype).cast<std::string>() + " [";
  for (const Dim& dim : dims) {
    if (text.back() != '[') text += ", ";
    text += dim.size < 0 ? std::string(dim.letter) : std::to_string(dim.size);
  }
  return text + "] C-contiguous";
}

inline std::string GivenText(pybind11::handle value) {
  if (!pybind11::isinstance<pybind11::array>(value)) {
    return pybind11::str(pybind11::type::handle_of(value).attr("__name__")).cast<std::string>();
  }
  const auto array = pybind11::reinterpret_borrow<pybind11::array>(value);
  std::string text = pybind11::str(array.dtype()).cast<std::string>() + " [";
  for (pybind11::ssize_t i = 0; i < array.ndim(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(array.shape(i));
  }
  text += "]";
  if ((array.flags() & pybind11::array::c_style) == 0) text += " not contiguous";
  if ((array.flags() & pybind11::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0) text += " not aligned";
  return text;
}

template <typename T>
bool Fits(pybind11::handle value, Dims dims) {
  // this check compares element types for equivalence, byte order included, and the C-contiguous
  // flag
  if (!pybind11::array_t<T, pybind11::array::c_style>::check_(value)) return false;
  const auto array = pybind11::reinterpret_borrow<pybind11::array>(value);
  if ((array.flags() & pybind11::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0) return false;
  if (array.ndim() != static_cast<pybind11::ssize_t>(dims.size())) return false;
  pybind11::ssize_t i = 0;
  for (const Dim& dim : dims) {
    if (dim.size >= 0 && array.shape(i) != dim.size) return false;
    ++i;
  }
  return true;
}

}  // namespace internal

// The dimensions of an array, 0 for anything else.
inline std::int64_t DimensionsOf(pybind11::handle value) {
  if (!pybind11::isinstance<pybind11::array>(value)) return 0;
  return pybind11::reinterpret_borrow<pybind11::array>(value).ndim();
}

// The elements of an input array.
template <typename T>
const T* InputArray(pybind11::handle value, const char* name, Dims dims) {
  if (!internal::Fits<T>(value, dims)) {
    throw std::invalid_argument(std::string(name) + " must be " +
                                internal::WantedText(pybind11::dtype::of<T>(), dims) + ", got " +
                                internal::GivenText(value));
  }
  return static_cast<const T*>(pybind11::reinterpret_borrow<pybind11::array>(value).data());
}

// The elements of a caller-owned output array, which must be writeable too.
template <typename T>
T* OutputArray(pybind11::handle value, const char* name, Dims dims) {
  InputArray<T>(value, name, dims);
  auto array = pybind11::reinterpret_borrow<pybind11::array>(value);
  if (!array.writeable()) {
    throw std::invalid_argument(std::string(name) + " must be writeable, got read-only " +
                                internal::GivenText(value));
  }
  return static_cast<T*>(array.mutable_data());
}

namespace internal {

// Whether a sequence, as arrays are too, is an array without dimensions that holds a real number.
inline bool IsZeroDimensional(pybind11::handle value) {
  if (!pybind11::isinstance<pybind11::array>(value)) {  // perhaps a tensor
    const pybind11::object ndim = pybind11::getattr(value, "ndim", pybind11::none());
    return pybind11::isinstance<pybind11::int_>(ndim) && ndim.cast<long>() == 0;
  }
  const auto array = pybind11::reinterpret_borrow<pybind11::array>(value);
  return array.ndim() == 0 && std::string("biuf").find(array.dtype().kind()) != std::string::npos;
}

// Reads a number of Python, numpy or an array without dimensions. Returns false for anything else.
inline bool LoadNumber(pybind11::handle value, double* number) {
  if (PySequence_Check(value.ptr()) != 0 && !IsZeroDimensional(value)) return false;
  *number = PyFloat_AsDouble(value.ptr());
  if (PyErr_Occurred() == nullptr) return true;
  PyErr_Clear();
  return false;
}

}  // namespace internal

// A bool of Python or numpy, or a number that is 0 or 1. Throws TypeError for anything that is no
// number, std::invalid_argument for another number.
inline bool InputBool(pybind11::handle value, const char* name) {
  pybind11::detail::make_caster<bool> caster;
  if (caster.load(value, /*convert=*/false)) return pybind11::detail::cast_op<bool>(caster);
  double number = 0.0;
  if (!internal::LoadNumber(value, &number)) {
    throw pybind11::type_error(std::string(name) + " must be a bool, or 0 or 1, got " +
                               internal::GivenText(value));
  }
  if (number == 0.0 || number == 1.0) return number == 1.0;
  throw std::invalid_argument(std::string(name) + " must be a bool, or 0 or 1, got " +
                              pybind11::str(value).cast<std::string>());
}

// A number of Python or numpy, or an array without dimensions. Throws TypeError for anything else.
inline double InputNumber(pybind11::handle value, const char* name) {
  double number = 0.0;
  if (internal::LoadNumber(value, &number)) return number;
  throw pybind11::type_error(std::string(name) + " must be a number, got " +
                             internal::GivenText(value));
}

// Flags of n rows as 0 or not: bool [n]. numpy lets a bool have any byte; in C++ only 0 and 1 are
// values of bool.
inline const std::uint8_t* InputFlags(pybind11::handle flags, const char* name, std::int64_t n) {
  return reinterpret_cast<const std::uint8_t*>(InputArray<bool>(flags, name, {n}));
}

// The same, or one flag for all rows, for which `same` gets the values.
inline const std::uint8_t* InputFlags(pybind11::handle flags, const char* name, std::int64_t n,
                                      std::vector<std::uint8_t>* same) {
  const bool sequence = PySequence_Check(flags.ptr()) != 0;
  if (sequence && !internal::IsZeroDimensional(flags)) return InputFlags(flags, name, n);
  same->assign(static_cast<std::size_t>(n), InputBool(flags, name) ? 1 : 0);
  return same->data();
}

// The size of a dimension of an argument that is not checked yet; 0 if it has none such.
inline std::int64_t SizeOf(pybind11::handle value, int dimension) {
  if (!pybind11::isinstance<pybind11::array>(value)) return 0;
  const auto array = pybind11::reinterpret_borrow<pybind11::array>(value);
  return dimension < array.ndim() ? array.shape(dimension) : 0;
}

}  // namespace td7

#endif  // TD7_BINDINGS_NUMPY_ARGS_H_
