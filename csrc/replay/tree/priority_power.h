// x^alpha for priorities, x a positive normal double and 0 <= alpha <= 1, as 2^(alpha log2 x): the
// same bits on every machine and from every instruction set, which the C library does not promise.
//
// x = m 2^e with m in [sqrt(1/2), sqrt(2)); log2 m = s (c0 + c1 s^2 + c2 s^4 + ...) with
// s = (m - 1) / (m + 1), ck = 2 / ((2k + 1) ln 2); 2^y = 2^n sum ln(2)^k / k! (y - n)^k with n the
// whole number nearest to y. Both series are summed by Horner's rule in double, without fused
// operations. Relative error below 1e-13 where the result lies in [2^-96, 2^96].
#ifndef TD7_REPLAY_TREE_PRIORITY_POWER_H_
#define TD7_REPLAY_TREE_PRIORITY_POWER_H_

#include <cstddef>

namespace td7 {

inline constexpr std::size_t kLog2Terms = 11;
inline constexpr double kLog2Series[kLog2Terms] = {
    // c10 .. c0
    0x1.1964ec6fc9491p-3, 0x1.3703c1f4d0ffep-3, 0x1.5b9ac9b743f0dp-3, 0x1.89f3b1694cffep-3,
    0x1.c68f568d31760p-3, 0x1.0c9a84994022dp-2, 0x1.484b13d7c02a9p-2, 0x1.a61762a7aded9p-2,
    0x1.2776c50ef9bfep-1, 0x1.ec709dc3a03fdp-1, 0x1.71547652b82fep+1};

inline constexpr std::size_t kExp2Terms = 14;
inline constexpr double kExp2Series[kExp2Terms] = {
    // ln(2)^13 / 13! .. 1
    0x1.816193166d0f9p-40, 0x1.c3bd650fc2986p-36, 0x1.e8cac7351bb25p-32, 0x1.e4cf5158b8ecap-28,
    0x1.b5253d395e7c4p-24, 0x1.62c0223a5c824p-20, 0x1.ffcbfc588b0c7p-17, 0x1.430912f86c787p-13,
    0x1.5d87fe78a6731p-10, 0x1.3b2ab6fba4e77p-7,  0x1.c6b08d704a0c0p-5,  0x1.ebfbdff82c58fp-3,
    0x1.62e42fefa39efp-1,  0x1.0000000000000p+0};

}  // namespace td7

#endif  // TD7_REPLAY_TREE_PRIORITY_POWER_H_
