// The checks of LapBuffer's arguments and the texts of its errors. Each throws and has no other
// effect.
#ifndef TD7_REPLAY_LAP_CHECKS_H_
#define TD7_REPLAY_LAP_CHECKS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace td7 {

struct LapConfig;
struct Transitions;

// Whether no value is NaN or infinite.
bool AllFinite(const float* values, std::size_t n);

// Returns its argument. Throws std::invalid_argument.
const LapConfig& CheckConfig(const LapConfig& config);

// Throws std::invalid_argument if a buffer needs more slots than the tree can hold.
void CheckSlots(std::int64_t capacity, int streams, std::int64_t slots);

// Throws std::out_of_range unless there is such a first stream, std::invalid_argument unless there
// are `rows` from it on.
void CheckStreams(std::int64_t first, std::int64_t rows, std::int64_t streams);

// Throws std::out_of_range unless 0 <= value < end.
void CheckIndex(const char* name, std::int64_t value, std::int64_t end);

// Throws std::invalid_argument at the first NaN or infinity of values [rows, columns]; rows = 0
// stands for a vector [columns], and columns = 0 too for a single number.
void CheckFinite(const char* name, const float* values, std::size_t rows, std::size_t columns);

// Throw std::invalid_argument unless LapBuffer can add these.
void CheckStep(const LapConfig& config, const float* obs, const float* action, float reward,
               const float* next_obs);
void CheckEpisode(const LapConfig& config, const Transitions& steps);
void CheckTransitions(const LapConfig& config, const Transitions& steps, const float* next_obs);

// Throws std::out_of_range unless each is from 0 to end - 1, std::invalid_argument if one is named
// twice.
void CheckDistinct(const std::vector<std::int64_t>& members, std::int64_t end);

// Throws std::invalid_argument.
void CheckDraw(std::int64_t n, std::int64_t live);

// `row` and `place` say where in the argument; a negative one is left out.
[[noreturn]] void ThrowDeadIndex(std::int64_t row, std::int64_t place, std::int64_t index,
                                 std::int64_t used);  // std::out_of_range
[[noreturn]] void ThrowNoSlot(std::int64_t row, std::int64_t place, std::int64_t index,
                              std::int64_t slots);  // std::out_of_range
[[noreturn]] void ThrowBadError(std::int64_t row, std::int64_t place,
                                float error);  // std::invalid_argument

}  // namespace td7

#endif  // TD7_REPLAY_LAP_CHECKS_H_
