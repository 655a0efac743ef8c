#include "formats/hf_tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "formats/model_checks.h"
#include "formats/printable.h"

namespace tome {
namespace {

class TokenizerReader {
 public:
  TokenizerReader(const HfTokenizerFiles& files, const HfTokenizerContext& context)
      : files_(files), context_(context), where_("[hf] " + files.name + "/tokenizer.json") {}

  Result<TokenizerSpec> read() {
    TOME_ASSIGN(const Json root, parse_object(files_.tokenizer, where_));
    const JsonFields tokenizer(root, where_);
    TOME_ASSIGN(const auto model, tokenizer.object("model"));
    if (!model) return fail(ErrorKind::format, "{}: 'model' is missing", where_);
    TOME_ASSIGN(const auto type, model->text("type"));
    const bool unigram = type == "Unigram";
    TOME_TRY(read_hf_text_steps(tokenizer, unigram, spec_));
    if (unigram) {
      TOME_TRY(scored_vocabulary(*model));
      TOME_TRY(added_tokens(tokenizer));
      TOME_TRY(scored_unknown(*model));
    } else {
      TOME_TRY(options(*model));
      TOME_TRY(vocabulary(*model));
      TOME_TRY(added_tokens(tokenizer));
      TOME_TRY(merges(*model));
      TOME_TRY(unknown(*model));
    }
    TOME_TRY(byte_tokens());
    TOME_TRY(post_processor(tokenizer));
    TOME_TRY(configuration());
    for (const std::int64_t id : context_.ends) spec_.end_tokens.push_back(id);
    add_end_tokens(spec_);
    TOME_TRY(check_tokenizer(spec_, where_));
    return std::move(spec_);
  }

 private:
  static Result<Json> parse_object(std::string_view text, const std::string& where) {
    TOME_ASSIGN(Json root, parse_json(text, where));
    if (!root.is_object()) return fail(ErrorKind::format, "{}: {}, expected an object", where, shown(root));
    return root;
  }

  Status options(const JsonFields& model) {
    TOME_ASSIGN(const auto type, model.text("type"));
    if (type.value_or("BPE") != "BPE")
      return fail(ErrorKind::unsupported, "{}: 'model.type' is '{}', expected 'BPE' or 'Unigram'", where_,
                  printable(*type));
    TOME_ASSIGN(const auto dropout, model.number("dropout"));
    if (dropout.value_or(0.0) != 0.0)
      return fail(ErrorKind::unsupported, "{}: 'model.dropout' is {}, expected none", where_, *dropout);
    for (const char* field : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      TOME_ASSIGN(const auto text, model.text(field));
      if (!text.value_or("").empty())
        return fail(ErrorKind::unsupported, "{}: 'model.{}' is '{}', expected none", where_, field, printable(*text));
    }
    TOME_ASSIGN(const auto ignore_merges, model.boolean("ignore_merges"));
    spec_.ignore_merges = ignore_merges.value_or(false);
    TOME_ASSIGN(const auto fallback, model.boolean("byte_fallback"));
    if (spec_.kind == TokenizerKind::sentencepiece_bpe && !fallback.value_or(false))
      return fail(ErrorKind::unsupported, "{}: 'model.byte_fallback' is false: pieces without bytes to fall back on",
                  where_);
    return {};
  }

  void make_room(std::size_t entries) {
    spec_.tokens.assign(context_.vocabulary, "");
    spec_.types.assign(context_.vocabulary, TokenType::unused);
    given_.assign(context_.vocabulary, false);
    ids_.reserve(entries);
  }

  /// [[piece, log-probability], …], by id.
  Status scored_vocabulary(const JsonFields& model) {
    TOME_ASSIGN(const auto fallback, model.boolean("byte_fallback"));
    if (fallback.value_or(false))
      return fail(ErrorKind::unsupported, "{}: 'model.byte_fallback' is true, expected false for Unigram", where_);
    TOME_ASSIGN(const Json* entries, model.array("vocab"));
    if (entries == nullptr) return fail(ErrorKind::format, "{}: 'model.vocab' is missing", where_);
    if (entries->size() > context_.vocabulary)
      return fail(ErrorKind::format, "{}: 'model.vocab' has {} pieces, the vocabulary has {}", where_, entries->size(),
                  context_.vocabulary);
    make_room(entries->size());
    spec_.scores.assign(context_.vocabulary, 0.0);
    for (std::size_t id = 0; id < entries->size(); ++id) {
      const Json& entry = (*entries)[id];
      if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
        return fail(ErrorKind::format, "{}: piece {} is {}, expected a text and its log-probability", where_, id,
                    shown(entry));
      const auto text = entry[0].get<std::string>();
      if (const auto same = ids_.find(text); same != ids_.end())
        return fail(ErrorKind::format, "{}: pieces {} and {} are both '{}'", where_, same->second, id, printable(text));
      place(id, text, TokenType::normal);
      spec_.scores[id] = entry[1].get<double>();
    }
    return {};
  }

