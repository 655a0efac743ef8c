// jieba's files: dict.txt and the tables of finalseg/, which are Python dictionaries.
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/mapped_file.h"
#include "evaluation/chinese_words.h"
#include "tokenizer/utf8.h"

namespace tome {
namespace {

using python::TextView;

constexpr std::uint64_t kMostBytes = std::uint64_t{256} << 20;
constexpr std::string_view kStates = "BEMS";

std::string_view ascii_stripped(std::string_view text) {
  constexpr std::string_view space = " \t\n\r\f\v";
  const std::size_t begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(space) + 1 - begin);
}

/// Walks {'B': {'\u4e00': -3.65, …}, …} and {'B': -0.26, …}: strings of one character and numbers.
class PythonTable {
 public:
  PythonTable(std::string_view text, std::string path) : text_(text), path_(std::move(path)) {
    at_ = text.find('{');
    if (at_ == std::string_view::npos) at_ = text.size();
  }

  bool take(char wanted) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  Status expect(char wanted) {
    if (take(wanted)) return {};
    return fail(ErrorKind::format, "[jieba] {}: byte {}, expected '{}'", path_, at_, wanted);
  }

  Result<char32_t> key() {
    TOME_TRY(expect('\''));
    char32_t character = 0;
    if (text_.substr(at_, 2) == "\\u" && at_ + 6 <= text_.size()) {
      std::uint32_t code = 0;
      const auto read = std::from_chars(text_.data() + at_ + 2, text_.data() + at_ + 6, code, 16);
      if (read.ptr != text_.data() + at_ + 6)
        return fail(ErrorKind::format, "[jieba] {}: byte {}, expected four hexadecimal digits", path_, at_);
      character = static_cast<char32_t>(code);
      at_ += 6;
    } else if (at_ < text_.size()) {
      const Utf8Step step = read_utf8(text_, at_);
      character = static_cast<char32_t>(step.code_point);
      at_ += step.length;
    }
    TOME_TRY(expect('\''));
    TOME_TRY(expect(':'));
    return character;
  }

  Result<std::size_t> state() {
    TOME_ASSIGN(const char32_t name, key());
    const std::size_t place = name < 0x80 ? kStates.find(static_cast<char>(name)) : std::string_view::npos;
    if (place == std::string_view::npos)
      return fail(ErrorKind::format, "[jieba] {}: byte {}, expected state B, E, M or S", path_, at_);
    return place;
  }

  Result<double> number() {
    skip_space();
    double value = 0;
    const auto read = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (read.ec != std::errc()) return fail(ErrorKind::format, "[jieba] {}: byte {}, expected a number", path_, at_);
    at_ = static_cast<std::size_t>(read.ptr - text_.data());
    return value;
  }

  /// {entry, entry, …}
  template <class Entry>
  Status entries(Entry entry) {
    TOME_TRY(expect('{'));
    while (!take('}')) {
      TOME_TRY(entry());
      if (take(',')) continue;
      TOME_TRY(expect('}'));
      break;
    }
    return {};
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }

  std::string_view text_;
  std::string path_;
  std::size_t at_ = 0;
};

Status read_start(const std::string& path, ChineseModel& model) {
  TOME_ASSIGN(const std::string text, read_file(path, kMostBytes));
  PythonTable table(text, path);
  return table.entries([&]() -> Status {
    TOME_ASSIGN(const std::size_t state, table.state());
    TOME_ASSIGN(model.start[state], table.number());
    return {};
  });
}

Status read_transition(const std::string& path, ChineseModel& model) {
  for (auto& row : model.transition) row.fill(-3.14e100);
  TOME_ASSIGN(const std::string text, read_file(path, kMostBytes));
  PythonTable table(text, path);
  return table.entries([&]() -> Status {
    TOME_ASSIGN(const std::size_t from, table.state());
    return table.entries([&]() -> Status {
      TOME_ASSIGN(const std::size_t to, table.state());
      TOME_ASSIGN(model.transition[from][to], table.number());
      return {};
    });
  });
}

Status read_emission(const std::string& path, ChineseModel& model) {
  TOME_ASSIGN(const std::string text, read_file(path, kMostBytes));
  PythonTable table(text, path);
  return table.entries([&]() -> Status {
    TOME_ASSIGN(const std::size_t state, table.state());
    return table.entries([&]() -> Status {
      TOME_ASSIGN(const char32_t character, table.key());
      TOME_ASSIGN(model.emission[state][character], table.number());
      return {};
    });
  });
}

}  // namespace

std::uint32_t ChineseDictionary::child(std::uint32_t node, char32_t character) const {
  const auto found = children_.find((std::uint64_t{node} << 21) | character);
  return found == children_.end() ? none : found->second;
}

std::uint64_t ChineseDictionary::frequency(TextView word) const {
  std::uint32_t node = root;
  for (const char32_t character : word) {
    node = child(node, character);
    if (node == none) return 0;
  }
  return frequencies_[node];
}

Result<ChineseDictionary> ChineseDictionary::load(const std::string& path) {
  TOME_ASSIGN(const std::string text, read_file(path, kMostBytes));
  ChineseDictionary dictionary;
  std::size_t line_number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = ascii_stripped(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    ++line_number;
    const std::size_t space = line.find(' ');
    std::uint64_t frequency = 0;
    const std::string_view rest = space == std::string_view::npos ? "" : line.substr(space + 1);
    const std::string_view number = rest.substr(0, rest.find(' '));
    const auto read = std::from_chars(number.data(), number.data() + number.size(), frequency);
    if (number.empty() || read.ptr != number.data() + number.size() || frequency > (std::uint64_t{1} << 40))
      return fail(ErrorKind::format, "[jieba] {}:{}: found '{}', expected a word, a space and its frequency", path,
                  line_number, line.substr(0, 40));
    std::uint32_t node = root;
    for (const char32_t character : python::decode(line.substr(0, space))) {
      const auto next = static_cast<std::uint32_t>(dictionary.frequencies_.size());
      const auto [entry, fresh] = dictionary.children_.emplace((std::uint64_t{node} << 21) | character, next);
      if (fresh) dictionary.frequencies_.push_back(0);
      node = entry->second;
    }
    dictionary.frequencies_[node] = frequency;
    dictionary.total_ += frequency;
  }
  if (dictionary.total_ == 0) return fail(ErrorKind::format, "[jieba] {}: no word, expected a dictionary", path);
  return dictionary;
}

Result<ChineseModel> ChineseModel::load(const std::string& folder) {
  ChineseModel model;
  model.start.fill(-3.14e100);
  TOME_TRY(read_start(folder + "/prob_start.py", model));
  TOME_TRY(read_transition(folder + "/prob_trans.py", model));
  TOME_TRY(read_emission(folder + "/prob_emit.py", model));
  return model;
}

Result<ChineseSegmenter> load_chinese_segmenter(const std::string& path) {
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(path, ignored);
  ChineseSegmenter segmenter;
  TOME_ASSIGN(auto dictionary, ChineseDictionary::load(folder ? path + "/dict.txt" : path));
  segmenter.dictionary = std::make_shared<const ChineseDictionary>(std::move(dictionary));
  const std::string tables = path + "/finalseg";
  if (folder && std::filesystem::is_directory(tables, ignored)) {
    TOME_ASSIGN(auto model, ChineseModel::load(tables));
    segmenter.model = std::make_shared<const ChineseModel>(std::move(model));
  }
  return segmenter;
}

}  // namespace tome
