// Moved; this path is kept for one release.
#include "runtimes/native_backend.h"  // IWYU pragma: export
