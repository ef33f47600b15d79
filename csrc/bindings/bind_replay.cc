// LapReplay: the LAP buffers of P members behind one door. Every method unpacks its arguments under
// the GIL, checks everything, then releases the GIL once and does the whole job. A lock makes it
// safe for Python threads to share one.
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "bindings/numpy_args.h"
#include "bindings/register.h"
#include "replay/lap_buffer.h"
#include "replay/lap_checks.h"
#include "replay/lap_state.h"

namespace py = pybind11;

namespace td7 {
namespace {

class LapReplay {
 public:
  LapReplay(LapConfig config, const std::uint64_t* seeds, std::int64_t members) {
    if (members < 1) throw std::invalid_argument("seeds must have at least one entry");
    for (std::int64_t p = 0; p < members; ++p) {
      config.seed = seeds[p];
      configs_.push_back(config);
    }
    members_ = Empty();
  }

  std::int64_t members() const { return static_cast<std::int64_t>(configs_.size()); }

  void Add(std::int64_t member, std::int64_t stream, py::handle obs, py::handle action,
           double reward, py::handle next_obs, bool terminated, bool truncated) {
    const LapConfig& config = configs_.front();
    const auto* obs_data = InputArray<float>(obs, "obs", {config.obs_size});
    const auto* action_data = InputArray<float>(action, "action", {config.action_size});
    const auto* next_data = InputArray<float>(next_obs, "next_obs", {config.obs_size});
    Run([&] {
      Member(member).AddStep(stream, obs_data, action_data, static_cast<float>(reward), next_data,
                             terminated, truncated);
    });
  }

  void AddEpisode(std::int64_t member, std::int64_t stream, py::handle obs, py::handle action,
                  py::handle reward, bool terminated) {
    const LapConfig& config = configs_.front();
    const auto* reward_data = InputArray<float>(reward, "reward", {"T"});
    const std::int64_t steps = SizeOf(reward, 0);
    const auto* obs_data = InputArray<float>(obs, "obs", {steps + 1, config.obs_size});
    const auto* action_data = InputArray<float>(action, "action", {steps, config.action_size});
    Run([&] {
      Member(member).AddEpisode(stream, steps, obs_data, action_data, reward_data, terminated);
    });
  }

  void EndEpisode(std::int64_t member, std::int64_t stream) {
    Run([&] { Member(member).EndEpisode(stream); });
  }

  void Sample(py::handle members, py::handle obs, py::handle action, py::handle reward,
              py::handle next_obs, py::handle not_terminated, py::handle index,
              py::handle probability) {
    const LapConfig& config = configs_.front();
    const auto* chosen = InputArray<std::int64_t>(members, "members", {"M"});
    const std::int64_t m = SizeOf(members, 0);
    auto* index_data = OutputArray<std::int64_t>(index, "index", {m, "B"});
    const std::int64_t b = SizeOf(index, 1);
    const SampleOutput all{
        OutputArray<float>(obs, "obs", {m, b, config.obs_size}),
        OutputArray<float>(action, "action", {m, b, config.action_size}),
        OutputArray<float>(reward, "reward", {m, b}),
        OutputArray<float>(next_obs, "next_obs", {m, b, config.obs_size}),
        OutputArray<float>(not_terminated, "not_terminated", {m, b}),
        index_data,
        probability.is_none() ? nullptr : OutputArray<double>(probability, "probability", {m, b})};
    Run([&] {
      CheckMembers(chosen, m);
      for (std::int64_t i = 0; i < m; ++i) Member(chosen[i]).CheckSample(b);
      for (std::int64_t i = 0; i < m; ++i) {
        Member(chosen[i]).DrawAndGather(b, Slice(all, i * b, config));
      }
    });
  }

  void UpdatePriorities(py::handle members, py::handle index, py::handle td_error) {
    const auto* chosen = InputArray<std::int64_t>(members, "members", {"M"});
    const std::int64_t m = SizeOf(members, 0);
    const auto* index_data = InputArray<std::int64_t>(index, "index", {m, "B"});
    const std::int64_t b = SizeOf(index, 1);
    const auto* error_data = InputArray<float>(td_error, "td_error", {m, b});
    Run([&] {
      CheckMembers(chosen, m);
      for (std::int64_t i = 0; i < m; ++i) {
        Member(chosen[i]).CheckUpdate(index_data + i * b, error_data + i * b, b, i);
      }
      for (std::int64_t i = 0; i < m; ++i) {
        Member(chosen[i]).ApplyUpdate(index_data + i * b, error_data + i * b, b);
      }
    });
  }

  void ResetMaxPriority(py::handle members) {
    const auto* chosen = InputArray<std::int64_t>(members, "members", {"M"});
    const std::int64_t m = SizeOf(members, 0);
    Run([&] {
      CheckMembers(chosen, m);
      for (std::int64_t i = 0; i < m; ++i) Member(chosen[i]).ResetMaxPriority();
    });
  }

  void SetDrawCounter(std::int64_t member, std::uint64_t counter) {
    Run([&] { Member(member).set_draw_counter(counter); });
  }

  // A property of one member, read under the lock.
  template <typename Read>
  auto Get(std::int64_t member, const Read& read) {
    return Run([&] { return read(std::as_const(Member(member))); });
  }

  std::size_t CommittedBytes() {
    return Run([&] {
      std::size_t bytes = sizeof(*this) + configs_.capacity() * sizeof(LapConfig);
      for (const LapBuffer& member : members_) bytes += member.CommittedBytes();
      return bytes;
    });
  }

