// Moved; this path is kept for one release.
#include "runtimes/parity.h"  // IWYU pragma: export
