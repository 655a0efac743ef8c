#include "evaluation/text_normal.h"

namespace tome {
namespace {

using python::Text;
using python::TextView;

constexpr TextView kAsciiPunctuation = U"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
constexpr TextView kChinesePunctuation =
    U"！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞"
    U"〟〰〾〿–—‘’‛“”„‟…‧﹏.";

bool is_punctuation(char32_t character) {
  return character < 0x80 && kAsciiPunctuation.find(character) != TextView::npos;
}

/// \b(a|an|the)\b: its letters are word characters, so a match is a whole run of them.
Text without_articles(TextView text) {
  Text result;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && python::is_word(text[end])) ++end;
    const TextView word = text.substr(at, end - at);
    if (word.empty())
      result += text[end++];
    else if (word == U"a" || word == U"an" || word == U"the")
      result += U' ';
    else
      result += word;
    at = end;
  }
  return result;
}

}  // namespace

std::vector<Text> normal_words(TextView text) {
  Text kept;
  for (const char32_t character : python::lower(text))
    if (!is_punctuation(character)) kept += character;
  return python::split(without_articles(kept));
}

Text normal_chinese(TextView text) {
  Text kept;
  for (const char32_t character : python::lower(text))
    if (!is_punctuation(character) && kChinesePunctuation.find(character) == TextView::npos &&
        !python::is_space(character))
      kept += character;
  return kept;
}

}  // namespace tome
