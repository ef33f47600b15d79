// LapLedgers for Python: the host's half of a replay on a device. Every method unpacks its
// arguments under the GIL, then releases it once for the whole job, which takes the ledgers' own
// lock (replay/lap_ledgers.h). Numbers that decide where the core reads are copied first.
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bindings/numpy_args.h"
#include "bindings/register.h"
#include "replay/device_ledger.h"
#include "replay/lap_checks.h"
#include "replay/lap_state.h"

namespace py = pybind11;

namespace td7 {
namespace {

using Unlocked = py::call_guard<py::gil_scoped_release>;

template <typename T>
std::vector<T> CopyVector(py::handle values, const char* name, const Dim& size) {
  const auto* first = InputArray<T>(values, name, {size});
  return std::vector<T>(first, first + SizeOf(values, 0));
}

LapLedgers::Members CopyMembers(py::handle members) {
  return CopyVector<std::int64_t>(members, "members", "M");
}

py::array_t<std::int64_t> ArrayOf(const LapLedgers::Runs& runs) {
  py::array_t<std::int64_t> array({static_cast<py::ssize_t>(runs.size()), py::ssize_t{2}});
  auto values = array.mutable_unchecked<2>();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      values(static_cast<py::ssize_t>(i), static_cast<py::ssize_t>(j)) = runs[i][j];
    }
  }
  return array;
}

// As (runs, evicted), int64 [R, 2] and [E, 2].
py::tuple TupleOf(const LapLedgers::Placement& placement) {
  return py::make_tuple(ArrayOf(placement.runs), ArrayOf(placement.evicted));
}

py::tuple Add(LapLedgers& ledgers, std::int64_t member, std::int64_t stream, py::handle obs,
              py::handle action, py::handle reward, py::handle next_obs, py::handle terminated,
              py::handle truncated, py::handle rows) {
  const LapConfig& config = ledgers.config();
  const auto* obs_data = InputArray<float>(obs, "obs", {config.obs_size});
  const auto* action_data = InputArray<float>(action, "action", {config.action_size});
  const auto* next_data = InputArray<float>(next_obs, "next_obs", {config.obs_size});
  auto* row_data = OutputArray<float>(rows, "rows", {2, ledgers.row_floats()});
  const auto number = static_cast<float>(InputNumber(reward, "reward"));
  const bool ends = InputBool(terminated, "terminated");
  const bool cut = InputBool(truncated, "truncated");
  LapLedgers::Placement placement;
  {
    const py::gil_scoped_release unlocked;
    placement = ledgers.AddStep(member, stream, obs_data, action_data, number, next_data, ends, cut,
                                row_data);
  }
  return TupleOf(placement);
}

py::tuple AddEpisode(LapLedgers& ledgers, std::int64_t member, std::int64_t stream, py::handle obs,
                     py::handle action, py::handle reward, py::handle terminated, py::handle rows) {
  const LapConfig& config = ledgers.config();
  const auto* reward_data = InputArray<float>(reward, "reward", {"T"});
  const std::int64_t steps = SizeOf(reward, 0);
  const auto* obs_data = InputArray<float>(obs, "obs", {steps + 1, config.obs_size});
  const auto* action_data = InputArray<float>(action, "action", {steps, config.action_size});
  auto* row_data = OutputArray<float>(rows, "rows", {steps + 1, ledgers.row_floats()});
  const bool ends = InputBool(terminated, "terminated");
  LapLedgers::Placement placement;
  {
    const py::gil_scoped_release unlocked;
    placement = ledgers.AddEpisode(member, stream, {steps, obs_data, action_data, reward_data},
                                   ends, row_data);
  }
  return TupleOf(placement);
}

py::tuple AddRows(LapLedgers& ledgers, std::int64_t member, std::int64_t first_stream,
                  py::handle obs, py::handle action, py::handle reward, py::handle next_obs,
                  py::handle terminated, py::handle truncated, py::handle rows) {
  const LapConfig& config = ledgers.config();
  const auto* obs_data = InputArray<float>(obs, "obs", {"N", config.obs_size});
  const std::int64_t n = SizeOf(obs, 0);
  const auto* action_data = InputArray<float>(action, "action", {n, config.action_size});
  const auto* reward_data = InputArray<float>(reward, "reward", {n});
  const auto* next_data = InputArray<float>(next_obs, "next_obs", {n, config.obs_size});
  auto* row_data = OutputArray<float>(rows, "rows", {n, ledgers.row_floats()});
  std::vector<std::uint8_t> all_end;
  std::vector<std::uint8_t> all_cut;
  const std::uint8_t* ends = InputFlags(terminated, "terminated", n, &all_end);
  const std::uint8_t* cut = InputFlags(truncated, "truncated", n, &all_cut);
  LapLedgers::Placement placement;
  {
    const py::gil_scoped_release unlocked;
    placement = ledgers.AddRows(member, first_stream, {n, obs_data, action_data, reward_data},
                                next_data, ends, cut, row_data);
  }
  return TupleOf(placement);
}

