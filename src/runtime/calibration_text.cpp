#include "runtime/calibration_text.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "base/rng.h"

namespace tome {
namespace {

using Words = std::span<const std::string_view>;

constexpr std::string_view people[] = {
    "Marta Quill",     "Oren Baptiste", "Linnea Holt", "Tomas Arkwright", "Ines Valdoro", "Piotr Lasko",
    "Hana Mirov",      "Caleb Nyström", "Ruth Ekberg", "Samir Oduya",     "Greta Fallon", "Yusuf Demirel",
    "Nora Vance",      "Ivo Petrescu",  "Alma Riedel", "Jonas Whitlock",  "Petra Sandoz", "Kofi Mensah",
    "Delia Marchetti", "Rafe Coulter",  "Signe Aalto"};
constexpr std::string_view places[] = {
    "the north archive",   "the harbour office", "the old mill",      "the upper reservoir", "the printing hall",
    "the east greenhouse", "the signal tower",   "the customs house", "the lower quarry",    "the seed vault",
    "the west depot",      "the clock workshop", "the chapel annex",  "the ferry landing",   "the observatory",
    "the paper mill",      "the river station",  "the tool cellar",   "the music room",      "the ice house"};
constexpr std::string_view things[] = {
    "the brass sextant",  "the tide tables",   "the spare batteries", "the survey maps",    "the glass negatives",
    "the payroll ledger", "the fire hoses",    "the bell rope",       "the seed catalogue", "the diving suit",
    "the ration cards",   "the key cabinet",   "the weather balloon", "the chess clock",    "the paint samples",
    "the cable drum",     "the first edition", "the spare propeller", "the fuel coupons",   "the wax cylinders"};
constexpr std::string_view programs[] = {"lanternd", "quillsync", "mossgate", "ferrybuild", "tallymon", "brinefs",
                                         "corvid",   "hearthctl", "peatlog",  "sablecast",  "windlass", "oatpack",
                                         "larder",   "drumlin",   "kestrel",  "thimble",    "gannet",   "marram"};
constexpr std::string_view paths[] = {"/opt/records/index.db", "/srv/quay/tables",      "/etc/gate.d/rules.conf",
                                      "/var/lib/moss/state",   "/usr/share/oat/themes", "/run/tally/socket",
                                      "/var/spool/brine/in",   "/etc/hearth/limits",    "/srv/corvid/mirror",
                                      "/var/log/windlass.log", "/opt/thimble/plugins",  "/etc/gannet/peers"};
constexpr std::string_view trades[] = {"a locksmith",    "a beekeeper",  "a court stenographer",  "a glass blower",
                                       "a river pilot",  "a bookbinder", "a piano tuner",         "a cartographer",
                                       "a seismologist", "a saddler",    "a lighthouse engineer", "a dentist"};
constexpr std::string_view towns[] = {"Varnholm", "Port Ellery", "Castelmora", "Dunreach", "Osterby",   "Lindale",
                                      "Kirovets", "Santa Brisa", "Hallowfen",  "Tarnwick", "Mirefield", "Belcastro"};
constexpr std::string_view substances[] = {"linseed oil", "borax",      "birch tar",  "copper sulphate", "rock salt",
                                           "beeswax",     "turpentine", "quicklime",  "fish glue",       "potash",
                                           "shellac",     "gypsum",     "pine resin", "chalk dust",      "sea water"};
constexpr std::string_view animals[] = {"a grey heron",   "two otters",     "a lame fox", "a swarm of hornets",
                                        "a stray donkey", "a snowy owl",    "a badger",   "three peacocks",
                                        "a seal pup",     "an escaped goat"};

/// What can be said of a subject: {0} is the subject, {1} the value. Questions use other words than the statements.
struct Relation {
  Words subjects;
  Words values;  // empty: a number of `digits` digits
  int digits;
  std::array<std::string_view, 3> statements;
  std::array<std::string_view, 3> questions;  // the first uses the statement's own words
};

const std::vector<Relation>& relations() {
  static const std::vector<Relation> table = {
      {places,
       {},
       5,
       {"The access code of {0} is {1}.", "To open {0}, the keypad expects {1}.",
        "{0} can be entered only with the number {1}."},
       {"What is the access code of {0}?", "Which digits unlock {0}?", "What must be typed in to get into {0}?"}},
      {people,
       trades,
       0,
       {"{0} worked as {1} before the merger.", "For eleven years {0} earned a living as {1}.",
        "By training {0} was {1}."},
       {"What did {0} work as before the merger?", "What was the profession of {0}?", "Which job did {0} have?"}},
      {people,
       towns,
       0,
       {"{0} was born in {1}.", "{0} spent the first years of childhood in {1}.", "The family of {0} came from {1}."},
       {"Where was {0} born?", "Which town did {0} grow up in?", "What is the home town of {0}?"}},
      {things,
       places,
       0,
       {"{0} must be kept in {1}.", "After use, {0} shall be returned to {1}.",
        "It was decided that {0} belongs in {1}."},
       {"Where must {0} be kept?", "In which building is {0} stored?", "Where would I find {0}?"}},
      {programs,
       paths,
       0,
       {"{0} stores its data under {1}.", "Files written by {0} belong in {1}.",
        "By default {0} looks for its files in {1}."},
       {"Where does {0} store its data?", "Which directory is used by {0}?", "What path should I look at for {0}?"}},
      {programs,
       {},
       4,
       {"{0} listens on port {1}.", "Connections to {0} are accepted on {1}.",
        "The daemon {0} answers at port number {1}."},
       {"Which port does {0} listen on?", "How do clients reach {0} over the network?",
        "What number must the firewall open for {0}?"}},
      {things,
       substances,
       0,
       {"{0} should be cleaned with {1} only.", "Use {1} to remove dirt from {0}.", "Stains on {0} come off with {1}."},
       {"What should {0} be cleaned with?", "Which agent is used to wash {0}?", "How is {0} kept free of grime?"}},
      {places,
       animals,
       0,
       {"In spring {1} was found inside {0}.", "The guards at {0} were startled by {1}.",
        "{1} had made its home in {0}."},
       {"What was found inside {0}?", "Which creature turned up at {0}?", "What wildlife lived in {0}?"}},
      {programs,
       people,
       0,
       {"{0} is maintained by {1}.", "Bug reports about {0} go to {1}.", "The author of {0} is {1}."},
       {"Who maintains {0}?", "Whom should I write to when {0} fails?", "Which person looks after {0}?"}},
      {people,
       {},
       3,
       {"The membership number of {0} is {1}.", "{0} was entered in the register under {1}.",
        "On the list {0} appears as number {1}."},
       {"What is the membership number of {0}?", "Under which number is {0} registered?",
        "How is {0} identified on the list?"}},
  };
  return table;
}

constexpr std::string_view filler[] = {
    "The committee met again on the second {0} of the month and found the minutes in good order.",
    "Nothing in this section prevents {1} from asking for a written explanation.",
    "A short walk from {2}, the path divides and the left branch follows the water.",
    "It is recommended, though not required, that visitors sign the book on arrival.",
    "Older editions of this manual described a different procedure, which should no longer be followed.",
    "The weather that {0} was mild, and the windows of {2} stood open until evening.",
    "{1} objected to the wording and proposed that the paragraph be struck out.",
    "If the file is missing, the program prints a warning and goes on with built-in values.",
    "Many readers have asked why the rule exists at all; the reasons are mostly historical.",
    "Deliveries are accepted until noon, and later ones are left with the porter.",
    "The cost of repairs was shared between the owners according to an old agreement.",
    "Such packages may be installed together, provided that they do not replace each other's files.",
    "Rumours about {3} had been going round since {0}, but nobody could say who began them.",
    "An index of all the terms used here is given at the end of the volume.",
    "{1} and {4} exchanged letters on the matter for the better part of a year.",
    "Where two requirements contradict each other, the stricter one is to be observed.",
    "The lamp above the door of {2} had been broken for weeks.",
    "Implementations are free to ignore this advice when memory is scarce.",
    "On {0} the market was crowded, and the price of bread had gone up once more.",
    "No one remembered exactly when {3} had last been inspected.",
    "The second chapter repeats some of this material for those who begin there.",
    "Users who need the former behaviour can set an option in the configuration.",
    "{4} kept a diary in which such small events were carefully noted.",
    "After a long discussion it was agreed to postpone the decision.",
    "Directories that are not listed here should not be created by the installer.",
    "The noise from the yard made it difficult to follow what {1} was saying.",
};
constexpr std::string_view days[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

template <class T>
const T& pick(Rng& rng, std::span<const T> from) {
  return from[rng.below(from.size())];
}
std::string_view pick(Rng& rng, Words from) { return from[rng.below(from.size())]; }

std::string fill(std::string_view pattern, std::span<const std::string> values) {
  std::string text;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] == '{') {
      text += values[static_cast<std::size_t>(pattern[at + 1] - '0')];
      at += 2;
    } else {
      text += pattern[at];
    }
  }
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z' && !text.starts_with("/")) {
    // Sentences begin with a capital; a program's name stays as it is written.
    if (text.starts_with("the ") || text.starts_with("a ") || text.starts_with("an ") || text.starts_with("two ") ||
        text.starts_with("three "))
      text[0] = static_cast<char>(text[0] - 'a' + 'A');
  }
  return text;
}

