#include "evaluation/ruler_questions.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <unordered_map>

#include "base/mapped_file.h"
#include "evaluation/record_file.h"
#include "evaluation/ruler_words.h"
#include "formats/json_fields.h"
#include "runtime/calibration_text.h"

namespace tome {
namespace {

constexpr std::uint64_t largest_squad = std::uint64_t{1} << 30;

/// Each text once.
class Documents {
 public:
  explicit Documents(std::vector<std::string>& texts) : texts_(texts) {}
  std::size_t add(const std::string& text) {
    const auto [found, fresh] = index_.emplace(text, texts_.size());
    if (fresh) texts_.push_back(text);
    return found->second;
  }

 private:
  std::vector<std::string>& texts_;
  std::unordered_map<std::string, std::size_t> index_;
};

Result<std::string> text_of(const JsonFields& fields, const char* field) {
  TOME_ASSIGN(auto text, fields.text(field));
  if (!text)
    return fail(ErrorKind::format, "{}: '{}' is missing, expected a string", fields.where(), fields.name(field));
  return std::move(*text);
}

Result<const Json*> list_of(const JsonFields& fields, const char* field) {
  TOME_ASSIGN(const Json* list, fields.array(field));
  if (list == nullptr)
    return fail(ErrorKind::format, "{}: '{}' is missing, expected an array", fields.where(), fields.name(field));
  return list;
}

Result<JsonFields> element(const JsonFields& fields, const char* field, const Json& list, std::size_t index) {
  const std::string name = fmt::format("{}[{}]", fields.name(field), index);
  if (!list[index].is_object())
    return fail(ErrorKind::format, "{}: '{}' is {}, expected an object", fields.where(), name, shown(list[index]));
  return JsonFields(list[index], fields.where(), name + ".");
}

Status read_squad_questions(const JsonFields& paragraph, std::size_t document, RulerQuestions& result) {
  TOME_ASSIGN(const Json* list, list_of(paragraph, "qas"));
  for (std::size_t index = 0; index < list->size(); ++index) {
    TOME_ASSIGN(const JsonFields fields, element(paragraph, "qas", *list, index));
    TOME_ASSIGN(const auto impossible, fields.boolean("is_impossible"));
    if (impossible.value_or(false)) continue;
    RulerQuestion question;
    TOME_ASSIGN(question.question, text_of(fields, "question"));
    TOME_ASSIGN(const Json* answers, list_of(fields, "answers"));
    for (std::size_t at = 0; at < answers->size(); ++at) {
      TOME_ASSIGN(const JsonFields answer, element(fields, "answers", *answers, at));
      TOME_ASSIGN(std::string text, text_of(answer, "text"));
      if (std::find(question.answers.begin(), question.answers.end(), text) == question.answers.end())
        question.answers.push_back(std::move(text));
    }
    question.evidence = {document};
    if (!question.answers.empty()) result.questions.push_back(std::move(question));
  }
  return {};
}

Status read_squad_article(const JsonFields& article, Documents& documents, RulerQuestions& result) {
  TOME_ASSIGN(const Json* paragraphs, list_of(article, "paragraphs"));
  const std::size_t first_question = result.questions.size();
  std::vector<std::size_t> own;
  for (std::size_t index = 0; index < paragraphs->size(); ++index) {
    TOME_ASSIGN(const JsonFields paragraph, element(article, "paragraphs", *paragraphs, index));
    TOME_ASSIGN(const std::string context, text_of(paragraph, "context"));
    own.push_back(documents.add(context));
    TOME_TRY(read_squad_questions(paragraph, own.back(), result));
  }
  for (std::size_t index = first_question; index < result.questions.size(); ++index)
    for (const std::size_t document : own)
      if (document != result.questions[index].evidence[0]) result.questions[index].related.push_back(document);
  return {};
}

Status read_hotpot(const JsonFields& record, Documents& documents, RulerQuestions& result) {
  RulerQuestion question;
  TOME_ASSIGN(question.question, text_of(record, "question"));
  TOME_ASSIGN(std::string answer, text_of(record, "answer"));
  question.answers.push_back(std::move(answer));
  TOME_ASSIGN(const Json* supporting, list_of(record, "supporting_facts"));
  std::vector<std::string> titles;
  for (const Json& fact : *supporting)
    if (fact.is_array() && !fact.empty() && fact[0].is_string()) titles.push_back(fact[0].get<std::string>());
  TOME_ASSIGN(const Json* context, list_of(record, "context"));
  for (std::size_t index = 0; index < context->size(); ++index) {
    const Json& pair = (*context)[index];
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_array())
      return fail(ErrorKind::format, "{}: 'context[{}]' is {}, expected [title, [sentences]]", record.where(), index,
                  shown(pair));
    std::string text = pair[0].get<std::string>() + "\n";
    for (const Json& sentence : pair[1]) {
      if (!sentence.is_string())
        return fail(ErrorKind::format, "{}: 'context[{}]' has {} among its sentences, expected strings", record.where(),
                    index, shown(sentence));
      text += sentence.get_ref<const std::string&>();
    }
    const bool supports = std::find(titles.begin(), titles.end(), pair[0].get<std::string>()) != titles.end();
    (supports ? question.evidence : question.related).push_back(documents.add(text));
  }
  if (question.evidence.empty())
    return fail(ErrorKind::format, "{}: 'supporting_facts' names no title of 'context'", record.where());
  result.questions.push_back(std::move(question));
  return {};
}

/// {0} is told of {1}; the first hop's {1} is the second one's {0}.
struct Relation {
  std::string_view statement, question;
};
constexpr std::array<Relation, 4> first_hops = {
    {{"The bridge of {0} was designed by {1}.", "the designer of the bridge of {0}"},
     {"The first school of {0} was founded by {1}.", "the founder of the first school of {0}"},
     {"The anthem of {0} was composed by {1}.", "the composer of the anthem of {0}"},
     {"The old map of {0} was drawn by {1}.", "the person who drew the old map of {0}"}}};
constexpr std::array<Relation, 4> second_hops = {
    {{"{0} grew up in the village of {1}.", "In which village did {0} grow up?"},
     {"{0} kept a boat by the name of {1}.", "What is the name of the boat that {0} kept?"},
     {"{0} was taught by the painter {1}.", "Which painter taught {0}?"},
     {"{0} spent the last years on the island of {1}.", "On which island did {0} spend the last years?"}}};

std::string filled(std::string_view pattern, const std::string& zero, const std::string& one) {
  std::string text;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '{') {
      text += pattern[at];
      continue;
    }
    text += pattern[at + 1] == '0' ? zero : one;
    at += 2;
  }
  return text;
}

