#include "bundle/bundle.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "bundle/json_object.h"
#include "bundle/safetensors.h"
#include "bundle/sha256.h"
#include "bundle/terminal_text.h"

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "infinity would pass for a number: compile without -ffinite-math-only and -ffast-math"
#endif

namespace td7 {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifest = "manifest.json";
constexpr const char* kWeights = "policy.safetensors";
constexpr const char* kReadme = "README.md";
constexpr const char* kUnread = " (no runtime reads it)";
constexpr std::uint64_t kMostManifest = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostFile = std::uint64_t{1} << 30;
constexpr int kMostNumbers = 1 << 20;  // of an observation or an action
constexpr double kTolerance = 1e-5;    // bundles have no other

[[noreturn]] void Refuse(const std::string& path, const std::string& why) {
  throw std::runtime_error(path + " " + why);
}

// Letters, digits, dot, hyphen and underscore, not a dot first: a name in the folder itself.
bool IsPlainName(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.size() <= 255 && name[0] != '.' &&
         name.find_first_not_of(kAllowed) == name.npos;
}

bool IsSum(const std::string& text) { return !text.empty() && ReadSum(text) == text; }

// Opens a plain file of at most `most` bytes and tells its size.
std::ifstream Open(const std::string& path, std::uint64_t most, std::uint64_t* bytes) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (!fs::exists(status)) Refuse(path, "is missing");
  if (!fs::is_regular_file(status)) Refuse(path, "must be a plain file");
  *bytes = fs::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) Refuse(path, "cannot be read");
  if (*bytes > most) {
    Refuse(path,
           "must have at most " + std::to_string(most) + " bytes, got " + std::to_string(*bytes));
  }
  return file;
}

std::string Content(const std::string& path, std::uint64_t most) {
  std::uint64_t bytes = 0;
  std::ifstream file = Open(path, most, &bytes);
  std::string content(static_cast<std::size_t>(bytes), '\0');
  file.read(content.data(), static_cast<std::streamsize>(bytes));
  if (!file || file.peek() != std::ifstream::traits_type::eof()) {
    Refuse(path, "changed while it was read");
  }
  return content;
}

std::string SumOf(const std::string& path) {
  std::uint64_t bytes = 0;
  std::ifstream file = Open(path, kMostFile, &bytes);
  Sha256 sum;
  std::vector<char> piece(1 << 16);
  while (file) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    sum.Add(piece.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (file.bad()) Refuse(path, "cannot be read");
  return sum.Hex();
}

constexpr const char* kAltered = "is not as it was written (SHA-256 differs)";

void CheckSum(const std::string& path, const std::string& wanted, const std::string& got) {
  if (got != wanted) Refuse(path, kAltered);
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// The likely cause of another sum where the text has it with other ends of lines; else empty.
std::string CauseOf(const std::string& file, std::string text, const std::string& wanted) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool converted = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (!converted) text[kept++] = text[i];
  }
  text.resize(kept);
  if (Sha256Hex(text) != wanted) return "";
  return ": its lines end in CRLF, with LF it is; git may have converted them (a .gitattributes "
         "with '" +
         file + " -text' stops that)";
}

// Whether a runtime or a compiler may read a file of this name: not the README, a hidden file
// (.DS_Store) or one of another ending.
bool IsRead(const std::string& name) {
  if (name.empty() || name[0] == '.') return false;
  std::string lower = name;
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  for (const char* const end : {".onnx", ".pt", ".pt2", ".safetensors", ".h", ".json"}) {
    if (EndsWith(lower, end)) return true;
  }
  return false;
}

// obs and actions: {"shape": [n], "dtype": "float32", ...}
int ReadSize(const JsonObject& array) {
  if (array.String("dtype") != "float32") array.Refuse("dtype", "'float32'");
  const std::vector<double> shape = array.Numbers("shape");
  const std::int64_t size = shape.size() == 1 ? JsonCount(shape[0], 1) : -1;
  if (size < 1 || size > kMostNumbers) array.Refuse("shape", "[n] with n from 1 to 1048576");
  return static_cast<int>(size);
}

std::vector<float> ReadBound(const JsonObject& actions, const char* name, int size) {
  std::vector<float> bound;
  for (const double number : actions.Numbers(name)) {
    // beyond float32 the conversion is undefined
    if (std::abs(number) > 3.4e38) actions.Refuse(name, "within float32");
    bound.push_back(static_cast<float>(number));
  }
  if (bound.size() == static_cast<std::size_t>(size)) return bound;
  actions.Refuse(name, std::to_string(size) + " numbers");
}

}  // namespace

Bundle::Bundle(std::string folder, const std::string& sha256) : folder_(std::move(folder)) {
  std::error_code error;
  if (!fs::is_directory(folder_, error)) Refuse(folder_, "is not a folder");
  ReadManifest();
  if (!sha256.empty() && sha256 != manifest_sha256_) {
    Refuse(Path(kManifest), "has the sum " + manifest_sha256_ + ", not the one asked for");
  }
  ReadSizes();
  CheckFiles();
}

std::string Bundle::Path(const std::string& file) const { return folder_ + "/" + file; }

