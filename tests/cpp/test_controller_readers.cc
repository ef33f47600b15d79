// What controller/ reads of a bundle, JSON and safetensors, is read strictly and stands hostile
// files; sums and percentiles are exact. Exits with 0 if all claims hold.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/json.h"
#include "bundle/json_object.h"
#include "bundle/safetensors.h"
#include "bundle/sha256.h"
#include "check.h"
#include "programs/latency.h"
#include "random/philox.h"

namespace td7 {
namespace {

JsonValue Json(std::string_view text) { return ReadJson(text, "F"); }

void SumsAreThoseOfTheStandard() {
  CHECK(Sha256Hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Sha256Hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256Hex(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  // every place in a block, and every size of a piece
  for (std::size_t n = 0; n < 140; ++n) {
    const std::string text(n, 'x');
    Sha256 pieces;
    for (std::size_t at = 0; at < n; at += 1 + n % 7) {
      pieces.Add(text.data() + at, std::min<std::size_t>(1 + n % 7, n - at));
    }
    CHECK(pieces.Hex() == Sha256Hex(text));
  }
}

void JsonIsReadAsItStands() {
  const JsonValue value = Json(" {\"b\": [1, -0.5, 2e3, true, null], \"a\": \"x\"} ");
  CHECK(value.members.size() == 2 && value.members[0].name == "a");
  const JsonValue* const b = value.Find("b");
  CHECK(b->begin == 7 && b->items.size() == 5);
  CHECK(b->items[0].number == 1.0 && b->items[1].number == -0.5 && b->items[2].number == 2000.0);
  CHECK(b->items[3].boolean && b->items[4].kind == JsonValue::Kind::kNull);
  CHECK(value.Find("c") == nullptr && b->Find("b") == nullptr);
  CHECK(Json("0.1").number == 0.1 && Json("-0").number == 0.0);
  CHECK(Json("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"").string == "\"\\/\b\f\n\r\t");
  CHECK(Json("\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"").string == "A\u00e9\u20ac\U0001F600");
  CHECK(Json("\"\u00e9\u20ac\U0001F600\"").string == "\u00e9\u20ac\U0001F600");
  CHECK(Json("\"\\u0000\"").string == std::string(1, '\0'));
}

void WhatIsNoJsonIsRefused() {
  using namespace std::string_literals;
  const std::string texts[] = {
      "",
      " ",
      "{",
      "}",
      "[1,]",
      "[,1]",
      "{\"a\":1,}",
      "{\"a\"}",
      "{a:1}",
      "nul",
      "NaN",
      "Infinity",
      "-",
      "01",
      "1.",
      ".5",
      "1e",
      "+1",
      "0x1",
      "1e999",
      "\"a",
      "\"\\x\"",
      "\"\\u12g4\"",
      "\"\\ud800\"",
      "\"\\udc00\"",
      "\"\\ud800\\u0041\"",
      "[1 2]",
      "1 2",
      "// x\n1",
      "'a'",
      "\"\n\"",
      "\"\x80\"",
      "\"\xC0\xAF\"",
      "\"\xE0\x80\xAF\"",
      "\"\xF0\x80\x80\xAF\"",
      "\"\xE2\x82\"",
      "\"\xED\xA0\x80\"",
      "\"\xF4\x90\x80\x80\"",
      "\"\xF8\"",
      "\0"s,
      "1\0"s,
      "\"\xE2",
      "\"\\",
      "\"\\u1",
  };
  for (const std::string& text : texts) {
    CHECK_THROWS(Json(text), std::runtime_error, "F: no JSON at byte ");
  }
  CHECK_THROWS(Json("{\"a\":1,\"b\":2,\"a\":3}"), std::runtime_error, "a name stands twice");
}

void DeepJsonIsRefusedBeforeTheStackEnds() {
  const auto nested = [](std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  CHECK(Json(nested(32)).items.size() == 1);
  CHECK_THROWS(Json(nested(34)), std::runtime_error, "more than 32 levels");
  CHECK_THROWS(Json(std::string(1000000, '[')), std::runtime_error, "more than 32 levels");
}

void MembersAreRefusedByName() {
  const JsonValue value = Json("{\"a\": {\"n\": [1, \"x\"], \"s\": 5}}");
  const JsonObject object(value, "F");
  CHECK_THROWS(object.String("b"), std::runtime_error, "F: b must be a string, got nothing");
  const JsonObject a = object.Object("a");
  CHECK_THROWS(a.String("s"), std::runtime_error, "F: a.s must be a string, got 5");
  CHECK_THROWS(a.Numbers("n"), std::runtime_error, "F: a.n must be an array of numbers, got an ar");
  CHECK_THROWS(a.Object("s"), std::runtime_error, "F: a.s must be an object, got 5");
  CHECK_THROWS(JsonObject(Json("[]"), "F"), std::runtime_error,
               "F: the content must be an object, got an array");
  CHECK(JsonCount(3.0, 1) == 3 && JsonCount(0.0, 0) == 0);
  CHECK(JsonCount(0.0, 1) == -1 && JsonCount(1.5, 1) == -1 && JsonCount(1e300, 1) == -1);
}

// a safetensors file of this header and `floats` numbers 0, 1, 2, ...
std::string File(const std::string& header, int floats) {
  const std::uint64_t size = header.size();
  std::string file(sizeof size, '\0');
  std::memcpy(file.data(), &size, sizeof size);
  file += header;
  for (int i = 0; i < floats; ++i) {
    const auto number = static_cast<float>(i);
    file.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  return file;
}

std::string Entry(const std::string& name, const std::string& shape, const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[" + shape + "],\"data_offsets\":[" +
         offsets + "]}";
}

void TensorsAreReadWhereverTheyLie() {
  const std::string header = "{\"__metadata__\":{\"k\":\"v\"}," + Entry("b", "3", "16,28") + "," +
                             Entry("a", "2,2", "0,16") + "," + Entry("c", "", "28,32") + "}   ";
  const Safetensors tensors(File(header, 8), "F");
  CHECK(tensors.Floats("a", {2, 2})[3] == 3.0F && tensors.Floats("b", {3})[0] == 4.0F);
  CHECK(*tensors.Floats("c", {}) == 7.0F && tensors.At("a", 2).shape[1] == 2);
  CHECK_THROWS(tensors.Floats("a", {4}), std::runtime_error, "F must hold a [4], got [2, 2]");
  CHECK_THROWS(tensors.At("b", 2), std::runtime_error, "F must hold b with 2 dimensions, got [3]");
  CHECK_THROWS(tensors.At("d", 1), std::runtime_error, "F lacks the tensor d");
}

void FilesThatDoNotAddUpAreRefused() {
  const auto refused = [](const std::string& content, const char* why) {
    CHECK_THROWS(Safetensors(content, "F"), std::runtime_error, why);
  };
  const auto entries = [&](const std::string& text, int floats, const char* why) {
    refused(File("{" + text + "}", floats), why);
  };
  refused("short", "F is shorter than its header");
  refused(std::string(8, '\xFF'), "F has a header of 18446744073709551615 bytes");
  refused(File("{}", 0).substr(0, 9), "F has a header of 2 bytes");
  refused(File("[]", 0), "F: the content must be an object");
  refused(File("{}", 1), "F has bytes that belong to no tensor");
  entries(Entry("a", "2", "0,8"), 1, "F: a.shape must be within the file");
  entries(Entry("a", "2", "0,4"), 2, "F: a.data_offsets must be the 8 bytes of its shape");
  entries(Entry("a", "2", "8,0"), 2, "F: a.data_offsets must be");
  entries(Entry("a", "2", "-8,0"), 2, "F: a.data_offsets must be");
  entries(Entry("a", "2", "0"), 2, "F: a.data_offsets must be");
  entries(Entry("a", "1", "4,8"), 2, "F has a gap or an overlap before tensor a");
  entries(Entry("a", "2", "0,8") + "," + Entry("b", "2", "4,12"), 3, "gap or an overlap");
  entries(Entry("a", "4294967296,4294967296", "0,4"), 1, "F: a.shape must be within the file");
  entries(Entry("a", "9007199254740992,2048", "0,4"), 1, "F: a.shape must be within the file");
  entries(Entry("a", "0", "0,0"), 0, "F: a.shape must be at most 8 counts from 1 on");
  entries(Entry("a", "0.5", "0,4"), 1, "F: a.shape must be at most 8 counts from 1 on");
  entries(Entry("a", "1,1,1,1,1,1,1,1,1", "0,4"), 1, "F: a.shape must be at most 8 counts");
  entries("\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}", 1,
          "F: a.dtype must be 'F32', got 'F16'");
  entries("\"a\":7", 0, "F: a must be an object, got 7");
}

// Bytes changed, cut or doubled at random are read or refused, and nothing else: the sanitizers see
// to that.
template <typename Read>
void SpoiltTextsAreReadOrRefused(const std::string& whole, const Read& read) {
  int refused = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const PhiloxStream random(1, StreamId("spoil"), i);
    const auto draw = [&](std::uint32_t block, std::size_t below) {
      return static_cast<std::size_t>(random.Uniform(block) * static_cast<double>(below));
    };
    std::string text = whole;
    for (std::uint32_t edit = 0; edit < 1 + i % 3; ++edit) {
      const std::size_t at = draw(4 * edit, text.size());
      const auto byte = static_cast<char>(draw(4 * edit + 1, 256));
      const std::size_t kind = draw(4 * edit + 2, 4);
      if (kind == 0) text[at] = byte;
      if (kind == 1) text[at] = "0123456789{}[],:\"\\eE+-."[draw(4 * edit + 1, 23)];
      if (kind == 2) text.erase(at, 1 + draw(4 * edit + 1, 8));
      if (kind == 3) text.insert(at, text.substr(draw(4 * edit + 1, text.size()), 9));
      if (text.empty()) text = " ";
    }
    try {
      read(text);
    } catch (const std::runtime_error&) {
      ++refused;
    }
  }
  CHECK(refused > 10000 && refused < 20000);
}

void SpoiltFilesAreReadOrRefused() {
  const std::string json =
      "{\"schema\": \"td7.bundle/1\", \"n\": [1, -2.5e3, 0.125], \"s\": \"a\\u00e9\\n\u20ac\", "
      "\"o\": {\"deep\": [[[true, false, null]]]}, \"free text\": \"anything at all goes here\"}";
  SpoiltTextsAreReadOrRefused(json, [](const std::string& text) { Json(text); });
  const std::string header = "{" + Entry("a", "2,3", "0,24") + "," + Entry("b", "4", "24,40") + "}";
  SpoiltTextsAreReadOrRefused(File(header, 10), [](const std::string& text) {
    const Safetensors tensors(text, "F");
    float read[6];  // every number is there to be read
    std::memcpy(read, tensors.Floats("a", {2, 3}), sizeof read);
  });
}

void PercentilesAreNumbersThatWereThere() {
  std::vector<double> sorted;
  for (int i = 1; i <= 1000; ++i) sorted.push_back(i);
  CHECK(Percentile(sorted, 0.5) == 500.0 && Percentile(sorted, 0.99) == 990.0);
  CHECK(Percentile(sorted, 0.999) == 999.0 && Percentile(sorted, 1.0) == 1000.0);
  CHECK(Percentile({7.0}, 0.5) == 7.0 && Percentile({1.0, 2.0}, 0.51) == 2.0);
}

}  // namespace
}  // namespace td7

int main() {
  using namespace td7;
  SumsAreThoseOfTheStandard();
  JsonIsReadAsItStands();
  WhatIsNoJsonIsRefused();
  DeepJsonIsRefusedBeforeTheStackEnds();
  MembersAreRefusedByName();
  TensorsAreReadWhereverTheyLie();
  FilesThatDoNotAddUpAreRefused();
  SpoiltFilesAreReadOrRefused();
  PercentilesAreNumbersThatWereThere();
  return failures == 0 ? 0 : 1;
}
