// Moved; this path is kept for one release.
#include "runtimes/libtorch_backend.h"  // IWYU pragma: export
