// Lets the tasks take norms with the routine that numpy itself calls.
//
// np.linalg.norm of a vector is sqrt(x.dot(x)), and x.dot(x) calls the dot function of numpy's
// float64 type: BLAS in most builds. OpenBLAS chooses its kernel by processor, and kernels differ
// in whether they fuse and in which order they add. numpy publishes the function in its C API, so
// the tasks call it: the bits are numpy's on every processor and with every BLAS.
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/arrayobject.h>
#include <pybind11/pybind11.h>

#include <cstdint>

#include "bindings/numpy_args.h"
#include "bindings/register.h"
#include "rollout/numpy_math.h"

namespace py = pybind11;

namespace td7 {
namespace {

PyArray_DotFunc* numpy_dot = nullptr;

// Needs no GIL: numpy's function for float64 uses neither Python objects nor its last argument,
// which numpy itself leaves null.
double SquaredNormOfNumpy(const double* x, std::int64_t n) {
  double result = 0.0;
  auto* values = const_cast<double*>(x);  // read alone, but numpy's type has no const
  numpy_dot(values, sizeof(double), values, sizeof(double), &result, static_cast<npy_intp>(n),
            nullptr);
  return result;
}

double NormOf(py::handle x) {
  const double* values = InputArray<double>(x, "x", {"n"});
  return Norm(values, SizeOf(x, 0));
}

}  // namespace

void register_numpy(py::module_& module) {
  if (PyArray_ImportNumPyAPI() < 0) throw py::error_already_set();
  PyArray_Descr* float64 = PyArray_DescrFromType(NPY_DOUBLE);  // never null for this type
  numpy_dot = PyDataType_GetArrFuncs(float64)->dotfunc;
  Py_DECREF(float64);
  SetSquaredNorm(&SquaredNormOfNumpy);
  module.def("norm", &NormOf, py::arg("x"),
             "Returns the norm of x, float64 [n], as the tasks take it: np.linalg.norm's bits.");
}

}  // namespace td7
