// LapReplay for Python. Every method unpacks its arguments under the GIL, then releases it once for
// the whole job, which takes the replay's own lock (replay/lap_replay.h).
//
// Other Python threads may write to a numpy array while the GIL is released, and arrays may share
// their memory. So what decides where the core reads and writes (members, indices) and what it
// checks before use (errors) is copied first; rows are read and outputs are written in place.
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "bindings/numpy_args.h"
#include "bindings/register.h"
#include "replay/lap_replay.h"

namespace py = pybind11;

namespace td7 {
namespace {

using Unlocked = py::call_guard<py::gil_scoped_release>;

template <typename T>
std::vector<T> Copy(const T* values, std::int64_t count) {
  return std::vector<T>(values, values + count);
}

LapReplay::Members CopyMembers(py::handle members) {
  const auto* chosen = InputArray<std::int64_t>(members, "members", {"M"});
  return Copy(chosen, SizeOf(members, 0));
}

// As AddTransitions below, but row i goes to stream first_stream + i.
void AddRows(LapReplay& replay, std::int64_t member, std::int64_t first_stream, py::handle obs,
             py::handle action, py::handle reward, py::handle next_obs, py::handle terminated,
             py::handle truncated) {
  const LapConfig& config = replay.config();
  const auto* obs_data = InputArray<float>(obs, "obs", {"N", config.obs_size});
  const std::int64_t n = SizeOf(obs, 0);
  const auto* action_data = InputArray<float>(action, "action", {n, config.action_size});
  const auto* reward_data = InputArray<float>(reward, "reward", {n});
  const auto* next_data = InputArray<float>(next_obs, "next_obs", {n, config.obs_size});
  std::vector<std::uint8_t> all_end;
  std::vector<std::uint8_t> all_cut;
  const std::uint8_t* ends = InputFlags(terminated, "terminated", n, &all_end);
  const std::uint8_t* cut = InputFlags(truncated, "truncated", n, &all_cut);
  const py::gil_scoped_release unlocked;
  replay.AddRows(member, first_stream, {n, obs_data, action_data, reward_data}, next_data, ends,
                 cut);
}

void Add(LapReplay& replay, std::int64_t member, std::int64_t stream, py::handle obs,
         py::handle action, py::handle reward, py::handle next_obs, py::handle terminated,
         py::handle truncated) {
  if (DimensionsOf(obs) == 2) {
    AddRows(replay, member, stream, obs, action, reward, next_obs, terminated, truncated);
    return;
  }
  const LapConfig& config = replay.config();
  const auto* obs_data = InputArray<float>(obs, "obs", {config.obs_size});
  const auto* action_data = InputArray<float>(action, "action", {config.action_size});
  const auto* next_data = InputArray<float>(next_obs, "next_obs", {config.obs_size});
  const auto number = static_cast<float>(InputNumber(reward, "reward"));
  const bool ends = InputBool(terminated, "terminated");
  const bool cut = InputBool(truncated, "truncated");
  const py::gil_scoped_release unlocked;
  replay.AddStep(member, stream, obs_data, action_data, number, next_data, ends, cut);
}

void AddEpisode(LapReplay& replay, std::int64_t member, std::int64_t stream, py::handle obs,
                py::handle action, py::handle reward, py::handle terminated) {
  const LapConfig& config = replay.config();
  const auto* reward_data = InputArray<float>(reward, "reward", {"T"});
  const std::int64_t steps = SizeOf(reward, 0);
  const auto* obs_data = InputArray<float>(obs, "obs", {steps + 1, config.obs_size});
  const auto* action_data = InputArray<float>(action, "action", {steps, config.action_size});
  const bool ends = InputBool(terminated, "terminated");
  const py::gil_scoped_release unlocked;
  replay.AddEpisode(member, stream, {steps, obs_data, action_data, reward_data}, ends);
}

void AddTransitions(LapReplay& replay, std::int64_t member, std::int64_t stream, py::handle obs,
                    py::handle action, py::handle reward, py::handle next_obs,
                    py::handle terminated, py::handle truncated) {
  const LapConfig& config = replay.config();
  const auto* reward_data = InputArray<float>(reward, "reward", {"N"});
  const std::int64_t n = SizeOf(reward, 0);
  const auto* obs_data = InputArray<float>(obs, "obs", {n, config.obs_size});
  const auto* action_data = InputArray<float>(action, "action", {n, config.action_size});
  const auto* next_data = InputArray<float>(next_obs, "next_obs", {n, config.obs_size});
  const std::uint8_t* terminated_data = InputFlags(terminated, "terminated", n);
  const std::uint8_t* truncated_data = InputFlags(truncated, "truncated", n);
  const py::gil_scoped_release unlocked;
  replay.AddTransitions(member, stream, {n, obs_data, action_data, reward_data}, next_data,
                        terminated_data, truncated_data);
}

void Sample(LapReplay& replay, py::handle members, py::handle obs, py::handle action,
            py::handle reward, py::handle next_obs, py::handle not_terminated, py::handle index,
            py::handle probability, py::handle drawn_at) {
  const LapConfig& config = replay.config();
  const LapReplay::Members chosen = CopyMembers(members);
  const auto m = static_cast<std::int64_t>(chosen.size());
  auto* index_data = OutputArray<std::int64_t>(index, "index", {m, "B"});
  const std::int64_t b = SizeOf(index, 1);
  const SampleOutput output{
      OutputArray<float>(obs, "obs", {m, b, config.obs_size}),
      OutputArray<float>(action, "action", {m, b, config.action_size}),
      OutputArray<float>(reward, "reward", {m, b}),
      OutputArray<float>(next_obs, "next_obs", {m, b, config.obs_size}),
      OutputArray<float>(not_terminated, "not_terminated", {m, b}),
      index_data,
      probability.is_none() ? nullptr : OutputArray<double>(probability, "probability", {m, b})};
  auto* moments =
      drawn_at.is_none() ? nullptr : OutputArray<std::int64_t>(drawn_at, "drawn_at", {m});
  const py::gil_scoped_release unlocked;
  replay.Sample(chosen, b, output, moments);
}

std::int64_t UpdatePriorities(LapReplay& replay, py::handle members, py::handle index,
                              py::handle td_error, py::handle drawn_at) {
  const LapReplay::Members chosen = CopyMembers(members);
  const auto m = static_cast<std::int64_t>(chosen.size());
  const auto* index_data = InputArray<std::int64_t>(index, "index", {m, "B"});
  const std::int64_t b = SizeOf(index, 1);
  const auto* error_data = InputArray<float>(td_error, "td_error", {m, b});
  const std::vector<std::int64_t> indices = Copy(index_data, m * b);
  const std::vector<float> errors = Copy(error_data, m * b);
  std::vector<std::int64_t> moments;
  if (!drawn_at.is_none()) {
    moments = Copy(InputArray<std::int64_t>(drawn_at, "drawn_at", {m}), m);
  }
  const py::gil_scoped_release unlocked;
  return replay.UpdatePriorities(chosen, indices.data(), errors.data(), b,
                                 drawn_at.is_none() ? nullptr : moments.data());
}

void Clear(LapReplay& replay, py::handle members) {
  const LapReplay::Members chosen = CopyMembers(members);
  const py::gil_scoped_release unlocked;
  replay.Clear(chosen);
}

void ResetMaxPriority(LapReplay& replay, py::handle members) {
  const LapReplay::Members chosen = CopyMembers(members);
  const py::gil_scoped_release unlocked;
  replay.ResetMaxPriority(chosen);
}

// A method that reads one member.
template <typename Read>
auto Getter(const Read& read) {
  return [read](LapReplay& replay, std::int64_t member) { return replay.Get(member, read); };
}

std::unique_ptr<LapReplay> MakeReplay(std::int64_t capacity, int obs_size, int action_size,
                                      py::handle seeds, int streams, double alpha,
                                      double min_priority, const std::string& scratch_dir) {
  const auto* seed = InputArray<std::uint64_t>(seeds, "seeds", {"P"});
  const LapConfig config{capacity, obs_size,     action_size, streams,
                         alpha,    min_priority, 0,           scratch_dir};
  return std::make_unique<LapReplay>(config, Copy(seed, SizeOf(seeds, 0)));
}

// Texts may hold a path, whose bytes need not be UTF-8.
py::object ErrorText(const std::exception& error) {
  return py::reinterpret_steal<py::object>(PyUnicode_DecodeFSDefault(error.what()));
}

// Failed system calls reach Python as OSError with their number.
void TranslateErrors(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const std::system_error& error) {
    const py::tuple arguments = py::make_tuple(error.code().value(), ErrorText(error));
    PyErr_SetObject(PyExc_OSError, arguments.ptr());
  } catch (const std::invalid_argument& error) {
    PyErr_SetObject(PyExc_ValueError, ErrorText(error).ptr());
  }
}

}  // namespace

