// Moved; this path is kept for one release.
#include "bundle/safetensors.h"  // IWYU pragma: export
