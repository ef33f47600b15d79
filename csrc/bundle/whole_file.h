// A file that is there whole or not at all: what stands at its path is at any moment the former
// file or the new one, even if the process is killed or the power fails. It is first written to
// "PATH.partial", which a killed process may leave and the next one replaces. Only a plain file is
// replaced, never a device, a pipe or a symbolic link.
//
// Errors: std::runtime_error that names the file.
#ifndef TD7_BUNDLE_WHOLE_FILE_H_
#define TD7_BUNDLE_WHOLE_FILE_H_

#include <string>

namespace td7 {

// Tries it with an empty "PATH.partial" and throws where WriteWhole could not put a file.
void ExpectWritable(const std::string& path);

void WriteWhole(const std::string& path, const std::string& text);

}  // namespace td7

#endif  // TD7_BUNDLE_WHOLE_FILE_H_
