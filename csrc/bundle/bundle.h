// A bundle, the folder that `td7 export` writes, read and checked before anything of it is used.
//
// Refused: a file that is missing, extra, altered, no plain file or named so that it could lead out
// of the folder; a manifest altered since it was written (its own sum), of another schema, or that
// lacks what a controller needs. Only a warning: a README that is missing or altered, and extra
// files that no runtime reads (.DS_Store). The sums find accidents; against who can write the
// folder, pass the manifest's sum from outside.
//
// Threads: const methods at any time. Errors: std::runtime_error that names the file.
#ifndef TD7_BUNDLE_BUNDLE_H_
#define TD7_BUNDLE_BUNDLE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bundle/json.h"

namespace td7 {

inline constexpr const char* kBundleSchema = "td7.bundle/1";

class Bundle {
 public:
  // Reads the manifest and checks every file. `sha256`, unless empty, is what manifest_sha256 must
  // be.
  explicit Bundle(std::string folder, const std::string& sha256 = "");

  const std::string& folder() const { return folder_; }
  const std::string& manifest_sha256() const { return manifest_sha256_; }
  const JsonValue& manifest() const { return manifest_; }  // all of it, for what is not below

  // Which files that no runtime reads are not as they were written, and how.
  const std::vector<std::string>& warnings() const { return warnings_; }

  int obs_size() const { return obs_size_; }                         // S
  int action_size() const { return static_cast<int>(low_.size()); }  // A
  const std::vector<float>& low() const { return low_; }             // [A], finite, low < high
  const std::vector<float>& high() const { return high_; }           // [A]
  std::optional<double> dt() const { return dt_; }  // seconds between two actions, 1e-9 to 1e9
  double tolerance() const { return tolerance_; }   // of a float32 backend

  // What another variant's actions may be off ("native-bf16"), in units of half their range, unless
  // the manifest does not tell.
  std::optional<double> action_error(const std::string& variant) const;

  bool Holds(const std::string& file) const { return sums_.count(file) != 0; }

  // A file's whole content, once more held against its sum: what is used is what was checked.
  std::string Read(const std::string& file) const;

  // "FOLDER/FILE", as errors call it.
  std::string Path(const std::string& file) const;

 private:
  void ReadManifest();
  void ReadSizes();
  void CheckFiles();
  void CheckExtra(const std::string& name);
  void CheckFile(const std::string& name, const std::string& sum);

  std::string folder_;
  std::string manifest_sha256_;
  JsonValue manifest_;
  std::map<std::string, std::string> sums_;  // file -> SHA-256
  int obs_size_ = 0;
  std::vector<float> low_, high_;
  std::optional<double> dt_;
  double tolerance_ = 0.0;
  std::vector<std::string> warnings_;
};

// Test vectors: what eager torch computed when the bundle was written.
struct BundleVectors {
  int count;                   // N >= 1
  std::vector<float> obs;      // [N, S]
  std::vector<float> actions;  // [N, A]
};

BundleVectors ReadVectors(const Bundle& bundle);

}  // namespace td7

#endif  // TD7_BUNDLE_BUNDLE_H_
