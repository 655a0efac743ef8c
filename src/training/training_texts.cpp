#include "training/training_texts.h"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <set>

#include "base/digest.h"
#include "base/mapped_file.h"
#include "base/rng.h"
#include "tokenizer/utf8.h"

namespace tome {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;
constexpr std::size_t kEnoughDocuments = 5;

struct Found {
  std::string path;
  bool named;  ///< by the user, not found in a folder
};

Result<std::vector<Found>> find_files(const std::vector<std::string>& paths) {
  std::vector<Found> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      files.push_back({path, true});
      continue;
    }
    std::vector<std::string> inside;
    fs::recursive_directory_iterator entry(path, fs::directory_options::skip_permission_denied, error);
    for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error))
      if (std::error_code unknown; entry->is_regular_file(unknown)) inside.push_back(entry->path().string());
    if (error) return fail(ErrorKind::io, "[training] {}: {}", path, error.message());
    std::sort(inside.begin(), inside.end());
    for (std::string& file : inside) files.push_back({std::move(file), false});
  }
  return files;
}

std::uint64_t tokens_of(const std::vector<TrainingDocument>& documents) {
  std::uint64_t total = 0;
  for (const TrainingDocument& document : documents) total += document.tokens.size();
  return total;
}

/// Whole documents, in the order of a draw.
void hold_out_documents(TrainingTexts& texts, std::uint64_t wanted, std::uint64_t seed) {
  std::vector<std::size_t> order(texts.train.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  Rng rng(seed);
  shuffle(order, rng);
  std::set<std::size_t> held;
  std::uint64_t tokens = 0;
  for (const std::size_t index : order) {
    if (tokens >= wanted || held.size() + 1 >= texts.train.size()) break;
    tokens += texts.train[index].tokens.size();
    held.insert(index);
  }
  std::vector<TrainingDocument> kept;
  for (std::size_t index = 0; index < texts.train.size(); ++index)
    (held.contains(index) ? texts.held_out : kept).push_back(std::move(texts.train[index]));
  texts.train = std::move(kept);
  texts.notes.push_back(
      fmt::format("held out: {} of {} documents ({} tokens)", held.size(), order.size(), tokens_of(texts.held_out)));
}

void hold_out_ends(TrainingTexts& texts, double share) {
  for (TrainingDocument& document : texts.train) {
    const auto kept = static_cast<std::size_t>(static_cast<double>(document.tokens.size()) * (1.0 - share));
    TrainingDocument end{document.path, {}};
    end.tokens.assign(document.tokens.begin() + static_cast<std::ptrdiff_t>(kept), document.tokens.end());
    document.tokens.resize(kept);
    texts.held_out.push_back(std::move(end));
  }
  texts.notes.push_back(
      fmt::format("held out: the last {:.0f} % of each of {} documents ({} tokens): fewer than {} leave "
                  "no whole one to spare",
                  100.0 * share, texts.train.size(), tokens_of(texts.held_out), kEnoughDocuments));
}

}  // namespace

std::uint64_t TrainingTexts::tokens() const { return tokens_of(train); }

std::string TrainingTexts::fingerprint() const {
  Sha256 digest;
  digest.update(fmt::format("{}", bos));
  for (const TrainingDocument& document : train) {
    digest.update(fmt::format("\n{}\n", document.tokens.size()));
    digest.update(std::as_bytes(std::span(document.tokens)));
  }
  return digest.hex();
}

Result<TrainingTexts> read_training_texts(const std::vector<std::string>& paths, const Tokenizer& tokenizer,
                                          double held_out_share, std::uint64_t seed) {
  TOME_ASSIGN(const std::vector<Found> files, find_files(paths));
  TrainingTexts texts;
  texts.bos = tokenizer.spec().add_bos ? static_cast<std::int32_t>(tokenizer.spec().bos) : -1;
  std::set<std::string> seen;
  std::size_t copies = 0, unreadable = 0;
  for (const Found& file : files) {
    TOME_ASSIGN(const std::string text, read_file(file.path, kMostBytes));
    if (!is_valid_utf8(text)) {
      if (file.named) return fail(ErrorKind::format, "[training] {}: not UTF-8, expected a text", file.path);
      ++unreadable;
      continue;
    }
    if (text.empty()) continue;
    if (!seen.insert(sha256_hex(std::as_bytes(std::span(text)))).second) {
      ++copies;
      continue;
    }
    texts.train.push_back({file.path, tokenizer.encode(text, AddSpecial::no, ParseSpecial::no)});
  }
  if (copies > 0) texts.notes.push_back(fmt::format("{} copies of other documents left out", copies));
  if (unreadable > 0) texts.notes.push_back(fmt::format("{} files that are not UTF-8 left out", unreadable));
  if (texts.tokens() < 2) return fail(ErrorKind::usage, "[training] no text to train on in {} files", files.size());
  if (held_out_share <= 0.0) return texts;
  if (texts.train.size() < kEnoughDocuments)
    hold_out_ends(texts, held_out_share);
  else
    hold_out_documents(texts, static_cast<std::uint64_t>(held_out_share * static_cast<double>(texts.tokens())), seed);
  return texts;
}

}  // namespace tome