  Status scored_unknown(const JsonFields& model) {
    TOME_ASSIGN(const auto id, model.unsigned_number("unk_id", INT32_MAX));
    if (!id || *id >= context_.vocabulary)
      return fail(ErrorKind::format,
                  "{}: 'model.unk_id' is {}, expected a piece for unknown text (the vocabulary has {})", where_,
                  id ? std::to_string(*id) : "missing", context_.vocabulary);
    spec_.unknown = static_cast<std::int64_t>(*id);
    if (spec_.types[*id] == TokenType::normal) spec_.types[*id] = TokenType::unknown;
    return {};
  }

  Status vocabulary(const JsonFields& model) {
    TOME_ASSIGN(const auto entries, model.object("vocab"));
    if (!entries) return fail(ErrorKind::format, "{}: 'model.vocab' is missing", where_);
    make_room(entries->json().size());
    for (const auto& [text, id] : entries->json().items()) {
      if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= context_.vocabulary)
        return fail(ErrorKind::format, "{}: token '{}' has id {}, the vocabulary has {}", where_, printable(text),
                    shown(id), context_.vocabulary);
      const auto number = id.get<std::size_t>();
      if (given_[number])
        return fail(ErrorKind::format, "{}: tokens '{}' and '{}' share id {}", where_, printable(spec_.tokens[number]),
                    printable(text), number);
      place(number, text, TokenType::normal);
    }
    return {};
  }

  void place(std::size_t id, const std::string& text, TokenType type) {
    given_[id] = true;
    spec_.tokens[id] = text;
    spec_.types[id] = type;
    ids_.emplace(text, static_cast<std::int64_t>(id));
  }

  Status added_tokens(const JsonFields& tokenizer) {
    TOME_ASSIGN(const Json* list, tokenizer.array("added_tokens"));
    if (list != nullptr)
      for (const Json& entry : *list) {
        if (!entry.is_object()) return tokenizer.wrong_type("added_tokens", "an array of objects");
        TOME_TRY(added_token(JsonFields(entry, where_, "added_tokens.")));
      }
    for (std::size_t id = 0; id < given_.size(); ++id)
      if (!given_[id]) spec_.tokens[id] = fmt::format("[PAD{}]", id);
    return {};
  }

  Status added_token(const JsonFields& entry) {
    TOME_ASSIGN(const auto id, entry.unsigned_number("id", INT32_MAX));
    TOME_ASSIGN(const auto text, entry.text("content"));
    if (!id || !text || text->empty())
      return fail(ErrorKind::format, "{}: an added token without an id or without its text", where_);
    for (const char* field : {"rstrip", "single_word"}) {
      TOME_ASSIGN(const auto flag, entry.boolean(field));
      if (flag.value_or(false))
        return fail(ErrorKind::unsupported, "{}: added token '{}': '{}' is true, expected false", where_,
                    printable(*text), field);
    }
    TOME_ASSIGN(const auto strips, entry.boolean("lstrip"));
    TOME_ASSIGN(const auto special, entry.boolean("special"));
    if (*id >= context_.vocabulary) return {};
    if (given_[*id] && spec_.tokens[*id] != *text)
      return fail(ErrorKind::format, "{}: added token '{}' has id {}, which is '{}'", where_, printable(*text), *id,
                  printable(spec_.tokens[*id]));
    place(*id, *text, special.value_or(false) ? TokenType::control : TokenType::user_defined);
    if (strips.value_or(false)) spec_.strips_left.push_back(static_cast<std::int64_t>(*id));
    return {};
  }

  Status merges(const JsonFields& model) {
    TOME_ASSIGN(const Json* list, model.array("merges"));
    if (list == nullptr) return fail(ErrorKind::format, "{}: 'model.merges' is missing", where_);
    spec_.merges.reserve(list->size());
    for (const Json& merge : *list) TOME_TRY(one_merge(merge));
    return {};
  }

