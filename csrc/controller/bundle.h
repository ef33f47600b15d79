// Moved; this path is kept for one release.
#include "bundle/bundle.h"  // IWYU pragma: export