  void Save(const std::string& path) {
    Run([&] { SaveMembers(path, members_); });
  }

  void Load(const std::string& path) {
    Run([&] { members_ = LoadMembers(path, configs_); });
  }

 private:
  // Runs the job without the GIL and under the lock, which is let go before the GIL is waited for
  // again.
  template <typename Job>
  std::invoke_result_t<Job> Run(const Job& job) {
    const py::gil_scoped_release unlocked;
    const std::lock_guard<std::mutex> alone(mutex_);
    return job();
  }

  LapBuffer& Member(std::int64_t member) {
    CheckIndex("member", member, members());
    return members_[static_cast<std::size_t>(member)];
  }

  void CheckMembers(const std::int64_t* chosen, std::int64_t count) const {
    std::vector<bool> seen(configs_.size(), false);
    for (std::int64_t i = 0; i < count; ++i) {
      CheckIndex("members", chosen[i], members());
      const auto member = static_cast<std::size_t>(chosen[i]);
      if (seen[member]) {
        throw std::invalid_argument("members must be distinct, got " + std::to_string(member) +
                                    " twice");
      }
      seen[member] = true;
    }
  }

  static SampleOutput Slice(const SampleOutput& all, std::int64_t first, const LapConfig& config) {
    return {all.obs + first * config.obs_size,
            all.action + first * config.action_size,
            all.reward + first,
            all.next_obs + first * config.obs_size,
            all.not_terminated + first,
            all.index + first,
            all.probability == nullptr ? nullptr : all.probability + first};
  }

  std::vector<LapBuffer> Empty() const {
    std::vector<LapBuffer> members;
    members.reserve(configs_.size());
    for (const LapConfig& config : configs_) members.emplace_back(config);
    return members;
  }

  std::vector<LapConfig> configs_;  // equal but for the seed
  std::vector<LapBuffer> members_;
  std::mutex mutex_;
};

std::unique_ptr<LapReplay> MakeReplay(std::int64_t capacity, int obs_size, int action_size,
                                      py::handle seeds, int streams, double alpha,
                                      double min_priority) {
  const auto* seed = InputArray<std::uint64_t>(seeds, "seeds", {"P"});
  const LapConfig config{capacity, obs_size, action_size, streams, alpha, min_priority, 0};
  return std::make_unique<LapReplay>(config, seed, SizeOf(seeds, 0));
}

// Failed system calls reach Python as OSError with their number.
void TranslateSystemErrors(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const std::system_error& error) {
    const py::tuple arguments = py::make_tuple(error.code().value(), error.what());
    PyErr_SetObject(PyExc_OSError, arguments.ptr());
  }
}

}  // namespace

void register_replay(py::module_& module) {
  py::register_local_exception_translator(&TranslateSystemErrors);
  py::class_<LapReplay>(module, "LapReplay")
      .def(py::init(&MakeReplay), py::arg("capacity"), py::arg("obs_size"), py::arg("action_size"),
           py::arg("seeds"), py::arg("streams"), py::arg("alpha"), py::arg("min_priority"))
      .def_property_readonly("members", &LapReplay::members)
      .def_property_readonly("nbytes", &LapReplay::CommittedBytes)
      .def("add", &LapReplay::Add, py::arg("member"), py::arg("stream"), py::arg("obs"),
           py::arg("action"), py::arg("reward"), py::arg("next_obs"), py::arg("terminated"),
           py::arg("truncated"))
      .def("add_episode", &LapReplay::AddEpisode, py::arg("member"), py::arg("stream"),
           py::arg("obs"), py::arg("action"), py::arg("reward"), py::arg("terminated"))
      .def("end_episode", &LapReplay::EndEpisode, py::arg("member"), py::arg("stream"))
      .def("sample", &LapReplay::Sample, py::arg("members"), py::arg("obs"), py::arg("action"),
           py::arg("reward"), py::arg("next_obs"), py::arg("not_terminated"), py::arg("index"),
           py::arg("probability") = py::none())
      .def("update_priorities", &LapReplay::UpdatePriorities, py::arg("members"), py::arg("index"),
           py::arg("td_error"))
      .def("reset_max_priority", &LapReplay::ResetMaxPriority, py::arg("members"))
      .def("size",
           [](LapReplay& replay, std::int64_t member) {
             return replay.Get(member, [](const LapBuffer& buffer) { return buffer.size(); });
           })
      .def("max_priority",
           [](LapReplay& replay, std::int64_t member) {
             return replay.Get(member,
                               [](const LapBuffer& buffer) { return buffer.max_priority(); });
           })
      .def("draw_counter",
           [](LapReplay& replay, std::int64_t member) {
             return replay.Get(member,
                               [](const LapBuffer& buffer) { return buffer.draw_counter(); });
           })
      .def("set_draw_counter", &LapReplay::SetDrawCounter, py::arg("member"), py::arg("counter"))
      .def("priority",
           [](LapReplay& replay, std::int64_t member, std::int64_t index) {
             return replay.Get(member,
                               [index](const LapBuffer& buffer) { return buffer.Priority(index); });
           })
      .def("path_probability",
           [](LapReplay& replay, std::int64_t member, std::int64_t index) {
             return replay.Get(member, [index](const LapBuffer& buffer) {
               buffer.Priority(index);  // refuses an index that holds no transition
               return buffer.tree().PathProbability(index);
             });
           })
      .def("save", &LapReplay::Save, py::arg("path"))
      .def("load", &LapReplay::Load, py::arg("path"));
}

}  // namespace td7