void Clear(LapLedgers& ledgers, py::handle members) {
  const LapLedgers::Members chosen = CopyMembers(members);
  const py::gil_scoped_release unlocked;
  ledgers.Clear(chosen);
}

void FillUniforms(LapLedgers& ledgers, py::handle members, py::handle out) {
  const LapLedgers::Members chosen = CopyMembers(members);
  const auto m = static_cast<std::int64_t>(chosen.size());
  auto* numbers = OutputArray<double>(out, "out", {"K", m, "L", "B"});
  const std::int64_t calls = SizeOf(out, 0);
  const std::int64_t levels = SizeOf(out, 2);
  const std::int64_t n = SizeOf(out, 3);
  const py::gil_scoped_release unlocked;
  ledgers.FillUniforms(chosen, calls, n, levels, numbers);
}

void CheckSample(LapLedgers& ledgers, py::handle members, std::int64_t n) {
  const LapLedgers::Members chosen = CopyMembers(members);
  const py::gil_scoped_release unlocked;
  ledgers.CheckSample(chosen, n);
}

void CheckMembers(LapLedgers& ledgers, py::handle members) {
  ledgers.CheckMembers(CopyMembers(members));
}

// What a file holds, in host memory; its arrays are views that keep it alive.
struct SavedReplay {
  const LapBuffer& Of(std::int64_t member) const {
    CheckIndex("member", member, static_cast<std::int64_t>(buffers.size()));
    return buffers[static_cast<std::size_t>(member)];
  }
  std::vector<LapBuffer> buffers;
  std::vector<std::int64_t> used;  // a member: slots with a weight
  std::vector<std::int64_t> made;  // slots with a row
  bool restored = false;
};

std::unique_ptr<SavedReplay> Read(LapLedgers& ledgers, const std::string& path) {
  const py::gil_scoped_release unlocked;
  auto saved = std::make_unique<SavedReplay>();
  saved->buffers = ledgers.Read(path);
  for (const LapBuffer& buffer : saved->buffers) {
    saved->used.push_back(buffer.State().ledger->used_slots());
    saved->made.push_back(buffer.State().ledger->made_slots());
  }
  return saved;
}

void Restore(LapLedgers& ledgers, SavedReplay& saved) {
  if (saved.restored) throw std::invalid_argument("the saved replay was restored already");
  saved.restored = true;
  const py::gil_scoped_release unlocked;
  ledgers.Restore(&saved.buffers);
}

py::array_t<float> SavedWeights(const py::object& self, std::int64_t member) {
  const auto& saved = self.cast<const SavedReplay&>();
  const float* weights = saved.Of(member).State().weights;
  const py::ssize_t used = saved.used[static_cast<std::size_t>(member)];
  return py::array_t<float>({used}, weights, self);
}

py::array_t<float> SavedRows(const py::object& self, std::int64_t member) {
  const auto& saved = self.cast<const SavedReplay&>();
  const LapBuffer& buffer = saved.Of(member);
  const py::ssize_t floats = RowFloats(buffer.config());
  const py::ssize_t made = saved.made[static_cast<std::size_t>(member)];
  return py::array_t<float>({made, floats}, buffer.State().rows, self);
}

// weights and rows: one array a member.
void Save(LapLedgers& ledgers, const std::string& path, bool in_pieces, const std::string& earlier,
          py::handle max_priority, const std::vector<py::object>& weights,
          const std::vector<py::object>& rows) {
  const auto most = CopyVector<float>(max_priority, "max_priority", ledgers.members());
  if (weights.size() != most.size() || rows.size() != most.size()) {
    throw std::invalid_argument("weights and rows must have " + std::to_string(most.size()) +
                                " arrays, one a member, got " + std::to_string(weights.size()) +
                                " and " + std::to_string(rows.size()));
  }
  std::vector<LapLedgers::Numbers> numbers;
  for (std::size_t i = 0; i < most.size(); ++i) {
    const auto* weight_data = InputArray<float>(weights[i], "weights", {"U"});
    const auto* row_data = InputArray<float>(rows[i], "rows", {"R", ledgers.row_floats()});
    numbers.push_back({most[i], weight_data, SizeOf(weights[i], 0), row_data, SizeOf(rows[i], 0)});
  }
  const py::gil_scoped_release unlocked;
  ledgers.Save(path, {in_pieces, earlier}, numbers);
}