std::string filler_sentence(Rng& rng) {
  const std::string values[] = {std::string(pick(rng, Words(days))), std::string(pick(rng, Words(people))),
                                std::string(pick(rng, Words(places))), std::string(pick(rng, Words(things))),
                                std::string(pick(rng, Words(people)))};
  return fill(pick(rng, Words(filler)), values);
}

std::string number(Rng& rng, int digits) {
  std::string text(1, static_cast<char>('1' + rng.below(9)));
  while (static_cast<int>(text.size()) < digits) text += static_cast<char>('0' + rng.below(10));
  return text;
}

struct Fact {
  std::size_t relation = 0, subject = 0;
  std::string sentence;
};

Fact make_fact(Rng& rng, std::size_t relation, std::size_t subject) {
  const Relation& kind = relations()[relation];
  const std::string values[] = {std::string(kind.subjects[subject]),
                                kind.digits > 0 ? number(rng, kind.digits) : std::string(pick(rng, kind.values))};
  return {relation, subject, fill(kind.statements[rng.below(3)], values)};
}

/// Distinct facts about distinct (relation, subject) pairs: those that are asked about come first, the rest distract.
std::vector<Fact> make_facts(Rng& rng, std::size_t count) {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t relation = 0; relation < relations().size(); ++relation)
    for (std::size_t subject = 0; subject < relations()[relation].subjects.size(); ++subject)
      pairs.emplace_back(relation, subject);
  for (std::size_t index = pairs.size(); index > 1; --index) std::swap(pairs[index - 1], pairs[rng.below(index)]);
  pairs.resize(std::min(count, pairs.size()));
  std::vector<Fact> facts;
  for (const auto& [relation, subject] : pairs) facts.push_back(make_fact(rng, relation, subject));
  return facts;
}

}  // namespace

