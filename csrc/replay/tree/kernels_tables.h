// Where kernels.cc finds the tables; each is defined in a file of its own, the vector ones on
// x86-64 only.
#ifndef TD7_REPLAY_TREE_KERNELS_TABLES_H_
#define TD7_REPLAY_TREE_KERNELS_TABLES_H_

namespace td7 {

struct ReplayKernels;

const ReplayKernels& PlainKernels();
const ReplayKernels& Avx2Kernels();
const ReplayKernels& Avx512Kernels();

}  // namespace td7

#endif  // TD7_REPLAY_TREE_KERNELS_TABLES_H_
