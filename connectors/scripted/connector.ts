/**
 * The worked example of a connector, and the source that tests run on: tables and transactions written
 * down in the YAML, or in code. Everything is kept in memory and begins anew with the process.
 */
import type { Clock } from "../../src/base/clock.js";
import type { Connector } from "../../src/connector/connector.js";
import { channelMatches } from "../../src/model/channel.js";
import type { Problem } from "../../src/model/problem.js";
import { ScriptedSession } from "./scripted-session.js";
import { ScriptedSource } from "./scripted-source.js";
import { optionsSchema, parseScript } from "./script-options.js";
import type { ScriptedOptions } from "./script-options.js";

/** What the YAML's `connector: scripted` loads. */
export const connector: Connector<ScriptedOptions> = createScriptedConnector(new Map());

/** `sources` by name; one that is not among them is made from its options. */
export function createScriptedConnector(
  sources: Map<string, ScriptedSource>,
): Connector<ScriptedOptions> {
  const sourceOf = (name: string, options: ScriptedOptions, clock: Clock): ScriptedSource => {
    const known = sources.get(name);
    if (known !== undefined) return known;
    const made = new ScriptedSource({ ...options, clock });
    sources.set(name, made);
    return made;
  };
  return {
    name: "scripted",
    optionsSchema,
    parseOptions: parseScript,
    open: async (context) =>
      new ScriptedSession(sourceOf(context.source, context.options, context.clock), context),
    check: async (context) => {
      const { source, options, relations, clock } = context;
      const problems: Problem[] = [];
      if (!sources.has(source) && options.tables.length === 0) {
        const message = `the scripted source ${source} has no tables`;
        problems.push({ code: "CONFIG_INVALID", level: "error", message, cure: "Write `tables`." });
      }
      // Made anew where it is not open: what is asked changes nothing.
      const asked = sources.get(source) ?? new ScriptedSource({ ...options, clock });
      const matching = asked.relations.filter(({ name }) =>
        relations.some((pattern) => channelMatches(pattern, name)),
      );
      return { problems, relations: matching };
    },
    parsePosition: (text) => (/^\d{1,16}$/.test(text) ? text.padStart(16, "0") : undefined),
  };
}
