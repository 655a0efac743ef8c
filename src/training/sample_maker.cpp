#include "training/sample_maker.h"

#include <algorithm>

#include "base/check.h"
#include "training/skip_positions.h"

namespace tome {
namespace {

/// A stream of numbers of its own for each (seed, what, number).
Rng rng_of(std::uint64_t seed, std::uint64_t what, std::uint64_t number) {
  Rng mixed(seed ^ (what * 0x9e3779b97f4a7c15ULL));
  return Rng(mixed.next() ^ number);
}

enum : std::uint64_t { kKind, kStart, kOrder, kSkip, kExercise };  // what a stream is for

}  // namespace

Result<SampleMaker> SampleMaker::create(const TrainingTexts& texts, const TrainingSampleOptions& options,
                                        std::shared_ptr<const RetrievalExercises> exercises) {
  SampleMaker maker(texts, options);
  maker.exercises_ = std::move(exercises);
  CHECK(options.retrieval_share == 0.0 || maker.exercises_ != nullptr);
  if (options.short_share + options.retrieval_share > 1.0 + 1e-9)
    return fail(ErrorKind::usage, "--short-share {} and --mix retrieval:{}: expected at most 1 together",
                options.short_share, options.retrieval_share);
  if (options.retrieval_share > 0.0 && maker.long_length() <= RetrievalExercises::shortest)
    return fail(ErrorKind::usage, "--mix retrieval: exercises of {} tokens (--length), expected more than {}",
                maker.long_length(), RetrievalExercises::shortest);
  const auto windows = maker.windows_of(maker.long_length(), 0);
  const auto short_windows = options.short_share > 0.0 ? maker.windows_of(options.length, 0) : std::vector<Window>{};
  if (windows.empty() || (options.short_share > 0.0 && short_windows.empty()))
    return fail(ErrorKind::usage, "[training] {} tokens of text, expected more than one sample of {}", texts.tokens(),
                maker.long_length());
  maker.windows_ = windows.size();
  const auto look_at = [&](const std::vector<Window>& all) {
    for (const Window& window : all) {
      std::uint64_t tokens = 0;
      for (const Segment& segment : window) tokens += segment.count + (texts.bos >= 0 ? 1 : 0);
      maker.longest_ = std::max(maker.longest_, tokens);
    }
  };
  if (options.short_share < 1.0) look_at(windows);
  look_at(short_windows);
  if (options.retrieval_share > 0.0) maker.longest_ = std::max(maker.longest_, maker.long_length());
  return maker;
}

std::vector<SampleMaker::Window> SampleMaker::windows_of(std::uint64_t length, std::uint64_t round) const {
  const std::uint64_t room = length - (texts_->bos >= 0 ? 1 : 0);  // tokens of a window beside BOS
  std::vector<Window> windows;
  Window packed;
  std::uint64_t used = 0;
  for (std::size_t index = 0; index < texts_->train.size(); ++index) {
    const std::uint64_t tokens = texts_->train[index].tokens.size();
    const std::uint64_t whole = tokens > room ? (tokens - 1) / room : 0;  // the last token of a window has a target
    if (whole > 0) {
      Rng rng = rng_of(options_.seed, kStart, round * texts_->train.size() + index);
      const std::uint64_t start = rng.below(tokens - 1 - whole * room + 1);
      for (std::uint64_t window = 0; window < whole; ++window)
        windows.push_back({{index, start + window * room, room}});
      continue;
    }
    if (tokens < 2) continue;
    const std::uint64_t taken = tokens + (texts_->bos >= 0 ? 1 : 0);
    if (used + taken > length && !packed.empty()) {
      windows.push_back(std::move(packed));
      packed.clear();
      used = 0;
    }
    packed.push_back({index, 0, tokens});
    used += taken;
  }
  if (!packed.empty()) windows.push_back(std::move(packed));
  Rng rng = rng_of(options_.seed, kOrder, round ^ (length << 20));
  shuffle(windows, rng);
  return windows;
}

/// Each segment is a document, at positions from 0.
TrainingSample SampleMaker::sample_of(const Window& window) const {
  TrainingSample sample;
  for (const Segment& segment : window) {
    const std::vector<std::int32_t>& tokens = texts_->train[segment.document].tokens;
    const auto start = static_cast<std::uint32_t>(sample.tokens.size());
    if (texts_->bos >= 0) {
      sample.tokens.push_back(texts_->bos);
      sample.targets.push_back(tokens[segment.first]);
    }
    for (std::uint64_t i = segment.first; i < segment.first + segment.count; ++i) {
      sample.tokens.push_back(tokens[i]);
      sample.targets.push_back(i + 1 < tokens.size() ? tokens[i + 1] : TrainingSample::kNoTarget);
    }
    for (std::uint64_t i = start; i < sample.tokens.size(); ++i) {
      sample.positions.push_back(i - start);
      sample.local_positions.push_back(i - start);
      sample.document_start.push_back(start);
      sample.local_start.push_back(start);
    }
  }
  return sample;
}

/// Moves the tokens of a document's window as far apart in it as their positions are, or, where it does not reach so
/// far, by a draw: what is far away is then as loosely related as it is in a long text, and the model learns how much
/// to make of it. (PoSE's vᵢ = uᵢ, section 3.2. With neighbours far apart it would learn that far text is as good as
/// near.)
void SampleMaker::spread(const Segment& segment, Rng& rng, TrainingSample& sample) const {
  const std::vector<std::int32_t>& text = texts_->train[segment.document].tokens;
  const std::uint64_t count = sample.tokens.size(), before = count - segment.count;  // before: BOS
  CHECK(segment.first + segment.count < text.size());                                // the last token has a target
  const std::uint64_t room = text.size() - 1 - segment.first - segment.count;
  const std::uint64_t skipped = sample.positions.back() - (count - 1);
  const std::uint64_t apart = skipped <= room ? skipped : rng.below(room + 1);  // of the first and the last token
  std::uint64_t moved = 0, chunk = 0;
  for (std::uint64_t i = before; i < count; ++i) {
    const std::uint64_t skip = skipped == 0 ? 0 : (sample.positions[i] - i) * apart / skipped;
    if (skip != moved) chunk = i;
    moved = skip;
    const std::uint64_t at = segment.first + i - before + skip;
    sample.tokens[i] = text[at];
    sample.targets[i] = text[at + 1];
    sample.local_start[i] = static_cast<std::uint32_t>(chunk);
  }
  if (before > 0) sample.targets[0] = sample.tokens[before];
}

TrainingSample SampleMaker::exercise_of(const Window& window, std::uint64_t number) const {
  std::vector<TokenId> filler;
  for (const Segment& segment : window) {
    const auto first = texts_->train[segment.document].tokens.begin() + static_cast<std::ptrdiff_t>(segment.first);
    filler.insert(filler.end(), first, first + static_cast<std::ptrdiff_t>(segment.count));
  }
  Rng rng = rng_of(options_.seed, kExercise, number);
  const auto kind = static_cast<RetrievalExercises::Kind>(rng.below(3));
  const RetrievalExercise made = exercises_->make(kind, filler, long_length() - (texts_->bos >= 0 ? 1 : 0), rng);
  TrainingSample sample;
  const auto add = [&](TokenId token, std::size_t next) {
    sample.tokens.push_back(token);
    const bool counts = next < made.tokens.size() && made.is_answer[next];
    sample.targets.push_back(counts ? made.tokens[next] : TrainingSample::kNoTarget);
    sample.positions.push_back(sample.positions.size());
    sample.local_positions.push_back(sample.local_positions.size());
    sample.document_start.push_back(0);
    sample.local_start.push_back(0);
  };
  if (texts_->bos >= 0) add(texts_->bos, 0);
  for (std::size_t i = 0; i < made.tokens.size(); ++i) add(made.tokens[i], i + 1);
  return sample;
}

SampleMaker::Kind SampleMaker::kind_of(std::uint64_t number) const {
  const double drawn = rng_of(options_.seed, kKind, number).uniform();
  if (drawn < options_.short_share) return Kind::plain_short;
  return drawn < options_.short_share + options_.retrieval_share ? Kind::retrieval : Kind::long_text;
}

TrainingSample SampleMaker::sample(std::uint64_t number) const {
  const Kind kind = kind_of(number);
  std::uint64_t index = 0;  // among the samples of its kind
  for (std::uint64_t earlier = 0; earlier < number; ++earlier) index += kind_of(earlier) == kind ? 1 : 0;
  const std::uint64_t length = kind == Kind::plain_short ? options_.length : long_length();
  const std::uint64_t each = windows_of(length, 0).size();
  const Window window = windows_of(length, index / each)[index % each];
  TrainingSample sample = kind == Kind::retrieval ? exercise_of(window, number) : sample_of(window);
  if (kind == Kind::plain_short) return sample;
  // A question must see what it asks for.
  if (options_.kind == LongSamples::shifted && kind == Kind::long_text) sample.shifted_group = options_.target / 4;
  if (options_.kind == LongSamples::skip_wise) {
    Rng rng = rng_of(options_.seed, kSkip, number);
    for (std::size_t first = 0; first < sample.tokens.size();) {  // a document skips by itself
      std::size_t end = first;
      while (end < sample.tokens.size() && sample.document_start[end] == sample.document_start[first]) ++end;
      const auto positions = skip_positions(end - first, options_.target, options_.skip_chunks, rng);
      std::copy(positions.begin(), positions.end(), sample.positions.begin() + static_cast<std::ptrdiff_t>(first));
      first = end;
    }
    if (kind == Kind::long_text && window.size() == 1 &&
        window[0].count < texts_->train[window[0].document].tokens.size())
      spread(window[0], rng, sample);
  }
  return sample;
}

}  // namespace tome
