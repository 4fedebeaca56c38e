// The textlint rules. A single word that is never used stands in cspell.json (flagWords) instead.

const MOST_WORDS = 25;

// Durations and idioms, in which "take" has no shorter synonym.
const TAKES = String.raw`(?! (?:effect|place|precedence|priority|part|care|about|up to|at (?:most|least)|longer|as long|more than|less than|a (?:few|while|minute|second)|several|X|\d))`;

// [phrase, replacement]
const PHRASES = [
  [String.raw`(?:take|takes|took|taken|taking)\b${TAKES}`, "accept, import, read, use"],
  [String.raw`(?:make|makes|made|making)\b(?! sure)`, "create, build, enable"],
  [String.raw`(?:ask|asks|asked|asking)\b`, "request, query, call"],
  [String.raw`(?:stand|stands|stood|standing) on`, "use, depend on"],
  [String.raw`look(?:s|ed|ing)? at`, "read, check"],
  [String.raw`ways? out`, "fix"],
  [String.raw`(?:is|are|was|were|be|been|being) over\b(?! (?:\d|X))`, "finish, end"],
  [String.raw`(?:a|any|as|be|is|of|by|their|its) texts?`, "a string"],
  [String.raw`(?:is|are|was|be) nothing`, "None, empty"],
  [String.raw`needs? not`, "does not have to"],
  [String.raw`no part of`, "outside, not part of"],
  [String.raw`(?:is|are|was|were) to be`, "must be, will be"],
  [String.raw`of (?:its|their|our|your|his|one's) own`, "its own …, a separate …"],
  [String.raw`leave (?:\S+ ){0,4}out\b`, "remove, omit"],
  [String.raw`long since`, "already"],
  [String.raw`there and back`, "reverting"],
  [String.raw`has no use`, "cannot be combined, has no effect"],
  [String.raw`(?:is|are|was|were) in the way`, "conflicts, blocks"],
].map(([phrase, instead]) => [new RegExp(String.raw`\b${phrase}`, "gi"), instead]);

const TOO = /,\s+too(?=[\s.,;:)]|$)/gi;

// "Who" may follow a person: "users who deploy", "the engineer who reviews".
const PERSON =
  /(?:people|person|users?|those|anyone|someone|everyone|readers?|engineers?|researchers?|maintainers?|authors?|teams?|customers?|administrators?|reviewers?)\s+$/i;
const CLAUSE = /\b(?:what|who)\b/gi;

function* paragraphs(text) {
  let index = 0;
  for (const paragraph of text.split("\n\n")) {
    yield [index, paragraph];
    index += paragraph.length + 2;
  }
}

function* sentences(text) {
  for (const [index, paragraph] of paragraphs(text)) {
    for (const found of paragraph.matchAll(/\S[\s\S]*?(?:[.!?]\**(?=\s)|$(?![\s\S]))/g)) {
      yield [index + found.index, found[0]];
    }
  }
}

/** A rule that reads the whole document: `find` yields [index, length, message]. */
const rule = (find) => (context) => ({
  [context.Syntax.Document](node) {
    for (const [index, length, message] of find(context.getSource(node))) {
      const padding = context.locator.range([index, index + length]);
      context.report(node, new context.RuleError(message, { padding }));
    }
  },
});

const shown = (text) => `"${text.replaceAll(/\s+/g, " ")}"`;

function* phrases(text) {
  // A phrase may be broken across lines.
  const line = text.replaceAll(/\n(?!\n)(?<!\n\n)/g, " ");
  for (const [phrase, instead] of [...PHRASES, [TOO, "also"]]) {
    for (const found of line.matchAll(phrase)) {
      yield [found.index, found[0].length, `${shown(found[0])}: use ${instead}`];
    }
  }
}

function* nounClauses(text) {
  for (const [index, sentence] of sentences(text)) {
    if (sentence.endsWith("?")) continue;
    for (const found of sentence.matchAll(CLAUSE)) {
      if (/^who$/i.test(found[0]) && PERSON.test(sentence.slice(0, found.index))) continue;
      const after = sentence.slice(found.index).split(/\s+/).slice(0, 4).join(" ");
      yield [index + found.index, found[0].length, `"${after} …": name the thing with a noun`];
    }
  }
}

function* sentenceLength(text) {
  for (const [index, sentence] of sentences(text)) {
    const count = sentence.split(/\s+/).filter((word) => /\w/.test(word)).length;
    if (count > MOST_WORDS) {
      const start = sentence.split(/\s+/).slice(0, 4).join(" ");
      yield [index, 1, `"${start} …" has ${count} words: split it, ${MOST_WORDS} at most`];
    }
  }
}

export const rules = {
  phrase: rule(phrases),
  "noun-clause": rule(nounClauses),
  "sentence-length": rule(sentenceLength),
};