  /// ["a", "b"] or, in older files, "a b".
  Status one_merge(const Json& merge) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      spec_.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    } else if (merge.is_string()) {
      const auto text = merge.get<std::string>();
      const std::size_t space = text.find(' ', 1);
      if (space == std::string::npos || space + 1 == text.size())
        return fail(ErrorKind::format, "{}: merge {} '{}', expected two pieces and a space between", where_,
                    spec_.merges.size(), printable(text));
      spec_.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
    } else {
      return fail(ErrorKind::format, "{}: merge {} is {}, expected two pieces", where_, spec_.merges.size(),
                  shown(merge));
    }
    const auto& [left, right] = spec_.merges.back();
    for (const std::string& piece : {left, right, left + right})
      if (!ids_.contains(piece))
        return fail(ErrorKind::format, "{}: merge {} needs '{}', which is not in the vocabulary", where_,
                    spec_.merges.size() - 1, printable(piece));
    return {};
  }

  Status unknown(const JsonFields& model) {
    TOME_ASSIGN(const auto text, model.text("unk_token"));
    if (!text) return {};
    TOME_ASSIGN(spec_.unknown, id_of("model.unk_token", *text));
    if (spec_.types[static_cast<std::size_t>(spec_.unknown)] == TokenType::normal)
      spec_.types[static_cast<std::size_t>(spec_.unknown)] = TokenType::unknown;
    return {};
  }

  Result<std::int64_t> id_of(std::string_view field, const std::string& text) const {
    const auto found = ids_.find(text);
    if (found == ids_.end())
      return fail(ErrorKind::format, "{}: '{}' is '{}', which is not in the vocabulary", where_, field,
                  printable(text));
    return found->second;
  }

  /// <0x00> … <0xFF>, what pieces fall back on.
  Status byte_tokens() {
    if (spec_.kind != TokenizerKind::sentencepiece_bpe) return {};
    for (int byte = 0; byte < 256; ++byte) {
      TOME_ASSIGN(const std::int64_t id, id_of("byte_fallback", fmt::format("<0x{:02X}>", byte)));
      spec_.types[static_cast<std::size_t>(id)] = TokenType::byte;
    }
    return {};
  }

  /// Only a beginning and an end token around the text are known; ByteLevel there concerns offsets alone.
  Status post_processor(const JsonFields& tokenizer) {
    TOME_ASSIGN(const auto post, tokenizer.object("post_processor"));
    if (!post) return {};
    TOME_ASSIGN(const auto type, post->text("type"));
    if (type != "Sequence") return post_step(*post);
    TOME_ASSIGN(const Json* steps, post->array("processors"));
    if (steps == nullptr) return fail(ErrorKind::format, "{}: 'post_processor.processors' is missing", where_);
    for (const Json& step : *steps) {
      if (!step.is_object()) return post->wrong_type("processors", "an array of objects");
      TOME_TRY(post_step(JsonFields(step, where_, "post_processor.processors.")));
    }
    return {};
  }

  Status post_step(const JsonFields& step) {
    TOME_ASSIGN(const auto type, step.text("type"));
    if (type == "ByteLevel") return {};
    if (type == "RobertaProcessing") return roberta_step(step);
    if (type != "TemplateProcessing")
      return fail(ErrorKind::unsupported,
                  "{}: '{}' is '{}', expected TemplateProcessing, RobertaProcessing or ByteLevel", where_,
                  step.name("type"), printable(type.value_or("missing")));
    TOME_ASSIGN(const Json* single, step.array("single"));
    if (single == nullptr) return fail(ErrorKind::format, "{}: '{}' is missing", where_, step.name("single"));
    bool text_seen = false;
    for (const Json& piece : *single) {
      if (piece.is_object() && piece.contains("Sequence") && !text_seen) {
        text_seen = true;
        continue;
      }
      if (!piece.is_object() || !piece.contains("SpecialToken"))
        return step.wrong_type("single", "special tokens around one text");
      const JsonFields special(piece, where_, step.name("single") + ".");
      TOME_ASSIGN(const auto token, special.object("SpecialToken"));
      std::optional<std::string> text;
      if (token) {
        TOME_ASSIGN(text, token->text("id"));
      }
      TOME_ASSIGN(const std::int64_t id, id_of("post_processor", text.value_or("")));
      std::int64_t& target = text_seen ? spec_.eos : spec_.bos;
      bool& flag = text_seen ? spec_.add_eos : spec_.add_bos;
      if (flag) return step.wrong_type("single", "one special token before the text and one behind");
      target = id;
      flag = true;
    }
    return {};
  }

  /// {"cls": [text, id], "sep": [text, id]}: the first before the text, the second behind it.
  Status roberta_step(const JsonFields& step) {
    for (const auto& [field, target] : {std::pair{"cls", &spec_.bos}, std::pair{"sep", &spec_.eos}}) {
      const Json* pair = step.find(field);
      if (pair == nullptr || !pair->is_array() || pair->size() != 2 || !(*pair)[0].is_string())
        return fail(ErrorKind::format, "{}: '{}' is {}, expected a token and its id", where_, step.name(field),
                    pair == nullptr ? "missing" : shown(*pair));
      TOME_ASSIGN(*target, id_of(step.name(field), (*pair)[0].get<std::string>()));
    }
    spec_.add_bos = spec_.add_eos = true;
    return {};
  }

  Status configuration() {
    const std::string where = "[hf] " + files_.name + "/tokenizer_config.json";
    Json root = Json::object();
    if (!files_.config.empty()) {
      TOME_ASSIGN(root, parse_object(files_.config, where));
    }
    const JsonFields config(root, where);
    std::int64_t bos = spec_.bos, eos = spec_.eos;
    TOME_TRY(named_token(config, "bos_token", Missing::refuse, bos));
    TOME_TRY(named_token(config, "eos_token", Missing::refuse, eos));
    // BigBird's are not what its post-processor puts around a text, which is what counts.
    if (!spec_.add_bos) spec_.bos = bos;
    if (!spec_.add_eos)
      spec_.eos = eos;
    else if (eos >= 0 && eos != spec_.eos)
      spec_.end_tokens.push_back(eos);
    // Fine-tunes name padding tokens that have no embedding; nothing here pads.
    TOME_TRY(named_token(config, "pad_token", Missing::none, spec_.pad));
    if (spec_.unknown < 0) TOME_TRY(named_token(config, "unk_token", Missing::none, spec_.unknown));
    if (spec_.bos < 0) spec_.bos = context_.bos;
    if (spec_.pad < 0) spec_.pad = context_.pad;
    if (spec_.eos < 0 && !context_.ends.empty()) spec_.eos = context_.ends[0];
    TOME_ASSIGN(const auto add_bos, config.boolean("add_bos_token"));
    TOME_ASSIGN(const auto add_eos, config.boolean("add_eos_token"));
    spec_.add_bos = add_bos.value_or(spec_.add_bos);
    spec_.add_eos = add_eos.value_or(spec_.add_eos);
    return chat_template(config);
  }

  enum class Missing { refuse, none };

  /// "text" or {"content": "text", …}.
  Status named_token(const JsonFields& config, const char* field, Missing missing, std::int64_t& result) const {
    const Json* value = config.find(field);
    if (value == nullptr) return {};
    const Json& text = value->is_object() && value->contains("content") ? (*value)["content"] : *value;
    if (!text.is_string()) return config.wrong_type(field, "a token's text");
    const auto found = ids_.find(text.get<std::string>());
    if (found == ids_.end()) {
      if (missing == Missing::none) return {};
      return fail(ErrorKind::format, "{}: '{}' is '{}', which is not in the vocabulary", config.where(), field,
                  printable(text.get<std::string>()));
    }
    result = found->second;
    return {};
  }

  /// chat_template.jinja, a string, or a list of {"name", "template"} of which "default" is taken.
  Status chat_template(const JsonFields& config) {
    spec_.chat_template = files_.chat_template;
    const Json* value = config.find("chat_template");
    if (!spec_.chat_template.empty() || value == nullptr) return {};
    if (value->is_string()) {
      spec_.chat_template = value->get<std::string>();
      return {};
    }
    if (!value->is_array()) return config.wrong_type("chat_template", "a template or a list of named ones");
    for (const Json& entry : *value) {
      if (!entry.is_object()) return config.wrong_type("chat_template", "a template or a list of named ones");
      const JsonFields fields(entry, config.where(), "chat_template.");
      TOME_ASSIGN(const auto name, fields.text("name"));
      TOME_ASSIGN(const auto text, fields.text("template"));
      if (name == "default" && text) spec_.chat_template = *text;
    }
    if (spec_.chat_template.empty())
      return fail(ErrorKind::format, "{}: 'chat_template' has no entry named 'default'", config.where());
    return {};
  }

  const HfTokenizerFiles& files_;
  const HfTokenizerContext& context_;
  std::string where_;
  TokenizerSpec spec_;
  std::vector<bool> given_;
  std::unordered_map<std::string, std::int64_t> ids_;
};

}  // namespace

Result<TokenizerSpec> parse_hf_tokenizer(const HfTokenizerFiles& files, const HfTokenizerContext& context) {
  return TokenizerReader(files, context).read();
}

}  // namespace tome
