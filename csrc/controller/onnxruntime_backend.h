// Moved; this path is kept for one release.
#include "runtimes/onnxruntime_backend.h"  // IWYU pragma: export