class Generator {
 public:
  Generator(std::uint64_t seed, RulerQuestions& result) : words_(seed), documents_(result.documents), result_(result) {
    constexpr std::uint64_t prose_bytes = 200000;
    const std::string prose = make_calibration_document(seed, prose_bytes, 0).text;
    for (std::size_t at = 0; at < prose.size();) {
      const std::size_t end = std::min(prose.find("\n\n", at), prose.size());
      paragraphs_.push_back(prose.substr(at, end - at));
      at = end + 2;
    }
  }

  void add_question(int hops) {
    const Relation& second = second_hops[words_.rng().below(second_hops.size())];
    const std::string person = words_.name(), answer = words_.name();
    RulerQuestion question;
    std::string subject = person;
    if (hops == 2) {
      const Relation& first = first_hops[words_.rng().below(first_hops.size())];
      const std::string town = words_.name();
      question.evidence.push_back(add_document(filled(first.statement, town, person)));
      subject = filled(first.question, town, "");
    }
    question.evidence.push_back(add_document(filled(second.statement, person, answer)));
    question.question = filled(second.question, subject, "");
    question.answers = {answer};
    result_.questions.push_back(std::move(question));
  }

  void add_distractor() {
    const auto& relations = words_.rng().below(2) == 0 ? first_hops : second_hops;
    const Relation& relation = relations[words_.rng().below(relations.size())];
    const std::string zero = words_.name();
    add_document(filled(relation.statement, zero, words_.name()));
  }

 private:
  /// The fact after one of a paragraph's sentences.
  std::size_t add_document(const std::string& fact) {
    const std::string& paragraph = paragraphs_[words_.rng().below(paragraphs_.size())];
    std::vector<std::size_t> ends;
    for (std::size_t at = paragraph.find(". "); at != std::string::npos; at = paragraph.find(". ", at + 1))
      ends.push_back(at + 1);
    ends.push_back(paragraph.size());
    const std::size_t place = ends[words_.rng().below(ends.size())];
    return documents_.add(paragraph.substr(0, place) + " " + fact + paragraph.substr(place));
  }

  RulerWords words_;
  Documents documents_;
  RulerQuestions& result_;
  std::vector<std::string> paragraphs_;
};

}  // namespace

Result<RulerQuestions> load_squad(const std::string& path) {
  TOME_ASSIGN(const std::string text, read_file(path, largest_squad));
  TOME_ASSIGN(const Json json, parse_json(text, fmt::format("[eval] {}", path)));
  if (!json.is_object())
    return fail(ErrorKind::format, "[eval] {}: {}, expected an object with 'data' (SQuAD v2)", path, shown(json));
  const JsonFields root(json, fmt::format("[eval] {}", path));
  TOME_ASSIGN(const Json* articles, list_of(root, "data"));
  RulerQuestions result;
  result.source = std::filesystem::path(path).filename().string();
  Documents documents(result.documents);
  for (std::size_t index = 0; index < articles->size(); ++index) {
    TOME_ASSIGN(const JsonFields article, element(root, "data", *articles, index));
    TOME_TRY(read_squad_article(article, documents, result));
  }
  if (result.questions.empty()) return fail(ErrorKind::format, "[eval] {}: no answerable question in it", path);
  return result;
}

Result<RulerQuestions> load_hotpotqa(const std::string& path) {
  TOME_ASSIGN(const RecordFile file, RecordFile::open(path));
  RulerQuestions result;
  result.source = std::filesystem::path(path).filename().string();
  Documents documents(result.documents);
  for (std::size_t index = 0; index < file.count(); ++index) {
    const auto record = file.object(index);
    Status status;
    if (!record)
      status = tl::unexpected(record.error());
    else
      status = read_hotpot(JsonFields(*record, file.where(index)), documents, result);
    if (!status) result.notices.push_back(status.error().message + "; left out");
  }
  if (result.questions.empty())
    return fail(ErrorKind::format, "[eval] {}: no usable question; the first: {}", path, result.notices.at(0));
  return result;
}

RulerQuestions generate_questions(std::uint64_t seed, std::size_t questions, std::size_t documents, int hops) {
  RulerQuestions result;
  result.source = "generated";
  Generator generator(seed, result);
  for (std::size_t index = 0; index < questions; ++index) generator.add_question(hops);
  for (std::size_t index = 0; index < documents; ++index) generator.add_distractor();
  return result;
}

}  // namespace tome
