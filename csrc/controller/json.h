// Moved; this path is kept for one release.
#include "bundle/json.h"  // IWYU pragma: export
