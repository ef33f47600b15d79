// Moved; this path is kept for one release.
#include "bundle/sha256.h"  // IWYU pragma: export