void register_replay(py::module_& module) {
  py::register_local_exception_translator(&TranslateErrors);
  py::class_<LapReplay>(module, "LapReplay")
      .def(py::init(&MakeReplay), py::arg("capacity"), py::arg("obs_size"), py::arg("action_size"),
           py::arg("seeds"), py::arg("streams"), py::arg("alpha"), py::arg("min_priority"),
           py::arg("scratch_dir"))
      .def_property_readonly("members", &LapReplay::members)
      .def_property_readonly("nbytes", py::cpp_function(&LapReplay::CommittedBytes, Unlocked()))
      .def("add", &Add, py::arg("member"), py::arg("stream"), py::arg("obs"), py::arg("action"),
           py::arg("reward"), py::arg("next_obs"), py::arg("terminated"), py::arg("truncated"))
      .def("add_episode", &AddEpisode, py::arg("member"), py::arg("stream"), py::arg("obs"),
           py::arg("action"), py::arg("reward"), py::arg("terminated"))
      .def("add_transitions", &AddTransitions, py::arg("member"), py::arg("stream"), py::arg("obs"),
           py::arg("action"), py::arg("reward"), py::arg("next_obs"), py::arg("terminated"),
           py::arg("truncated"))
      .def("end_episode", &LapReplay::EndEpisode, Unlocked(), py::arg("member"), py::arg("stream"))
      .def("sample", &Sample, py::arg("members"), py::arg("obs"), py::arg("action"),
           py::arg("reward"), py::arg("next_obs"), py::arg("not_terminated"), py::arg("index"),
           py::arg("probability") = py::none(), py::arg("drawn_at") = py::none())
      .def("update_priorities", &UpdatePriorities, py::arg("members"), py::arg("index"),
           py::arg("td_error"), py::arg("drawn_at") = py::none())
      .def("clear", &Clear, py::arg("members"))
      .def("reset_max_priority", &ResetMaxPriority, py::arg("members"))
      .def("size", Getter([](const LapBuffer& buffer) { return buffer.size(); }), Unlocked())
      .def("max_priority", Getter([](const LapBuffer& buffer) { return buffer.max_priority(); }),
           Unlocked())
      .def("draw_counter", Getter([](const LapBuffer& buffer) { return buffer.draw_counter(); }),
           Unlocked())
      .def("set_draw_counter", &LapReplay::SetDrawCounter, Unlocked(), py::arg("member"),
           py::arg("counter"))
      .def(
          "priority",
          [](LapReplay& replay, std::int64_t member, std::int64_t index) {
            return replay.Get(member,
                              [index](const LapBuffer& buffer) { return buffer.Priority(index); });
          },
          Unlocked())
      .def(
          "path_probability",
          [](LapReplay& replay, std::int64_t member, std::int64_t index) {
            return replay.Get(member, [index](const LapBuffer& buffer) {
              buffer.Priority(index);  // refuses an index that holds no transition
              return buffer.tree().PathProbability(index);
            });
          },
          Unlocked())
      .def(
          "save",
          [](LapReplay& replay, const std::string& path, bool in_pieces,
             const std::string& earlier) { replay.Save(path, {in_pieces, earlier}); },
          Unlocked(), py::arg("path"), py::arg("in_pieces"), py::arg("earlier"))
      .def("load", &LapReplay::Load, Unlocked(), py::arg("path"));
}

}  // namespace td7
