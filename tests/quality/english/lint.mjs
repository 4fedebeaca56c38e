// Checks prose with textlint (phrases, clauses, sentences) and cspell (spelling, words).
// Reads {path: [[line, text], …]} from stdin; an empty text separates paragraphs.
// Writes [[path, line, message], …] to stdout.

import { text as read } from "node:stream/consumers";
import { TextlintKernel } from "@textlint/kernel";
import * as textPlugin from "@textlint/textlint-plugin-text";
import { readSettings, spellCheckDocument } from "cspell-lib";
import { rules } from "./rules.mjs";

const PLUGINS = [{ pluginId: "text", plugin: textPlugin.default?.default ?? textPlugin.default }];
const RULES = Object.entries(rules).map(([ruleId, rule]) => ({ ruleId, rule }));

const kernel = new TextlintKernel();
const settings = await readSettings(new URL("cspell.json", import.meta.url));
const files = JSON.parse(await read(process.stdin));
const problems = [];

for (const [path, lines] of Object.entries(files)) {
  const text = lines.map(([, line]) => line).join("\n");
  const report = (index, message) => problems.push([path, lines[index][0], message]);
  const linted = await kernel.lintText(text, {
    filePath: `${path}.txt`,
    ext: ".txt",
    plugins: PLUGINS,
    rules: RULES,
  });
  for (const message of linted.messages) {
    report(message.loc.start.line - 1, `${message.message} (${message.ruleId})`);
  }
  const document = { uri: `stdin:///${path}.txt`, text, languageId: "plaintext" };
  const options = { noConfigSearch: true, generateSuggestions: false };
  const spelled = await spellCheckDocument(document, options, settings);
  if (spelled.errors?.length) throw new Error(`${path}: ${spelled.errors}`);
  for (const issue of spelled.issues) {
    const index = text.slice(0, issue.offset).split("\n").length - 1;
    const instead = (issue.suggestionsEx ?? []).map(({ word }) => word).join(", ");
    report(
      index,
      issue.isFlagged
        ? `"${issue.text}": use ${instead} (word)`
        : `"${issue.text}" is not in the dictionary: fix it, or add it to words.txt (spelling)`,
    );
  }
}

process.stdout.write(JSON.stringify(problems));
