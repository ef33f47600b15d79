// Moved; this path is kept for one release.
#include "runtimes/controller_policy.h"  // IWYU pragma: export
