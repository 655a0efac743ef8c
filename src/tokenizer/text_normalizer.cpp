#include "tokenizer/text_normalizer.h"

#include <unicode/brkiter.h>
#include <unicode/bytestream.h>
#include <unicode/edits.h>
#include <unicode/normalizer2.h>
#include <unicode/utext.h>

#include <memory>

#include "tokenizer/unicode_class.h"

namespace tome {
namespace {

constexpr std::size_t kLongest = 0x7FFFFFFF;  ///< of a text, for ICU
constexpr std::uint32_t kLowerBlock = 0x2581;

const icu::Normalizer2* nfc() {
  static const icu::Normalizer2* const instance = [] {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* found = icu::Normalizer2::getNFCInstance(status);
    return U_SUCCESS(status) ? found : nullptr;
  }();
  return instance;
}

bool rewrite_to_nfc(std::string_view fragment, std::string& to, OffsetMap& changes) {
  if (fragment.size() > kLongest) return false;
  const icu::StringPiece source(fragment.data(), static_cast<std::int32_t>(fragment.size()));
  UErrorCode status = U_ZERO_ERROR;
  if (nfc()->isNormalizedUTF8(source, status) && U_SUCCESS(status)) return false;
  icu::Edits edits;
  icu::StringByteSink<std::string> sink(&to);
  nfc()->normalizeUTF8(0, source, sink, &edits, status);
  if (U_FAILURE(status)) return false;
  auto change = edits.getFineChangesIterator();
  while (change.next(status)) {
    changes.add({static_cast<std::uint64_t>(change.destinationIndex()), static_cast<std::uint64_t>(change.newLength()),
                 static_cast<std::uint64_t>(change.sourceIndex()), static_cast<std::uint64_t>(change.oldLength())});
  }
  return true;
}

bool is_ascii(char byte) { return static_cast<unsigned char>(byte) < 0x80; }

std::unique_ptr<icu::BreakIterator> grapheme_breaks() {
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<icu::BreakIterator> breaks(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
  return U_SUCCESS(status) ? std::move(breaks) : nullptr;
}

/// visit(begin, end) of each grapheme cluster. ICU is asked only where a character is not ASCII.
template <class Visit>
void for_each_grapheme(std::string_view text, const Visit& visit) {
  std::unique_ptr<icu::BreakIterator> breaks;
  for (std::size_t at = 0; at < text.size();) {
    if (is_ascii(text[at]) && (at + 1 == text.size() || is_ascii(text[at + 1]))) {
      const std::size_t length = text.substr(at, 2) == "\r\n" ? 2 : 1;
      visit(at, at + length);
      at += length;
      continue;
    }
    // Up to where two ASCII characters meet there is a break for sure (but for "\r\n", which cannot be cut here).
    std::size_t end = at + 1;
    while (end < text.size() && end - at < kLongest && !(is_ascii(text[end - 1]) && is_ascii(text[end]))) ++end;
    if (end < text.size() && text[end - 1] == '\r' && text[end] == '\n') --end;
    if (!breaks) breaks = grapheme_breaks();
    UErrorCode status = breaks ? U_ZERO_ERROR : U_MISSING_RESOURCE_ERROR;
    UText part = UTEXT_INITIALIZER;
    if (U_SUCCESS(status)) utext_openUTF8(&part, text.data() + at, static_cast<std::int64_t>(end - at), &status);
    if (U_SUCCESS(status)) breaks->setText(&part, status);
    std::size_t begin = at;
    if (U_SUCCESS(status))
      for (std::int32_t next = breaks->next(); next != icu::BreakIterator::DONE; next = breaks->next()) {
        visit(begin, at + static_cast<std::size_t>(next));
        begin = at + static_cast<std::size_t>(next);
      }
    utext_close(&part);
    while (begin < end) {  // without ICU's rules: characters
      const std::size_t length = read_utf8(text, begin).length;
      visit(begin, begin + length);
      begin += length;
    }
    at = end;
  }
}

/// Writes characters as a Unigram model reads them.
class UnigramWriter {
 public:
  UnigramWriter(std::string& to, bool strips_left, bool joins_spaces)
      : to_(to), strips_left_(strips_left), joins_spaces_(joins_spaces) {}

  void put(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Step step = read_utf8(text, at);
      const bool white = character_classes()[step.code_point] == CharacterClass::space;
      const bool space = step.code_point == ' ';
      const bool skipped = white && ((strips_left_ && to_.empty()) || (space && joins_spaces_ && after_space_));
      if (step.code_point == kLowerBlock)
        to_ += ' ';
      else if (!skipped)
        to_ += text.substr(at, step.length);
      if (!skipped) after_space_ = space;
      if (!white) end_of_text_ = to_.size();
      at += step.length;
    }
  }
  /// Where white space at the end begins.
  std::size_t end_of_text() const { return end_of_text_; }

 private:
  std::string& to_;
  bool strips_left_, joins_spaces_, after_space_ = false;
  std::size_t end_of_text_ = 0;
};

}  // namespace

Result<TextNormalizer> TextNormalizer::create(const TokenizerSpec& spec) {
  TextNormalizer normalizer;
  normalizer.nfc_ = spec.normalize_nfc;
  if (spec.normalize_nfc && nfc() == nullptr)
    return fail(ErrorKind::unsupported, "[tokenizer] the file asks for NFC, which this machine's ICU lacks");
  normalizer.unigram_ = spec.kind == TokenizerKind::unigram;
  if (!normalizer.unigram_) return normalizer;
  normalizer.strips_left_ = spec.strips_text_left;
  normalizer.strips_right_ = spec.strips_text_right;
  normalizer.joins_spaces_ = spec.joins_spaces;
  if (!spec.character_map.empty()) {
    TOME_ASSIGN(normalizer.characters_, CharacterMap::create(spec.character_map));
    if (grapheme_breaks() == nullptr)
      return fail(ErrorKind::unsupported,
                  "[tokenizer] the file maps characters, for which this machine's ICU lacks rules");
  }
  return normalizer;
}

bool TextNormalizer::rewrite(std::string_view fragment, std::string& to, OffsetMap& changes) const {
  if (!unigram_) return nfc_ && rewrite_to_nfc(fragment, to, changes);
  constexpr std::size_t longest_mapped = 5;  // a longer grapheme is mapped character by character
  UnigramWriter writer(to, strips_left_, joins_spaces_);
  bool changed = false;
  const auto put = [&](std::size_t begin, std::size_t end) {
    const std::string_view old = fragment.substr(begin, end - begin);
    const std::size_t at = to.size();
    const auto mapped = characters_.find(old);
    writer.put(mapped.value_or(old));
    if (std::string_view(to).substr(at) == old) return;
    changes.add({at, to.size() - at, begin, end - begin});
    changed = true;
  };
  for_each_grapheme(fragment, [&](std::size_t begin, std::size_t end) {
    if (end - begin <= longest_mapped && characters_.find(fragment.substr(begin, end - begin))) {
      put(begin, end);
      return;
    }
    while (begin < end) {
      const std::size_t length = read_utf8(fragment, begin).length;
      put(begin, begin + length);
      begin += length;
    }
  });
  if (strips_right_ && to.size() > writer.end_of_text()) {
    to.resize(writer.end_of_text());
    changed = true;
  }
  return changed;
}

}  // namespace tome
