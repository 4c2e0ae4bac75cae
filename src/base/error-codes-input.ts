/** What people wrote: the configuration, its rules, the command line. */
import { entry } from "./error-entry.js";

export const inputErrors = {
  CONFIG_INVALID: entry(
    "fatal",
    "The configuration file holds something that is not allowed.",
    "Mend each listed line; `changecast check` shows them again.",
  ),
  CONFIG_UNREADABLE: entry(
    "fatal",
    "The configuration file cannot be read: it is missing, too large, or not ours to read.",
    "Give its path with `-c`, and let the user of this process read it.",
  ),
  CONFIG_PAGES_UNREADABLE: entry(
    "reject",
    "The folder of `listen.pages` cannot be read, or is too large to be an app's pages.",
    "Name the folder that the app's build put out.",
  ),
  CONFIG_SYNTAX: entry(
    "fatal",
    "The configuration file is not YAML that can be read in one way only.",
    "Mend the line: indent with spaces, write each key once, close every quote.",
  ),
  CONFIG_ENV_MISSING: entry(
    "fatal",
    "The configuration names an environment variable that is not set, or is empty.",
    "Set the variable for this process; write `$${` for a plain `${`.",
  ),
  CONFIG_AUTH_REQUIRED: entry(
    "fatal",
    "Clients could connect from other machines, and nobody asks them who they are.",
    "Add `auth` (keys or jwt), or listen on 127.0.0.1.",
  ),
  CONFIG_SOURCE_UNUSED: entry(
    "fatal",
    "A source is configured, but no rule reads from it: it would be tailed for nothing.",
    "Write a rule with this source, or remove the source.",
  ),
  CONFIG_SOURCE_UNKNOWN: entry(
    "fatal",
    "A rule reads from a source that is not under `sources`.",
    "Correct the name, or add the source.",
  ),
  CONFIG_CONNECTOR_UNKNOWN: entry(
    "fatal",
    "The connector of a source is neither built in nor a package that can be loaded.",
    "Use a built-in connector, or install the package and export `connector` from it.",
  ),
  RULE_INVALID: entry(
    "fatal",
    "A rule cannot work as it is written.",
    "Mend the named part; src/rules/RULES.md shows each of them.",
  ),
  RULE_NAME_TAKEN: entry(
    "fatal",
    "Two rules have the same name, by which the journal keeps their documents apart.",
    "Give each rule a name of its own.",
  ),
  RULE_EXPRESSION_INVALID: entry(
    "fatal",
    "A CEL expression of a rule does not parse, or cannot give what its place needs.",
    "Mend the expression at the named place; src/rules/RULES.md shows how columns appear in CEL.",
  ),
  RULE_TEMPLATE_INVALID: entry(
    "fatal",
    "A channel template cannot be read, or can never give the name of a channel.",
    'Write it as "store:{doc.store_id}": text of a channel name with CEL in braces.',
  ),
  RULE_FIELD_UNKNOWN: entry(
    "fatal",
    "A rule names a column or field that its table does not have.",
    "Correct the name, or add the column to the table.",
  ),
  RULE_KEY_UNUSABLE: entry(
    "fatal",
    "A rule's key does not tell the rows of its table apart, or is not put out.",
    "Let `key` hold the primary key or a unique index, and `fields` its columns.",
  ),
  RULE_TABLE_CONFLICT: entry(
    "fatal",
    "Rules that feed the same client table differ in columns, key or kind, or their keys can collide.",
    "Give one of them another `as`, or make the rules alike.",
  ),
  RULE_RELATION_UNMATCHED: entry(
    "fatal",
    "No table or collection of the source matches a rule's `from`.",
    "Correct the name (schema.table in Postgres), or create the table first.",
  ),
  RULE_EVALUATION_FAILED: entry(
    "reject",
    "An expression of a rule failed on one document, which is parked.",
    "Guard the expression (`doc.x != null`, `has(doc.x)`), or mend the document.",
  ),
  RULE_CHANNEL_INVALID: entry(
    "reject",
    "A document's channel came out null, empty, too long or with characters that no channel has.",
    "Keep such documents out with `where`, or build the name from other fields.",
  ),
  RULE_TOO_MANY_CHANNELS: entry(
    "reject",
    "One document would go to more than 1,000 channels.",
    "Put documents for everybody into one shared channel.",
  ),
  RULE_BODY_TOO_LARGE: entry(
    "reject",
    "The output of one document is larger than 8 MiB.",
    "Leave large columns out with `fields` or `exclude`.",
  ),
  CLI_USAGE: entry(
    "reject",
    "A command was given arguments that it does not take, or lacks one that it needs.",
    "See `changecast help` and `changecast <command> --help`.",
  ),
} as const;