std::unique_ptr<LapLedgers> MakeLedgers(std::int64_t capacity, int obs_size, int action_size,
                                        py::handle seeds, int streams, double alpha,
                                        double min_priority) {
  const LapConfig config{capacity, obs_size, action_size, streams, alpha, min_priority, 0, ""};
  return std::make_unique<LapLedgers>(config, CopyVector<std::uint64_t>(seeds, "seeds", "P"));
}

// A number that a member's ledger tells.
template <typename Number>
auto Getter(Number SlotLedger::* read) {
  return [read](LapLedgers& ledgers, std::int64_t member) {
    return ledgers.Get(member, [read](const SlotLedger& ledger) { return (ledger.*read)(); });
  };
}

}  // namespace

void register_ledger(py::module_& module) {
  py::class_<SavedReplay>(module, "SavedReplay")
      .def("weights", &SavedWeights, py::arg("member"))
      .def("rows", &SavedRows, py::arg("member"))
      .def(
          "max_priority",
          [](const SavedReplay& saved, std::int64_t member) {
            return saved.Of(member).max_priority();
          },
          py::arg("member"));
  py::class_<LapLedgers>(module, "LapLedgers")
      .def(py::init(&MakeLedgers), py::arg("capacity"), py::arg("obs_size"), py::arg("action_size"),
           py::arg("seeds"), py::arg("streams"), py::arg("alpha"), py::arg("min_priority"))
      .def_property_readonly("nbytes", py::cpp_function(&LapLedgers::CommittedBytes, Unlocked()))
      .def("add", &Add, py::arg("member"), py::arg("stream"), py::arg("obs"), py::arg("action"),
           py::arg("reward"), py::arg("next_obs"), py::arg("terminated"), py::arg("truncated"),
           py::arg("rows"))
      .def("add_episode", &AddEpisode, py::arg("member"), py::arg("stream"), py::arg("obs"),
           py::arg("action"), py::arg("reward"), py::arg("terminated"), py::arg("rows"))
      .def("add_rows", &AddRows, py::arg("member"), py::arg("first_stream"), py::arg("obs"),
           py::arg("action"), py::arg("reward"), py::arg("next_obs"), py::arg("terminated"),
           py::arg("truncated"), py::arg("rows"))
      .def("clear", &Clear, py::arg("members"))
      .def("end_episode", &LapLedgers::EndEpisode, Unlocked(), py::arg("member"), py::arg("stream"))
      .def("slots_after", &LapLedgers::SlotsAfter, Unlocked(), py::arg("member"), py::arg("stream"),
           py::arg("steps"))
      .def("slots_after_rows", &LapLedgers::SlotsAfterRows, Unlocked(), py::arg("member"),
           py::arg("first_stream"), py::arg("rows"))
      .def(
          "numbers_of",
          [](LapLedgers& ledgers, std::int64_t member, const std::vector<std::int64_t>& slots) {
            return ledgers.Get(member, [&slots](const SlotLedger& ledger) {
              std::vector<std::int64_t> numbers;
              for (const std::int64_t slot : slots) {
                CheckIndex("slots", slot, ledger.made_slots());
                numbers.push_back(ledger.NumberOf(slot));
              }
              return numbers;
            });
          },
          py::arg("member"), py::arg("slots"))
      .def("segments_begun", Getter(&SlotLedger::segments_begun), Unlocked())
      .def("fill_uniforms", &FillUniforms, py::arg("members"), py::arg("out"))
      .def("check_sample", &CheckSample)
      .def("check_members", &CheckMembers)
      .def("check_index", &LapLedgers::CheckIndex, Unlocked())
      .def("size", Getter(&SlotLedger::size), Unlocked())
      .def("used_slots", Getter(&SlotLedger::used_slots), Unlocked())
      .def("made_slots", Getter(&SlotLedger::made_slots), Unlocked())
      .def("max_slots", Getter(&SlotLedger::max_slots), Unlocked())
      .def("segment_slots", Getter(&SlotLedger::segment_slots), Unlocked())
      .def("levels", &LapLedgers::Levels, Unlocked())
      .def("draw_counter", &LapLedgers::DrawCounter, Unlocked())
      .def("set_draw_counter", &LapLedgers::SetDrawCounter, Unlocked(), py::arg("member"),
           py::arg("counter"))
      .def("save", &Save, py::arg("path"), py::arg("in_pieces"), py::arg("earlier"),
           py::arg("max_priority"), py::arg("weights"), py::arg("rows"))
      .def("read", &Read, py::arg("path"))
      .def("restore", &Restore, py::arg("saved"));
}

}  // namespace td7
