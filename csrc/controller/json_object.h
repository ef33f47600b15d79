// Moved; this path is kept for one release.
#include "bundle/json_object.h"  // IWYU pragma: export