CalibrationDocument make_calibration_document(std::uint64_t seed, std::uint64_t bytes, std::size_t questions) {
  Rng rng(seed);
  constexpr std::uint64_t sentence_bytes = 80;  // about; the share of facts among sentences stays near a third
  const std::size_t sentences = std::max<std::uint64_t>(25, bytes / sentence_bytes);
  const std::size_t fact_count = std::max(questions, sentences / 3);
  std::vector<Fact> facts = make_facts(rng, fact_count);
  std::vector<std::size_t> order(std::max(sentences, facts.size()));  // sentence → fact, or filler
  for (std::size_t index = 0; index < order.size(); ++index) order[index] = index;
  for (std::size_t index = order.size(); index > 1; --index) std::swap(order[index - 1], order[rng.below(index)]);

  CalibrationDocument document;
  std::size_t in_paragraph = 0;
  for (const std::size_t slot : order) {
    const std::string sentence = slot < facts.size() ? facts[slot].sentence : filler_sentence(rng);
    if (!document.text.empty()) {
      const bool breaks = in_paragraph >= 3 + rng.below(5);
      document.text += breaks ? "\n\n" : " ";
      in_paragraph = breaks ? 0 : in_paragraph + 1;
    }
    if (slot < questions && slot < facts.size()) {
      const Relation& kind = relations()[facts[slot].relation];
      const std::size_t form = rng.below(3);
      const std::string subject[] = {std::string(kind.subjects[facts[slot].subject])};
      document.questions.push_back({.question = fill(kind.questions[form], subject),
                                    .begin = document.text.size(),
                                    .end = document.text.size() + sentence.size(),
                                    .paraphrased = form > 0});
    }
    document.text += sentence;
  }
  return document;
}

}  // namespace tome
