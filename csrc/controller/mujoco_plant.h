// Moved; this path is kept for one release.
#include "programs/mujoco_plant.h"  // IWYU pragma: export