void Bundle::ReadManifest() {
  const std::string path = Path(kManifest);
  std::string text = Content(path, kMostManifest);
  manifest_ = ReadJson(text, path);
  const JsonObject manifest(manifest_, path);
  if (manifest.String("schema") != kBundleSchema) {
    manifest.Refuse("schema", std::string("'") + kBundleSchema + "'");
  }
  // the sum is that of the text without the sum's own digits
  manifest_sha256_ = manifest.String("manifest_sha256");
  const std::size_t digits = manifest_.Find("manifest_sha256")->begin + 1;
  if (!IsSum(manifest_sha256_) || text.compare(digits, 64, manifest_sha256_) != 0) {
    manifest.Refuse("manifest_sha256", "64 digits of 0-9 and a-f");
  }
  text.erase(digits, 64);
  if (Sha256Hex(text) != manifest_sha256_) {
    Refuse(path, kAltered + CauseOf(kManifest, text, manifest_sha256_));
  }

  const JsonObject sums = manifest.Object("sha256");
  for (const JsonMember& member : sums.members()) {
    if (!IsPlainName(member.name) || member.name == kManifest) {
      Refuse(path, "names a file that no bundle holds: '" + ShortText(member.name) + "'");
    }
    if (!IsSum(sums.String(member.name))) sums.Refuse(member.name, "64 digits of 0-9 and a-f");
    sums_[member.name] = member.value.string;
  }
}

void Bundle::ReadSizes() {
  const std::string path = Path(kManifest);
  const JsonObject manifest(manifest_, path);
  const JsonObject actions = manifest.Object("actions");
  obs_size_ = ReadSize(manifest.Object("obs"));
  const int size = ReadSize(actions);
  low_ = ReadBound(actions, "low", size);
  high_ = ReadBound(actions, "high", size);
  for (std::size_t i = 0; i < low_.size(); ++i) {
    // also true of a range beyond float32
    if (!(low_[i] < high_[i] && std::isfinite(high_[i] - low_[i]))) {
      Refuse(path, "must have actions.low below actions.high, by a finite number");
    }
  }
  const JsonValue* const dt = manifest_.Find("dt");
  if (dt != nullptr && dt->kind != JsonValue::Kind::kNull) {
    dt_ = manifest.Number("dt");
    if (*dt_ < 1e-9 || *dt_ > 1e9) manifest.Refuse("dt", "null or seconds from 1e-9 to 1e9");
  }
  actions.ExpectTrue("scale_applied");
  tolerance_ = manifest.Number("tolerance");
  if (tolerance_ != kTolerance) manifest.Refuse("tolerance", "1e-5");
  for (const JsonMember& variant : manifest.Object("variants").members()) {
    action_error(variant.name);
  }
}

void Bundle::CheckFiles() {
  std::error_code error;
  fs::directory_iterator at(folder_, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name != kManifest && !Holds(name)) CheckExtra(name);
  }
  if (error) Refuse(folder_, "cannot be listed: " + error.message());
  if (!Holds(kWeights)) Refuse(Path(kWeights), "is missing");
  for (const auto& [name, sum] : sums_) CheckFile(name, sum);
}

void Bundle::CheckExtra(const std::string& name) {
  const std::string path = Path(ShortText(name));
  const fs::file_status status = fs::symlink_status(Path(name));
  const bool plain = fs::is_regular_file(status);
  if ((plain && IsRead(name)) || fs::is_symlink(status)) Refuse(path, "is not in the manifest");
  warnings_.push_back(path + " is not in the manifest" + kUnread);
}

void Bundle::CheckFile(const std::string& name, const std::string& sum) {
  const std::string path = Path(name);
  if (name == kReadme && !fs::exists(fs::symlink_status(path))) {
    warnings_.push_back(path + " is missing" + kUnread);
    return;
  }
  if (SumOf(path) == sum) return;
  std::string how = kAltered;
  for (const char* const end : {".md", ".h"}) {
    if (EndsWith(name, end)) how += CauseOf(name, Content(path, kMostFile), sum);
  }
  if (name != kReadme) Refuse(path, how);
  warnings_.push_back(path + " " + how + kUnread);
}

std::optional<double> Bundle::action_error(const std::string& variant) const {
  const JsonObject variants = JsonObject(manifest_, Path(kManifest)).Object("variants");
  if (!variants.Holds(variant)) return std::nullopt;
  const JsonObject measured = variants.Object(variant);
  const double error = measured.Number("action_error");
  if (error < 0.0 || error > 1.0) measured.Refuse("action_error", "from 0 to 1");
  return error;
}

std::string Bundle::Read(const std::string& file) const {
  const auto sum = sums_.find(file);
  if (sum == sums_.end()) Refuse(Path(file), "is not in the manifest");
  std::string content = Content(Path(file), kMostFile);
  CheckSum(Path(file), sum->second, Sha256Hex(content));
  return content;
}

BundleVectors ReadVectors(const Bundle& bundle) {
  const std::string file = "vectors.safetensors";
  const Safetensors tensors(bundle.Read(file), bundle.Path(file));
  const std::int64_t n = tensors.At("obs", 2).shape[0];
  if (n > kMostNumbers) Refuse(tensors.file(), "has more than 1048576 vectors");
  const auto copy = [&](const char* name, int width) {
    const float* const from = tensors.Floats(name, {n, width});
    return std::vector<float>(from, from + n * width);
  };
  return {static_cast<int>(n), copy("obs", bundle.obs_size()),
          copy("actions", bundle.action_size())};
}

}  // namespace td7
